"""Two tiny proxies: HTTP CONNECT and SOCKS5. They carry on to wherever they are asked, and remember what that was."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.stream_server import streams

Handshake = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[tuple[str, int] | None]]


class Proxy:
    def __init__(self, handshake: Handshake) -> None:
        self.asked: list[tuple[str, int]] = []
        self.port = 0
        self._handshake = handshake

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        where = await self._handshake(reader, writer)
        if where is None:
            writer.close()
            return
        self.asked.append(where)
        far_reader, far_writer = await asyncio.open_connection(*where)
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            writer.close()
            far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def connect(password: str = "", adds: bytes = b"") -> Handshake:
    """`adds`: after its own answer, in the same segment."""

    async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if password and f"Proxy-Authorization: Basic {password}" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return None
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n" + adds)
        host, _, port = head.split(" ")[1].rpartition(":")
        return host, int(port)

    return handshake


def socks5(user: str = "", password: str = "") -> Handshake:
    async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if user:
            writer.write(b"\x05\x02" if 2 in methods else b"\x05\xff")
            if 2 not in methods:
                return None
            name = await reader.readexactly((await reader.readexactly(2))[1])
            word = await reader.readexactly((await reader.readexactly(1))[0])
            good = (name.decode(), word.decode()) == (user, password)
            writer.write(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return None
        else:
            writer.write(b"\x05\x00")
        length = (await reader.readexactly(5))[4]
        host = (await reader.readexactly(length)).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        return host, port

    return handshake


@asynccontextmanager
async def proxying(handshake: Handshake, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """`tls`: of an https proxy."""
    proxy = Proxy(handshake)
    async with streams(proxy.serve, tls=tls) as server:
        proxy.port = server.port
        yield proxy
