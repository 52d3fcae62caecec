"""A port on loopback for the time of one health check, for who can connect and cannot be given a connection.

It leads by the path that is being checked, also one that no client uses yet: the forward's own port would lead by the path
before it, or wait.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from kfw.errors import Shortage, words_of
from kfw.relay.dialer import DialFailed, RefusedByApp
from kfw.system.open_files import OPEN_FILES, OpensFor, Use, is_shortage, shortage_of

#: As in relay.dialer.Dialer.
Connect = Callable[[Callable[[], asyncio.Protocol]], Awaitable[asyncio.Transport]]

_PIECE = 64 * 1024
#: The port, and both ends of a connection through it.
_FILES = 3


class OwnPort:
    """`failure`: why the last connection did not get through, if it did not."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.number = 0
        self.failure: DialFailed | None = None
        self._carried: set[asyncio.Task[None]] = set()

    async def listen(self) -> asyncio.Server:
        OPEN_FILES.claim(Use.UPKEEP, _FILES)
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.number = server.sockets[0].getsockname()[1]
        return server

    async def end(self) -> None:
        for task in self._carried:
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)

    async def _carry(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):  # the end of the check; who asks hears of both
                await self._carry_on(near, near_out)
        finally:
            self._carried.discard(task)
            near_out.close()

    async def _carry_on(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        far = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(far)
        try:
            with OpensFor(Use.UPKEEP):
                transport = await self._connect(lambda: protocol)
        except DialFailed as failed:
            self.failure = failed
            return
        far_out = asyncio.StreamWriter(transport, protocol, far, loop)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(near, far_out))
                both.create_task(self._copy_back(far, near_out))
        except* OSError:
            pass
        finally:
            transport.close()

    async def _copy_back(self, far: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        try:
            await _copy(far, near_out)
        except RefusedByApp as refused:
            self.failure = DialFailed(str(refused), safe=True, refused=True)
            raise


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_PIECE):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()


@asynccontextmanager
async def own_port(connect: Connect) -> AsyncIterator[OwnPort]:
    """Raises Shortage."""
    port = OwnPort(connect)
    try:
        server = await port.listen()
    except OSError as error:
        if is_shortage(error):
            raise shortage_of("cannot be asked", error) from error
        raise Shortage(f"cannot be asked: {words_of(error)}") from error
    try:
        yield port
    finally:
        server.close()
        await port.end()
