"""HTTP/1.1 on one connection of the control socket: bytes to Request, Reply to bytes, within limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from urllib.parse import parse_qsl, urlsplit

import h11
import msgspec

from kfw.protocol import ErrorReply


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds.

    `body` takes an `up` of four thousand forwards. `bodies` is for all unfinished ones together, small ones left out:
    each connection has `free` of its own, so that big ones cannot keep a `kfw down` away.
    """

    connections: int = 100
    head: int = 32 * 1024
    body: int = 4 * 1024 * 1024
    bodies: int = 12 * 1024 * 1024
    free: int = 64 * 1024
    replies: int = 24 * 1024 * 1024
    idle: float = 60.0  # until a request begins
    arrive: float = 20.0  # from its first byte to its last
    write: float = 10.0  # until a reader has taken what was sent


LIMITS = Limits()
MAX_BODY = LIMITS.body
#: Bytes of one read or write.
PIECE = 64 * 1024
_QUERY_FIELDS = 32
_LONGEST_WHY = 200
JSON = b"application/json"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """`stream` instead of `body`: sent chunked until it ends or the client leaves."""

    status: int = 200
    body: bytes = b"{}"
    content_type: bytes = JSON
    stream: AsyncIterator[bytes] | None = None
    allow: str = ""  # the methods that there are, for a 405


Handle = Callable[[Request], Awaitable[Reply]]


class Doing(IntEnum):
    """What a connection does: the less, the earlier it has to go."""

    WAITING = 0  # for a request, or for the rest of one
    FOLLOWING = 1  # events; it can come back with `since`
    ANSWERING = 2


class Held:
    """The memory that unfinished requests and unread replies take together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bodies: dict[object, int] = {}
        self._replies: dict[object, int] = {}

    def body(self, owner: object, size: int) -> None:
        """Raises h11.RemoteProtocolError when it is too much for one, or for all together."""
        if size > self._limits.body:
            raise h11.RemoteProtocolError(f"the body is larger than {self._limits.body} bytes", 413)
        self._bodies[owner] = max(size - self._limits.free, 0)
        if sum(self._bodies.values()) > self._limits.bodies:
            del self._bodies[owner]
            raise h11.RemoteProtocolError("too many large requests at a time, try again later", 429)

    def reply(self, owner: object, size: int) -> bool:
        """False when too much waits for readers already."""
        self._bodies.pop(owner, None)
        if size and sum(self._replies.values()) + size > self._limits.replies and self._replies:
            return False
        self._replies[owner] = size
        return True

    def forget(self, owner: object) -> None:
        self._bodies.pop(owner, None)
        self._replies.pop(owner, None)


class Connection:
    """One client: its requests one after the other, each answered before the next is read."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handle: Handle,
        limits: Limits,
        held: Held,
    ) -> None:
        self._reader, self._writer, self._handle = reader, writer, handle
        self._limits, self._held = limits, held
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)
        self.doing = Doing.WAITING
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until all is written

    def abort(self) -> None:
        self._writer.transport.abort()

    async def run(self) -> None:
        while True:
            self.doing = Doing.WAITING
            try:
                request = await self._request()
            except h11.RemoteProtocolError as error:
                hint = error.error_status_hint  # 501 for another coding than chunked: the mistake is not ours
                await self._refuse(hint if hint < 500 else 400, str(error))
                return
            except TimeoutError:
                if self._http.their_state is h11.SEND_BODY:  # else nothing was asked
                    await self._refuse(408, f"it took longer than {self._limits.arrive:g} s to arrive")
                return
            if request is None:
                return
            self.doing = Doing.ANSWERING
            await self._send(await self._handle(request), head_only=request.method == "HEAD")
            self._held.forget(self)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            await asyncio.sleep(0)  # a thousand requests in one go must not keep others waiting

    async def _request(self) -> Request | None:
        """None: the client has left. Raises TimeoutError, or h11.RemoteProtocolError for what is not a request."""
        async with asyncio.timeout(self._limits.idle) as limit:
            head: h11.Request | None = None
            body = bytearray()
            begun = False
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    await self._read()
                    if not begun:
                        begun = True
                        limit.reschedule(asyncio.get_running_loop().time() + self._limits.arrive)
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    self._held.body(self, len(body))
                elif isinstance(event, h11.EndOfMessage) and head:
                    return _request_of(head, bytes(body))
                else:
                    return None

    async def _read(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))
            await self._flush()
        self._http.receive_data(await self._reader.read(PIECE))

    async def _send(self, reply: Reply, *, head_only: bool = False) -> None:
        if not self._held.reply(self, len(reply.body)):
            reply = Reply(429, _words("too many replies wait to be read, try again later"))
        headers = [(b"Content-Type", reply.content_type)]
        if reply.allow:
            headers.append((b"Allow", reply.allow.encode()))
        if reply.stream is None:
            headers.append((b"Content-Length", str(len(reply.body)).encode()))
        self._write(h11.Response(status_code=reply.status, headers=headers))
        if head_only:
            pass
        elif reply.stream is None:
            self._write(h11.Data(data=reply.body))
        else:
            await self._stream(reply.stream)
        self._write(h11.EndOfMessage())
        await self._flush()

    async def _stream(self, chunks: AsyncIterator[bytes]) -> None:
        """Send until the stream ends or the client hangs up: a hung-up client is noticed by reading."""
        self.doing = Doing.FOLLOWING
        await self._flush()
        left = asyncio.create_task(self._reader.read(1), name="control client left")
        send = asyncio.create_task(self._send_chunks(chunks), name="control stream")
        try:
            await asyncio.wait({left, send}, return_when=asyncio.FIRST_COMPLETED)
            if left.done() and not send.done():
                raise ConnectionResetError("the client left")
            await send
        finally:
            for task in (left, send):
                task.cancel()
            await asyncio.gather(left, send, return_exceptions=True)

    async def _send_chunks(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            self._write(h11.Data(data=chunk))
            await self._flush()

    async def _flush(self) -> None:
        """Raises TimeoutError when its reader does not read."""
        async with asyncio.timeout(self._limits.write):
            await self._writer.drain()

    async def _refuse(self, status: int, why: str) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send(Reply(status, _words(f"cannot read the request: {why[:_LONGEST_WHY]}")))

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)


def _request_of(head: h11.Request, body: bytes) -> Request:
    """Raises h11.RemoteProtocolError for a target that is not one."""
    try:
        path, query = _target(head.target.decode("ascii"))
        pairs = parse_qsl(query, max_num_fields=_QUERY_FIELDS)
    except ValueError as error:
        raise h11.RemoteProtocolError(f"it asks for something that is not a path: {error}", 400) from error
    return Request(head.method.decode(), path, dict(pairs), body)


def _target(target: str) -> tuple[str, str]:
    """Path and query. `http://kfw/v1/status` is what clients send that take us for a proxy (RFC 9112, 3.2.2)."""
    if not target.startswith("/"):
        url = urlsplit(target)
        return url.path, url.query
    path, _, query = target.partition("?")
    return path, query.partition("#")[0]


def _words(what: str) -> bytes:
    return msgspec.json.encode(ErrorReply(what=what, exit_code=2, reason="bad-config"))
