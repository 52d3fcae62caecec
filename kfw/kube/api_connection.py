"""HTTP/1.1 to an API server: one connection, one request after the other, answers read piece by piece.

Nothing that comes back is trusted: heads, bodies and lines are bounded in size and in time.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing

import h11

import kfw
from kfw.errors import KfwError
from kfw.kube import dial
from kfw.kube.api_errors import FOREIGN, Abandoned, ErrorContext, NotUnderstood, TooLarge, unreachable
from kfw.kube.dial import ServerAddress
from kfw.system.tls_streams import Streams
from kfw.wire.upgrade import encode_header

_AGENT = ("User-Agent", f"kfw/{kfw.__version__}")

#: Bytes of an answer, and of a line of a watch: 250 pods are some 2 MB, and etcd takes no object of more than 1.5 MB.
MOST = 8 << 20
#: Bytes of an answer that is an error, or says a version.
MOST_OF_WORDS = 64 * 1024
#: Bytes of an answer beyond which it takes its turn, so that several do not fill the memory together.
LARGE = 1 << 20
#: Answers with a status below 200 that may come before the one that counts.
_INTERIM = 16
#: Bytes a second below which an answer is given up, once so many seconds have passed.
_SLOWEST, _SLOW_AFTER = 1024, 5.0
#: So many pieces of fewer bytes than that on average are not an answer, but work.
_MANY_PIECES, _SMALLEST = 5000, 16
#: Of the time, and seconds that may be taken at once: 5,000 pods are read in some 0.2 s.
RATE, BURST = 0.25, 0.5
#: Seconds after which the event loop gets its turn.
SLICE = 0.005


class ProcessorShare:
    """A bucket of seconds that fills while they are not taken. Shared by all that is read from one server."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._left = BURST
        self._at = clock()

    def take(self, seconds: float) -> float:
        """Seconds to wait, now that these have been used."""
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._at) * RATE) - seconds
        self._at = now
        return max(-self._left / RATE, 0.0)


class PacedReading:
    """One who reads from it: says when the processor is his and when he only waits, and pauses when it is time.

    `clock` counts the processor time of this thread: a machine that is busy with others is not held against a server.
    """

    def __init__(self, share: ProcessorShare, clock: Callable[[], float] = time.thread_time) -> None:
        self._share = share
        self._clock = clock
        self._since = clock()
        self._used = 0.0

    def waits(self) -> None:
        self._used += self._clock() - self._since

    def goes_on(self) -> None:
        self._since = self._clock()

    async def pause_when_due(self) -> None:
        """Between two steps of a few milliseconds at most."""
        if self._used + self._clock() - self._since < SLICE:
            return
        self.waits()
        used, self._used = self._used, 0.0
        await asyncio.sleep(self._share.take(used))
        self.goes_on()


