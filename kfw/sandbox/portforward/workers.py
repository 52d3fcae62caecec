"""The workers of a SPDY connection, as spdystream has them, and why one stream can stop all: there is no flow control.

Frames go to the worker of their stream's number modulo five, PINGs to all workers in turn. A worker that cannot hand
over data waits; when the queue of one is full the connection is not read any more, and all its streams stand still.
Source: moby/spdystream, connection.go [read and run].
"""

import asyncio
from collections.abc import Awaitable, Callable

from kfw.wire.spdy_frames import Data, Event, Ping, Rst, SynStream

WORKERS = 5
#: Frames that wait for one worker.
QUEUE = 50


class Workers:
    """`handle` may take its time: what comes behind in the same queue waits."""

    def __init__(self, handle: Callable[[Event], Awaitable[None]]) -> None:
        self._handle = handle
        self._queues: list[asyncio.Queue[Event]] = [asyncio.Queue(QUEUE) for _ in range(WORKERS)]
        self._blocks = [0] * WORKERS
        self._unblocked = asyncio.Event()
        self._turn = 0

    def start(self) -> list[asyncio.Task[None]]:
        """One task for each, which never ends but by an error of `handle`."""
        return [asyncio.create_task(self._work(number)) for number in range(WORKERS)]

    async def deal(self, event: Event) -> None:
        """Returns when there is room for it. What is for no stream and no PING is dropped."""
        match event:
            case SynStream(number) | Data(number) | Rst(number):
                await self._queues[number % WORKERS].put(event)
            case Ping():
                self._turn = (self._turn + 1) % WORKERS
                await self._queues[self._turn].put(event)

    def block(self, worker: int) -> None:
        """It stands still until it is unblocked as many times."""
        self._blocks[worker] += 1

    def unblock(self, worker: int) -> None:
        self._blocks[worker] -= 1
        self._unblocked.set()
        self._unblocked = asyncio.Event()

    async def _work(self, number: int) -> None:
        while True:
            event = await self._queues[number].get()
            while self._blocks[number]:
                await self._unblocked.wait()
            await self._handle(event)
