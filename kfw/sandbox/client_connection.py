"""A connection of a client of the sandbox, with a place where faults can hold it up."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Protocol

from kfw.wire.base import Chunk

_READ = 64 * 1024
_RESET = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 s


class FaultHook(Protocol):
    """What may happen to a connection. Both return when it may go on, or raise ConnectionError to end it."""

    async def heard(self, line: "ClientConnection") -> None:
        """Before anything that was read is handed out."""
        ...

    async def speaking(self, line: "ClientConnection") -> None:
        """Before anything is written."""
        ...


class ClientConnection:
    """Calls raise ConnectionError when the client has left."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hindrance: FaultHook | None = None,
    ) -> None:
        self.is_tunnel = False
        self._reader = reader
        self._writer = writer
        self._hindrance = hindrance

    async def read(self) -> bytes:
        """b"" at the end."""
        data = await self._reader.read(_READ)
        if self._hindrance:
            await self._hindrance.heard(self)
        return data

    async def clear(self) -> None:
        """Wait until it may be written. What has an order must be made after this, and written at once."""
        if self._hindrance:
            await self._hindrance.speaking(self)

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
