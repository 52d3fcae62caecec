"""Between a client and a good API server: passes on what comes, or does with each connection what a mode says.

How it misbehaves is in hostile.py; here is what all modes need: requests, answers, TLS, and the change to `good`.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kfw.system.tls_streams import start_tls
from tests.stream_server import StreamServer

#: Where the good server is.
Upstream = tuple[str, int, ssl.SSLContext]

_MOST_HEAD = 64 * 1024


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    raw: bytes  # the head, with its empty line

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def is_version(self) -> bool:
        return self.path == "/version"

    @property
    def is_watch(self) -> bool:
        return "watch=true" in self.target

    @property
    def is_upgrade(self) -> bool:
        return self.path.endswith("/portforward")

    @property
    def is_list(self) -> bool:
        return not (self.is_version or self.is_watch or self.is_upgrade)

    @property
    def kind(self) -> str:
        """The plural that is asked for."""
        return self.path.rpartition("/")[2]


class Talk:
    """One connection from a client."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._upstream = upstream
        self._piping: list[asyncio.StreamWriter] = []

    async def request(self) -> Request | None:
        """None: the client has gone."""
        try:
            raw = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None
        method, target, _ = raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        return Request(method, target, raw)

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(
        self, status: int, body: bytes = b"", headers: str = "", *, kind: str = "application/json"
    ) -> None:
        head = (
            f"HTTP/1.1 {status} Words\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        )
        await self.say(head.encode() + body)

    async def chunks(self, *pieces: bytes, end: bool = True) -> None:
        """A body of unknown length, as a watch has."""
        await self.say(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for piece in pieces:
            await self.chunk(piece)
        if end:
            await self.say(b"0\r\n\r\n")

    async def chunk(self, piece: bytes) -> None:
        await self.say(b"%x\r\n%s\r\n" % (len(piece), piece))

    async def silence(self) -> None:
        await asyncio.Event().wait()

    def reset(self) -> None:
        self.writer.transport.abort()

    async def pass_on(self, request: Request | None = None) -> None:
        """The rest of the connection; with a request, that one alone, so that the next one is seen again."""
        host, port, tls = self._upstream
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        self._piping.append(writer)
        try:
            if request and not request.is_upgrade:
                writer.write(request.raw.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                await _copy(reader, self.writer)
                return
            if request:
                writer.write(request.raw)
            await asyncio.gather(_copy(self.reader, writer), _copy(reader, self.writer))
        finally:
            writer.transport.abort()

    def abort(self) -> None:
        for writer in (self.writer, *self._piping):
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


Serve = Callable[[Talk], Awaitable[None]]


async def good(talk: Talk) -> None:
    await talk.pass_on()


@dataclass(frozen=True)
class Mode:
    """`tls`: its URL is https, and how the server presents itself, None: the mode does it on its own.

    `harmless`: a forward works in spite of it. `memory`, `storm`: it is about that, and measured alone.
    `keeps_dead`: connections from before stay silent when it turns good. `listens` False: the port is closed.
    """

    serve: Serve
    is_https: bool = False
    tls: Callable[[], ssl.SSLContext] | None = None
    harmless: bool = False
    memory: bool = False
    storm: bool = False
    keeps_dead: bool = False
    listens: bool = True


@dataclass
class Interposer:
    """`mode` None: good. `good_tls` is what it is then, where clients come with https."""

    upstream: Upstream
    mode: Mode
    good_tls: ssl.SSLContext
    port: int = 0
    _is_good: bool = False
    _server: StreamServer | None = None
    _talks: dict[asyncio.Task[None], Talk] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http{'s' if self.mode.is_https else ''}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        await self._listen()
        if not self.mode.listens and self._server:
            await self._server.close()
            self._server = None

    async def turn_good(self) -> None:
        """At once, for new connections; those that misbehave are reset, unless nobody would tell."""
        self._is_good = True
        if self._server is None:
            await self._listen()
        if not self.mode.keeps_dead:
            for task, talk in tuple(self._talks.items()):
                task.cancel()
                talk.abort()

    async def close(self) -> None:
        for talk in self._talks.values():
            talk.abort()
        if self._server:
            await self._server.close()

    async def _listen(self) -> None:
        self._server = StreamServer(self._came, _MOST_HEAD)
        await self._server.start(port=self.port)
        self.port = self._server.port

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._talks[task] = talk = Talk(reader, writer, self.upstream)
        try:
            await self._serve(talk, is_good=self._is_good)
        finally:
            del self._talks[task]

    async def _serve(self, talk: Talk, *, is_good: bool) -> None:
        try:
            context = self._context(is_good=is_good)
            if context and self._server:
                self._server.leave(talk.writer)
                talk.reader, talk.writer = await start_tls(talk.writer, context, is_server=True)
            await (good(talk) if is_good else self.mode.serve(talk))
        except (OSError, EOFError, ssl.SSLError):
            pass  # the client has gone, or does not trust it
        finally:
            talk.writer.close()

    def _context(self, *, is_good: bool) -> ssl.SSLContext | None:
        if not self.mode.is_https:
            return None
        if is_good:
            return self.good_tls
        return self.mode.tls() if self.mode.tls else None
