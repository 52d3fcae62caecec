"""A connection of a client of the sandbox, with a place where accidents can hold it up."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable

from kfw.wire.base import Chunk

_READ = 64 * 1024
_RESET = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 s


class Line:
    """`hindrance(line)` is awaited before anything that was read is handed out, and before anything is written.

    Calls raise ConnectionError when the client has left.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hindrance: Callable[["Line"], Awaitable[None]] | None = None,
    ) -> None:
        self.is_tunnel = False
        self._reader = reader
        self._writer = writer
        self._hindrance = hindrance

    async def read(self) -> bytes:
        """b"" at the end."""
        data = await self._reader.read(_READ)
        await self.clear()
        return data

    async def clear(self) -> None:
        """Wait until nothing stands against writing; what is written must be made after it, to be in order."""
        if self._hindrance:
            await self._hindrance(self)

    def write(self, chunks: Iterable[Chunk]) -> None:
        self._writer.writelines(chunks)

    async def drain(self) -> None:
        await self._writer.drain()

    async def send(self, *chunks: Chunk) -> None:
        await self.clear()
        self.write(chunks)
        await self.drain()

    def reset(self) -> None:
        """End it so that the client sees a reset."""
        if connection := self._writer.get_extra_info("socket"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()
