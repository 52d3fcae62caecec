"""Every change, in order: kept for late comers, handed to whoever follows, and never waiting for a slow one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from kfw.model import Status
from kfw.names import RowId
from kfw.protocol import ConnectionInfo, Event, ForwardStatus
from kfw.system.clock import Clock, rfc3339

KEPT = 1000
#: A subscriber that lags behind by this many events is dropped; it can come back with `since`.
LAG = 500
#: Nothing more comes of a forward that is one of these, until it is started again.
ENDED = (Status.STOPPED, Status.DISABLED)


class Dropped(Exception):
    """The subscriber was too slow, or another process goes on."""


class Events:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._seq = 0
        self._queues: set[asyncio.Queue[Event | None]] = set()  # None: no more will come
        self._ended: dict[RowId, None] = {}  # forwards, the last to end comes last

    def emit(
        self,
        kind: str,
        *,
        row: RowId | None = None,
        shown: str | None = None,
        message: str = "",
        forward: ForwardStatus | None = None,
        connection: ConnectionInfo | None = None,
    ) -> None:
        """`shown`: what the row is called where people read it. What is told of a connection of a forward that has ended is
        too late: "stopped" was the last word about it."""
        if forward:
            self._note_end(forward, kind)
        elif kind == "connection" and row in self._ended:
            return
        self._seq += 1
        event = Event(
            seq=self._seq,
            time=rfc3339(self._clock.now()),
            type=kind,
            name=row.name if row else None,
            project=row.project if row else None,
            display_name=shown,
            message=message,
            forward=forward,
            connection=connection,
        )
        self._kept.append(event)
        for queue in list(self._queues):
            if queue.full():
                self._queues.discard(queue)  # `follow` notices
            else:
                queue.put_nowait(event)

    def _note_end(self, forward: ForwardStatus, kind: str) -> None:
        self._ended.pop(forward.id, None)
        if kind == "removed" or forward.status in ENDED:
            self._ended[forward.id] = None
            if len(self._ended) > KEPT:
                del self._ended[next(iter(self._ended))]

    def follow_on(self, before: list[Event]) -> None:
        """Those of the daemon before this one come first; its own, which nobody has seen yet, are counted from there."""
        mine, last = list(self._kept), before[-1].seq if before else 0
        self._kept.clear()
        self._kept.extend(before)
        self._kept.extend(msgspec.structs.replace(event, seq=event.seq + last) for event in mine)
        self._seq += last

    def end(self) -> None:
        """Whoever follows may come back with `since`, to another process."""
        for queue in list(self._queues):
            self._queues.discard(queue)
            if not queue.full():
                queue.put_nowait(None)

    @property
    def last(self) -> int:
        """The number of the last one, 0 before the first."""
        return self._seq

    def since(self, seq: int) -> list[Event]:
        return [event for event in self._kept if event.seq > seq]

    @asynccontextmanager
    async def following(self, seq: int | None) -> AsyncIterator[AsyncIterator[Event]]:
        """Events after `seq` (None: from now on), then each as it comes. The iterator raises Dropped."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(LAG)
        backlog = [] if seq is None else self.since(seq)
        self._queues.add(queue)
        try:
            yield self._follow(backlog, queue)
        finally:
            self._queues.discard(queue)

    async def _follow(self, backlog: list[Event], queue: asyncio.Queue[Event | None]) -> AsyncIterator[Event]:
        for event in backlog:
            yield event
        while True:
            if queue.empty() and queue not in self._queues:
                raise Dropped
            coming = await queue.get()
            if coming is None:
                raise Dropped
            yield coming