class ApiConnection:
    """Raises ClusterUnreachable (LoginError where TLS says so) for whatever goes wrong on the wire, Abandoned if it is
    closed from here.

    `host` is the Host header. `heard` is called for every piece that arrives.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        error_context: ErrorContext,
        heard: Callable[[], None],
        share: ProcessorShare | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self.error_context = error_context
        self._heard = heard
        self.reading = PacedReading(share or ProcessorShare())
        self._http = h11.Connection(h11.CLIENT)
        self.open = True
        self.used = False

    async def get(
        self, target: str, headers: Iterable[tuple[str, str]] = (), *, timeout: float, body: bytes = b""
    ) -> "ApiAnswer":
        """`target` is path and query. `timeout`: seconds for the answer's head. With a `body`, which is JSON, it is POSTed:
        so the API takes a question that is longer than a query."""
        self.used = True
        self.reading.goes_on()
        try:
            self._send(target, headers, body)
            async with asyncio.timeout(timeout):
                event = await self._head()
        except FOREIGN as error:
            raise self._failed(error) from error
        names = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        return ApiAnswer(self, event.status_code, names)

    def _send(self, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        sent = [("Host", self._host), _AGENT, ("Accept", "application/json"), *headers]
        if body:
            sent += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        request = h11.Request(
            method="POST" if body else "GET",
            target=target,
            headers=[encode_header(name, value) for name, value in sent],
        )
        self._writer.write(self._http.send(request) or b"")
        if body:
            self._writer.write(self._http.send(h11.Data(body)) or b"")
        self._http.send(h11.EndOfMessage())

    async def _head(self) -> h11.Response:
        for _ in range(_INTERIM):
            event = await self._next(None)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                break
        raise EOFError("it does not finish its answer")

    async def pieces(self, timeout: float) -> AsyncGenerator[bytes, None]:
        """The body of the answer to the last `get`. Afterwards the connection can be used again."""
        size = count = 0
        try:
            while isinstance(event := await self._next(timeout), h11.Data):
                size, count = size + len(event.data), count + 1
                if count > _MANY_PIECES and size < _SMALLEST * count:
                    raise EOFError(f"its answer comes in pieces of less than {_SMALLEST} bytes")
                yield bytes(event.data)
            if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                self._http.start_next_cycle()
            else:
                self.close()
        except FOREIGN as error:
            raise self._failed(error) from error

    async def _next(self, timeout: float | None) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA and self.open:
            self.reading.waits()
            async with asyncio.timeout(timeout):
                data = await self._reader.read(65536)
            self.reading.goes_on()
            self._heard()
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise EOFError("it closed the connection without an answer")
            self._http.receive_data(data)
        await self.reading.pause_when_due()
        if isinstance(
            event, type
        ):  # it was closed from here; or PAUSED, for another protocol that nobody asked for
            raise EOFError("its answer is not HTTP")
        return event

    def _failed(self, error: Exception) -> KfwError:
        if not self.open:
            return Abandoned("the connection was closed to try again")
        self.close()
        return unreachable(self.error_context, error)

    def streams(self) -> Streams:
        """For another protocol than HTTP; nothing may have been asked before, and the caller closes them."""
        assert not self.used
        self.open = False
        return self._reader, self._writer

    def close(self) -> None:
        """At once. Whoever waits for an answer gets Abandoned. Harmless twice."""
        self.open = False
        self._writer.transport.abort()


async def _no_turn() -> None:
    pass


class ApiAnswer:
    """The head has come; the body is read by the one who wants it, or the connection closed.

    `headers` have lower-case names.
    """

    def __init__(
        self, connection: ApiConnection, status: int, headers: Mapping[str, str] | None = None
    ) -> None:
        self._connection = connection
        self.status = status
        self.headers = headers or {}

    @property
    def reading(self) -> PacedReading:
        return self._connection.reading

    async def body(self, timeout: float, turn: Callable[[], Awaitable[None]] = _no_turn) -> bytearray:
        """Whole. `timeout`: seconds for its next piece; `turn` is waited for before more than LARGE of it is read.

        Raises TooLarge, and ClusterUnreachable also if it comes very slowly.
        """
        self._check_encoding()
        whole, has_turn = bytearray(), False
        began = asyncio.get_running_loop().time()
        async with aclosing(self._connection.pieces(timeout)) as pieces:
            async for piece in pieces:
                whole += piece
                if len(whole) > MOST:
                    self._connection.close()
                    raise TooLarge(f"more than {MOST >> 20} MB in one answer")
                if len(whole) > LARGE and not has_turn:
                    await turn()
                    has_turn, began = True, asyncio.get_running_loop().time()
                self._check_speed(len(whole), began)
        return whole

    async def words(self, timeout: float) -> bytes:
        """The beginning of the body: enough of an error or a version."""
        some = bytearray()
        began = asyncio.get_running_loop().time()
        async with aclosing(self._connection.pieces(timeout)) as pieces:
            async for piece in pieces:
                some += piece
                if len(some) >= MOST_OF_WORDS or asyncio.get_running_loop().time() - began > timeout:
                    self._connection.close()
                    break
        return bytes(some[:MOST_OF_WORDS])

    async def lines(self, timeout: float, unfinished: float) -> AsyncGenerator[bytes, None]:
        """Of a body that goes on: each as soon as it is whole, without its newline.

        `unfinished`: seconds that a line which has begun may take. Raises TooLarge, ClusterUnreachable.
        """
        self._check_encoding()
        loop = asyncio.get_running_loop()
        rest, began = bytearray(), loop.time()
        async with aclosing(self._connection.pieces(timeout)) as pieces:
            async for piece in pieces:
                searched, begins = len(rest), 0
                began = began if rest else loop.time()
                rest += piece
                while (end := rest.find(b"\n", searched)) >= 0:
                    line = bytes(rest[begins:end])
                    searched = begins = end + 1
                    if line:
                        yield line
                        await self.reading.pause_when_due()
                if begins:
                    del rest[:begins]
                    began = loop.time()
                if len(rest) > MOST:
                    self._connection.close()
                    raise TooLarge(f"more than {MOST >> 20} MB in one event of a watch")
                if rest and loop.time() - began > unfinished:
                    raise self._too_slow("it stopped in the middle of an event")

    def _check_encoding(self) -> None:
        """None was offered, so none may come."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            self._connection.close()
            raise NotUnderstood(f"its answer is compressed ({encoding[:20]}), which kfw did not ask for")

    def _check_speed(self, size: int, began: float) -> None:
        seconds = asyncio.get_running_loop().time() - began
        if seconds > _SLOW_AFTER and size < _SLOWEST * seconds:
            raise self._too_slow(f"its answer comes at less than {_SLOWEST} bytes a second")

    def _too_slow(self, words: str) -> KfwError:
        self._connection.close()
        return unreachable(self._connection.error_context, TimeoutError(words))


async def connect(
    address: ServerAddress,
    tls: ssl.SSLContext | None,
    host: str,
    error_context: ErrorContext,
    heard: Callable[[], None],
    timeout: float,
    share: ProcessorShare | None = None,
) -> ApiConnection:
    """Raises ClusterUnreachable or LoginError."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await dial.dial(address, tls)
    except TimeoutError as error:
        raise unreachable(error_context, TimeoutError("it does not answer")) from error
    except FOREIGN as error:
        raise unreachable(error_context, error) from error
    return ApiConnection(reader, writer, host, error_context, heard, share)
