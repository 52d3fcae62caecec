"""HTTP/1.1 on the unix socket: bytes to Request, Reply to bytes. What a request means is not known here."""

import asyncio
import logging
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import h11
import msgspec

from kfw.errors import KfwError
from kfw.paths import MAX_SOCKET_PATH
from kfw.protocol import ErrorReply

log = logging.getLogger("kfw.server")

MAX_BODY = 8 * 1024 * 1024
MAX_HEADERS = 64 * 1024
#: Seconds that a kept-alive connection may be idle, and a request may take to arrive.
IDLE = 60.0
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


Handle = Callable[[Request], Awaitable[Reply]]


class Server:
    def __init__(self, path: Path, handle: Handle) -> None:
        self._path = path
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. The caller holds the daemon's lock, so a socket file that is there is a leftover."""
        if len(os.fsencode(self._path)) > MAX_SOCKET_PATH:
            raise KfwError(
                f"the socket's path is longer than {MAX_SOCKET_PATH} bytes: {self._path}",
                "set KFW_HOME or XDG_RUNTIME_DIR to a shorter directory",
            )
        with suppress(FileNotFoundError):
            self._path.unlink()
        before = os.umask(0o177)  # the socket is 0600 from its first moment
        try:
            self._server = await asyncio.start_unix_server(self._accepted, self._path)
        finally:
            os.umask(before)

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=2)
        with suppress(FileNotFoundError):
            self._path.unlink()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if _is_ours(writer.get_extra_info("socket")):
                await _Connection(reader, writer, self._handle).run()
        except (OSError, TimeoutError, asyncio.CancelledError, h11.RemoteProtocolError) as error:
            log.debug("control connection ended: %r", error)
        finally:
            self._connections.discard(task)
            writer.close()


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


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handle) -> None:
        self._reader, self._writer, self._handle = reader, writer, handle
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADERS)

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE):
                    request = await self._request()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint, str(error))
                return
            if request is None:
                return
            await self._send(await self._handle(request))
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _request(self) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    raise h11.RemoteProtocolError("the body is too large", 413)
            elif isinstance(event, h11.EndOfMessage) and head:
                url = urlsplit(head.target.decode("ascii", "replace"))
                return Request(head.method.decode(), url.path, dict(parse_qsl(url.query)), bytes(body))
            else:
                return None

    async def _send(self, reply: Reply) -> None:
        headers = [(b"Content-Type", reply.content_type)]
        if reply.stream is None:
            headers.append((b"Content-Length", str(len(reply.body)).encode()))
            self._write(h11.Response(status_code=reply.status, headers=headers))
            self._write(h11.Data(data=reply.body))
        else:
            self._write(h11.Response(status_code=reply.status, headers=headers))
            await self._stream(reply.stream)
        self._write(h11.EndOfMessage())
        await self._writer.drain()

    async def _stream(self, chunks: AsyncIterator[bytes]) -> None:
        """Send until the stream ends or the client hangs up: a hung-up client is noticed by reading."""
        await self._writer.drain()
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
            await self._writer.drain()

    async def _refuse(self, status: int, why: str) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            what = ErrorReply(what=f"the request is not HTTP/1.1: {why}")
            await self._send(Reply(status, msgspec.json.encode(what)))

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
