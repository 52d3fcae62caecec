"""One SPDY connection of a client, bare or in WebSocket messages: its streams, in pairs, each pair a connection to the app.

The workers are as spdystream has them, and why one stream can stop all: there is no flow control. Frames go to the worker
of their stream's number modulo five, PINGs to all workers in turn. A worker that cannot hand over data waits; when the
queue of one is full the connection is not read any more, and all its streams stand still.
Source: moby/spdystream, connection.go [read and run].
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from kfw.http.client_connection import ClientConnection
from kfw.sandbox.portforward.framing import Ended, Framing
from kfw.sandbox.portforward.runtime import Failed, FarEnd, Inbox
from kfw.wire.codec import Chunk, Role, WireError
from kfw.wire.portforward import DATA, BadStream, read_request
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import Data, Event, Goaway, Ping, Rst, RstStatus, SynStream, data_frames

WORKERS = 5
#: Frames that wait for one worker.
QUEUE = 50
log = logging.getLogger(__name__)


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


class Session:
    def __init__(self, client: ClientConnection, framing: Framing, far_end: FarEnd) -> None:
        self._client = client
        self._framing = framing
        self._far_end = far_end
        self._spdy = SpdyConnection(Role.SERVER)
        self._runtime = far_end.runtime
        self._workers = Workers(self._handle)
        self._taken = 0  # connections
        self._last: int | None = None  # stream that is taken, when GOAWAY was said
        self._lonely: dict[str, dict[str, int]] = {}  # by request: streams whose partner has not come yet
        self._inboxes: dict[int, Inbox] = {}
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self, first: bytes) -> None:
        """Until the client leaves. `first` is what came with the request. Raises ConnectionError."""
        tasks = [asyncio.create_task(self._read(first)), *self._workers.start()]
        self._runtime.tunnels.add(self)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._runtime.tunnels.discard(self)
            tasks += self._connections
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def send(self, make: Callable[[], Iterable[Chunk]]) -> None:
        """Frames must leave in the order in which they are made."""
        await self._client.wait_until_writable()
        self._client.write(self._framing.wrap(make()))
        await self._client.drain()

    async def _read(self, data: bytes) -> None:
        try:
            while True:
                await self._receive(data)
                data = await self._client.read()
                if not data:
                    return
        except WireError as problem:
            log.debug("a tunnel ends: %s", problem.what)
            await self._client.send(self._framing.farewell(problem))
        except Ended as end:
            await self._client.send(end.answer)

    async def _receive(self, data: bytes) -> None:
        payloads, answer = self._framing.unwrap(data)
        if answer:
            await self._client.send(answer)
        for payload in payloads:
            for event in self._spdy.receive(payload):
                if isinstance(event, Goaway):
                    raise Ended(b"")
                await self._workers.deal(event)

    async def _handle(self, event: Event) -> None:
        match event:
            case SynStream(number, headers, fin):
                await self._on_open(number, headers)
                if fin:
                    self._close(number)
            case Data(number, payload, fin):
                await self._on_data(number, payload, fin=fin)
            case Rst(number):
                self._close(number)
                self._lonely = {
                    key: pair for key, pair in self._lonely.items() if number not in pair.values()
                }
            case Ping(number):
                await self.send(lambda: [self._spdy.pong(number)])

    async def _on_open(self, number: int, headers: dict[str, str]) -> None:
        try:
            request = read_request(number, headers)
        except BadStream as problem:
            log.debug("stream %s is refused: %s", number, problem.what)
            await self.send(lambda: [self._spdy.rst(number)])
            return
        if self._last is not None and number > self._last:
            await self.send(lambda: [self._spdy.rst(number, RstStatus.REFUSED_STREAM)])
            return
        if request.type == DATA:
            self._inboxes[number] = Inbox()
        await self.send(lambda: [self._spdy.reply(number)])
        pair = self._lonely.setdefault(request.request_id, {})
        pair[request.type] = number
        if len(pair) == 2:
            del self._lonely[request.request_id]
            self._begin(request.port, **pair)

    def _begin(self, port: int, error: int, data: int) -> None:
        task = asyncio.create_task(self._forward(port, error, data))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        self._taken += 1
        self.consider_goaway()

    async def _forward(self, port: int, error: int, data: int) -> None:
        with suppress(ConnectionError):  # the client has left, which ends the whole session
            stream = DataStream(self, data)
            failed = not await self._carry(port, stream, error)
            await self.send(lambda: self._spdy.data(error, b"", fin=True))
            await stream.close()
            if failed and self._runtime.resets:
                await self.send(lambda: [self._spdy.rst(data), self._spdy.rst(error)])
                self._close(data)

    async def _carry(self, port: int, stream: "DataStream", error: int) -> bool:
        try:
            await self._far_end.forward(port, stream)
        except Failed as problem:
            text = problem.text.encode()
            await self.send(lambda: self._spdy.data(error, text))
            return False
        return True

    async def _on_data(self, number: int, payload: bytes, *, fin: bool) -> None:
        inbox = self._inboxes.get(number)
        if inbox and payload:
            await inbox.put(payload)
        if fin:
            self._close(number)

    def _close(self, number: int) -> None:
        if inbox := self._inboxes.pop(number, None):
            inbox.close()

    # -- for faults

    def consider_goaway(self) -> None:
        most = min(self._runtime.goaways, default=None)
        if most is not None and self._taken >= most and self._last is None:
            frame = self._spdy.goaway()
            self._last = int.from_bytes(frame[8:12], "big")
            self._client.write(self._framing.wrap([frame]))

    def block(self, worker: int) -> None:
        self._workers.block(worker)

    def unblock(self, worker: int) -> None:
        self._workers.unblock(worker)

    # -- for DataStream

    def inbox(self, number: int) -> Inbox | None:
        return self._inboxes.get(number)

    async def send_data(self, number: int, data: bytes, *, fin: bool = False) -> None:
        """Also on a stream that the client has reset: the runtime copies on, and only the end of the tunnel stops it."""
        await self.send(lambda: self._spdy.data(number, data, fin=fin) or data_frames(number, data, fin))


class DataStream:
    """The data stream of one connection, for the runtime."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self._number = number
        self._inbox = session.inbox(number) or Inbox()
        self._closed = False

    async def read(self) -> bytes:
        return await self._inbox.take()

    async def write(self, data: bytes) -> None:
        await self._session.send_data(self._number, data)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._session.send_data(self._number, b"", fin=True)
