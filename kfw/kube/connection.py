"""HTTP/1.1 to an API server: one connection, one request after the other, answers read piece by piece."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing

import h11

import kfw
from kfw.errors import KfwError
from kfw.kube import dial
from kfw.kube.dial import Address, Streams
from kfw.kube.errors import ErrorContext, unreachable
from kfw.wire.header_values import encode_header

_FOREIGN = (OSError, EOFError, ssl.SSLError, h11.RemoteProtocolError, h11.LocalProtocolError)
_AGENT = ("User-Agent", f"kfw/{kfw.__version__}")


class Connection:
    """Raises ClusterUnreachable (LoginError where TLS says so) for whatever goes wrong on the wire.

    `host` is the Host header. `heard` is called for every piece that arrives.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        error_context: ErrorContext,
        heard: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._error_context = error_context
        self._heard = heard
        self._http = h11.Connection(h11.CLIENT)
        self.open = True
        self.used = False

    async def get(self, target: str, headers: Iterable[tuple[str, str]] = (), *, timeout: float) -> "Answer":
        """`target` is path and query. `timeout`: seconds for the answer's head."""
        self.used = True
        sent = [("Host", self._host), _AGENT, ("Accept", "application/json"), *headers]
        try:
            request = h11.Request(
                method="GET", target=target, headers=[encode_header(name, value) for name, value in sent]
            )
            self._writer.write(self._http.send(request) or b"")
            self._http.send(h11.EndOfMessage())
            event = await self._next(timeout)
            while isinstance(event, h11.InformationalResponse):
                event = await self._next(timeout)
            assert isinstance(event, h11.Response)
        except _FOREIGN as error:
            raise self._failed(error) from error
        return Answer(self, event.status_code)

    async def pieces(self, timeout: float) -> AsyncGenerator[bytes, None]:
        """The body of the answer to the last `get`. Afterwards the connection can be used again."""
        try:
            while isinstance(event := await self._next(timeout), h11.Data):
                yield bytes(event.data)
            if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                self._http.start_next_cycle()
            else:
                self.close()
        except _FOREIGN as error:
            raise self._failed(error) from error

    async def _next(self, timeout: float) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(timeout):
                data = await self._reader.read(65536)
            self._heard()
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise EOFError("it closed the connection without an answer")
            self._http.receive_data(data)
        assert not isinstance(event, type)  # h11's PAUSED: only after an upgrade, which is never asked for
        return event

    def _failed(self, error: Exception) -> KfwError:
        self.close()
        return unreachable(self._error_context, error)

    def streams(self) -> Streams:
        """For another protocol than HTTP; nothing may have been asked before, and the caller closes them."""
        assert not self.used
        self.open = False
        return self._reader, self._writer

    def close(self) -> None:
        """At once. Whoever waits for an answer gets ClusterUnreachable. Harmless twice."""
        self.open = False
        self._writer.transport.abort()


class Answer:
    """The head has come; the body is read by the one who wants it, or the connection closed."""

    def __init__(self, connection: Connection, status: int) -> None:
        self._connection = connection
        self.status = status

    async def body(self, timeout: float) -> bytes:
        async with aclosing(self._connection.pieces(timeout)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def lines(self, timeout: float) -> AsyncGenerator[bytes, None]:
        """Of a body that goes on: each as soon as it is whole, without its newline."""
        rest = bytearray()
        async with aclosing(self._connection.pieces(timeout)) as pieces:
            async for piece in pieces:
                searched = len(rest)
                rest += piece
                while (end := rest.find(b"\n", searched)) >= 0:
                    line = bytes(rest[:end])
                    del rest[: end + 1]
                    searched = 0
                    if line:
                        yield line


async def connect(
    address: Address,
    tls: ssl.SSLContext | None,
    host: str,
    error_context: ErrorContext,
    heard: Callable[[], None],
    timeout: float,
) -> Connection:
    """Raises ClusterUnreachable or LoginError."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await dial.dial(address, tls)
    except TimeoutError as error:
        raise unreachable(error_context, TimeoutError("it does not answer")) from error
    except _FOREIGN as error:
        raise unreachable(error_context, error) from error
    return Connection(reader, writer, host, error_context, heard)
