"""Messages with open files between two processes of kfw, over one socket of a pair that nobody else can reach.

A message is a head (length of its body and number of files, both 32 bit, big endian), the files in batches that hang on one
byte each (SCM_RIGHTS: Linux takes 253 in one, unix(7)), and its body.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

_HEAD = struct.Struct(">II")
_BATCH = 200
#: Bytes of a body, and files of a message: more than any daemon has.
LARGEST, MOST_FILES = 64 * 1024 * 1024, 20_000


class ChannelClosed(OSError):
    """The other process has ended, or has closed its end."""


class FdChannel:
    """One end. `sock` is ours from now on; of each direction one caller at a time."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock

    async def send(self, body: bytes, files: Sequence[int] = ()) -> None:
        """The files stay open here, too. Raises OSError."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, _HEAD.pack(len(body), len(files)))
        for at in range(0, len(files), _BATCH):
            await self._try(partial(self._send_batch, files[at : at + _BATCH]), writes=True)
        await loop.sock_sendall(self._socket, body)

    async def receive(self) -> tuple[bytes, list[int]]:
        """The files are the caller's to close. Raises ChannelClosed, or ValueError for what is no message of ours."""
        size, count = _HEAD.unpack(await self._exactly(_HEAD.size))
        if size > LARGEST or count > MOST_FILES:
            raise ValueError(f"a message of {size} bytes and {count} files")
        files: list[int] = []
        try:
            while len(files) < count:
                files += await self._try(self._batch)
            return await self._exactly(size), files
        except BaseException:
            close_all(files)
            raise

    def close(self) -> None:
        self._socket.close()

    def _send_batch(self, files: Sequence[int]) -> None:
        socket.send_fds(self._socket, [b"f"], list(files))

    def _batch(self) -> list[int]:
        data, files, _, _ = socket.recv_fds(self._socket, 1, _BATCH)
        for file in files:
            os.set_inheritable(file, False)
        if not data:
            raise ChannelClosed("the other side has ended")
        if not files:
            raise ValueError("a batch without files: the limit of open files may be reached")
        return files

    async def _exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < size:
            piece = await loop.sock_recv(self._socket, min(size - len(data), 1 << 20))
            if not piece:
                raise ChannelClosed("the other side has ended")
            data += piece
        return bytes(data)

    async def _try(self, act: Callable[[], list[int] | None], *, writes: bool = False) -> list[int]:
        """As soon as the socket lets us."""
        while True:
            try:
                done = act()
            except BlockingIOError:
                await self._wait(writes=writes)
            else:
                return done or []

    async def _wait(self, *, writes: bool) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = (
            (loop.add_writer, loop.remove_writer) if writes else (loop.add_reader, loop.remove_reader)
        )
        add(self._socket, _set, ready)
        try:
            await ready
        finally:
            remove(self._socket)


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def close_all(files: Sequence[int]) -> None:
    for file in files:
        with suppress(OSError):
            os.close(file)
