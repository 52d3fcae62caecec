"""`GET /v1/events?follow=true`: events as server-sent events, and between them what goes through, for who asks."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

import msgspec

from kfw.daemon.events import Dropped, Events
from kfw.errors import UsageError
from kfw.names import RowId
from kfw.protocol import Event, ForwardStatus, ForwardTraffic
from kfw.system.clock import Clock, rfc3339

#: Seconds between comments on an event stream, so that a dead reader is noticed.
HEARTBEAT = 15.0
#: Seconds between two samples that a client may ask for.
QUICKEST, SLOWEST = 0.2, 60.0

Statuses = Callable[[], Iterable[ForwardStatus]]


class TrafficSampler:
    """What each forward has carried, of those for which that changed since the sample before; at first of all."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses
        self._before: dict[RowId, ForwardTraffic] = {}

    def changed(self) -> list[ForwardTraffic]:
        now = {status.id: _traffic(status) for status in self._statuses()}
        before, self._before = self._before, now
        return [traffic for row, traffic in now.items() if before.get(row) != traffic]


async def event_stream(
    events: Events, since: int | None, statuses: Statuses, interval: float | None
) -> AsyncGenerator[bytes, None]:
    """`interval`: seconds between two events of type traffic; None: there are none. They are counted nowhere, and bear the
    number of the event before them."""
    async with events.following(since) as following:
        yield b": connected\n\n"  # from here on nothing is missed
        sampler = TrafficSampler(statuses)
        coming = asyncio.ensure_future(anext(following))
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                wait = HEARTBEAT if interval is None else max(due - loop.time(), 0)
                done, _ = await asyncio.wait({coming}, timeout=wait)
                if done:
                    try:
                        event = coming.result()
                    except Dropped:
                        yield b": too slow, or another daemon goes on: come back with since\n\n"
                        return
                    yield b"id: %d\ndata: %s\n\n" % (event.seq, msgspec.json.encode(event))
                    coming = asyncio.ensure_future(anext(following))
                elif interval is None:
                    yield b": alive\n\n"
                if interval is not None and loop.time() >= due:
                    due = loop.time() + interval
                    yield b"data: %s\n\n" % msgspec.json.encode(_event(events.last, sampler.changed()))
        finally:
            coming.cancel()


def interval_of(text: str) -> float | None:
    """Of the query `traffic`: seconds, "" is none. Raises UsageError."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not QUICKEST <= seconds <= SLOWEST:
        raise UsageError(f"'traffic' must be seconds from {QUICKEST:g} to {SLOWEST:g}")
    return seconds


def _event(seq: int, traffic: list[ForwardTraffic]) -> Event:
    return Event(seq=seq, time=rfc3339(Clock().now()), type="traffic", traffic=traffic)


def _traffic(status: ForwardStatus) -> ForwardTraffic:
    return ForwardTraffic(
        name=status.name,
        project=status.project,
        connections=status.connections,
        bytes_in=status.bytes_in,
        bytes_out=status.bytes_out,
    )
