"""HTTP/1.1 on the unix socket: bytes to Request, Reply to bytes. What a request means is not known here.

Everything is bounded: connections, heads, bodies one by one and all together, the time that a request takes to arrive, and
the time that its reader takes. Who comes is let in: when there are too many, the one that does least goes.
"""

import asyncio
import logging
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import h11
import msgspec

from kfw.errors import KfwError
from kfw.paths import MAX_SOCKET_PATH
from kfw.protocol import ErrorReply
from kfw.system.files import put_aside
from kfw.system.limits import OPEN_FILES

log = logging.getLogger("kfw.server")


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
_PIECE = 64 * 1024
_QUERY_FIELDS = 32
#: Connections that may wait for accept: with a full queue connect(2) fails.
_QUEUE = 1024
#: Seconds.
_NO_ROOM_PAUSE = 0.1
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


class Server:
    def __init__(self, path: Path, handle: Handle, limits: Limits = LIMITS) -> None:
        self._path = path
        self._handle = handle
        self._limits = limits
        self._held = Held(limits)
        self._socket: socket.socket | None = None
        #: In the order in which they came; None: just accepted.
        self._connections: dict[asyncio.Task[None], _Connection | None] = {}

    async def start(self) -> None:
        """Listen. The caller holds the daemon's lock, so a socket file that is there is a leftover."""
        if len(os.fsencode(self._path)) > MAX_SOCKET_PATH:
            raise KfwError(
                f"the socket's path is longer than {MAX_SOCKET_PATH} bytes: {self._path}",
                "set KFW_HOME or XDG_RUNTIME_DIR to a shorter directory",
            )
        if self._path.is_dir() and not self._path.is_symlink():
            log.warning("%s was a directory and is now %s", self._path.name, put_aside(self._path).name)
        before = os.umask(0o177)  # the socket is 0600 from its first moment
        listening = socket.socket(socket.AF_UNIX)
        try:
            self._path.unlink(missing_ok=True)
            listening.bind(str(self._path))
            listening.listen(_QUEUE)
            listening.setblocking(False)
        except OSError as error:
            listening.close()
            raise KfwError(f"cannot listen on {self._path}: {error.strerror or error}") from error
        finally:
            os.umask(before)
        self._socket = listening
        self._watch()

    async def close(self) -> None:
        if self._socket and self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=2)
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _watch(self) -> None:
        if self._socket and self._socket.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    def _accept(self, listening: socket.socket) -> None:
        """One at a time. When the system has no more files we look away for a moment: it would tell us at once again."""
        try:
            peer, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            OPEN_FILES.refuse()
            log.debug("cannot accept a control connection: %s", error.strerror)
            loop = asyncio.get_running_loop()
            loop.remove_reader(listening)
            loop.call_later(_NO_ROOM_PAUSE, self._watch)
            return
        self._make_room()
        task = asyncio.create_task(self._serve(peer), name="control connection")
        self._connections[task] = None
        task.add_done_callback(lambda _: self._connections.pop(task, None))

    async def _serve(self, peer: socket.socket) -> None:
        if not _is_ours(peer):
            peer.close()
            return
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_PIECE, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, peer)
        except BaseException:
            peer.close()
            raise
        await self._converse(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._connections[task] = _Connection(
            reader, writer, self._handle, self._limits, self._held
        )
        try:
            await connection.run()
        except asyncio.CancelledError:
            log.debug("control connection ended by the daemon")
        except (OSError, h11.ProtocolError) as error:
            log.debug("control connection ended: %s", type(error).__name__)
            connection.abort()
        finally:
            self._held.forget(connection)
            writer.close()
            await _gone(writer, self._limits.write)

    def _make_room(self) -> None:
        """For one more: the one that has waited longest for nothing goes first, then followers, at last who is answered."""
        while len(self._connections) >= self._limits.connections:
            task, connection = min(
                self._connections.items(), key=lambda item: _doing(item[1])
            )  # the first of these
            log.debug("too many control connections: one that is %s goes", _doing(connection).name)
            del self._connections[task]
            if connection:
                connection.abort()
            task.cancel()


def _doing(connection: "_Connection | None") -> "Doing":
    return connection.doing if connection else Doing.WAITING


async def _gone(writer: asyncio.StreamWriter, seconds: float) -> None:
    """What a reader does not take in this time it does not get, and its connection does not stay."""
    try:
        async with asyncio.timeout(seconds):
            await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.CancelledError):
        writer.transport.abort()


def _is_ours(peer: socket.socket) -> bool:
    """True when the process at the other end runs as our user, or root."""
    uid = _peer_uid(peer)
    if uid in (os.getuid(), 0):
        return True
    log.warning("refused a control connection of user %s", uid)
    return False


def _peer_uid(peer: socket.socket) -> int:
    if sys.platform == "linux":
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    # struct xucred of <sys/ucred.h>: cr_version, cr_uid, ...; LOCAL_PEERCRED is 1 at level 0 on macOS and the BSDs
    return int(struct.unpack_from("II", peer.getsockopt(0, 1, 76))[1])


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


class _Connection:
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
        self._http.receive_data(await self._reader.read(_PIECE))

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
