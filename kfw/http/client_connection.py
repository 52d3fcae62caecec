"""The bytes of one client: read, written within a time, reset; with a place where faults can hold it up."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Protocol

from kfw.wire.codec import Chunk

#: Bytes of one read.
PIECE = 64 * 1024
_RESET = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 s


class EndedByFault(ConnectionError):
    """A hook ends the connection in order: what it wrote still reaches the client."""


class FaultHook(Protocol):
    """What may happen to a connection. Both return when it may go on, or raise ConnectionError to end it."""

    async def on_read(self, client: "ClientConnection") -> None:
        """Before anything that was read is handed out."""
        ...

    async def before_write(self, client: "ClientConnection") -> None:
        """Before anything is written."""
        ...


class ClientConnection:
    """Calls raise ConnectionError when the client has left, TimeoutError when it does not read for `write` seconds."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        hook: FaultHook | None = None,
        write: float | None = None,
    ) -> None:
        #: It has switched to another protocol than HTTP.
        self.is_upgraded = False
        self._reader = reader
        self._writer = writer
        self._hook = hook
        self._write_limit = write
        if write is not None:
            writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until all is written

    async def read(self) -> bytes:
        """b"" at the end."""
        data = await self._reader.read(PIECE)
        if self._hook:
            await self._hook.on_read(self)
        return data

    async def wait_until_writable(self) -> None:
        """What has an order must be made after this, and written at once."""
        if self._hook:
            await self._hook.before_write(self)

    def write(self, chunks: Iterable[Chunk]) -> None:
        # Not writelines: with asyncio before 3.12.9 and 3.13.2 nobody waits until that is written (CVE-2024-12254).
        self._writer.write(b"".join(chunks))

    async def drain(self) -> None:
        if self._write_limit is None:
            await self._writer.drain()
            return
        async with asyncio.timeout(self._write_limit):
            await self._writer.drain()

    async def send(self, *chunks: Chunk) -> None:
        await self.wait_until_writable()
        self.write(chunks)
        await self.drain()

    def abort(self) -> None:
        """End it at once; what was not sent yet is lost."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """End it so that the client sees a reset."""
        if connection := self._writer.get_extra_info("socket"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort()

    async def close(self) -> None:
        """What its reader does not take in time it does not get, and its connection does not stay."""
        self._writer.close()
        try:
            async with asyncio.timeout(self._write_limit):
                await self._writer.wait_closed()
        except (OSError, TimeoutError, asyncio.CancelledError):
            self.abort()
