"""HTTP/1.1 of a server on asyncio streams, with h11: for the API and for the pods that answer HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from kfw.sandbox.client_connection import ClientConnection

#: Bytes of a request body beyond which it is refused; the real API server takes 3 MiB.
MAX_BODY = 8 * 1024 * 1024

#: What goes on on a connection that has switched to another protocol; with the bytes that came behind the request.
Switch = Callable[[ClientConnection, bytes], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """`path` is decoded, `target` is not; header names are in small letters; of equal query keys the last one counts."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """A body that is a generator is sent as it comes, and closed when the client leaves. `switch` is what follows a 101."""

    status: int = 200
    body: bytes | AsyncGenerator[bytes, None] = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    switch: Switch | None = None


Handler = Callable[[Request], Awaitable[Response]]


async def converse(line: ClientConnection, handler: Handler) -> None:
    """Answer the requests of one connection, one after the other, until it ends. The caller closes it."""
    with suppress(ConnectionError):
        await _Conversation(line, handler).run()


class _Conversation:
    def __init__(self, line: ClientConnection, handler: Handler) -> None:
        self._line = line
        self._handler = handler
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        try:
            while request := await self._request():
                response = await self._handler(request)
                if response.switch:
                    await self._switch(response, response.switch)
                    return
                await self._answer(response, request.method)
                if h11.MUST_CLOSE in (self._http.our_state, self._http.their_state):
                    return
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as problem:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                code, why = problem.error_status_hint, str(problem).encode()
                await self._answer(Response(code, why, "text/plain", {"connection": "close"}), "")

    async def _request(self) -> Request | None:
        """The next request with its body; None when the client has no more."""
        body = bytearray()
        head: h11.Request | None = None
        while True:
            event = await self._event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(body))
            else:
                return None

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._line.read())

    async def _answer(self, response: Response, method: str) -> None:
        headers = {"content-type": response.content_type, **response.headers}
        if isinstance(response.body, bytes):
            headers.setdefault("content-length", str(len(response.body)))
        head = h11.Response(status_code=response.status, headers=list(headers.items()))
        if isinstance(response.body, bytes):
            body = b"" if method == "HEAD" else response.body
            await self._send(head, h11.Data(data=body), h11.EndOfMessage())
        else:
            await self._send(head)
            await self._stream(response.body)

    async def _switch(self, response: Response, switch: Switch) -> None:
        """For good: whatever comes from now on is not HTTP."""
        await self._send(h11.InformationalResponse(status_code=101, headers=list(response.headers.items())))
        first, _ = self._http.trailing_data
        self._line.is_tunnel = True
        await switch(self._line, first)

    async def _stream(self, chunks: AsyncGenerator[bytes, None]) -> None:
        """Send what comes; end it when the client hangs up, which is only seen by reading."""
        sending = asyncio.create_task(self._send_all(chunks))
        leaving = asyncio.create_task(self._hung_up())
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            else:
                raise ConnectionResetError("the client left")
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_all(self, chunks: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(chunks):
            async for chunk in chunks:
                await self._send(h11.Data(data=chunk))
        await self._send(h11.EndOfMessage())

    async def _hung_up(self) -> None:
        while data := await self._line.read():
            self._http.receive_data(data)

    async def _send(self, *events: h11.Event) -> None:
        await self._line.clear()
        for event in events:
            if data := self._http.send(event):
                self._line.write([data])
        await self._line.drain()


def _request(head: h11.Request, body: bytes) -> Request:
    target = head.target.decode("ascii")
    parts = urlsplit(target)
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(head.method.decode("ascii"), target, unquote(parts.path), query, headers, body)
