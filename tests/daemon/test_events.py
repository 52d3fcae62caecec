import asyncio

import pytest

from kfw.daemon.events import LAG, Dropped, Events
from tests.fakes import FakeClock

pytestmark = pytest.mark.asyncio


async def test_a_follower_gets_what_it_missed_and_then_each_as_it_comes() -> None:
    events = Events(FakeClock())
    for word in ("one", "two"):
        events.emit("log", message=word)
    async with events.following(1) as following:
        events.emit("log", message="three")
        assert [(await anext(following)).message for _ in range(2)] == ["two", "three"]


async def test_events_are_numbered_from_1_without_gaps() -> None:
    events = Events(FakeClock())
    for _ in range(3):
        events.emit("log")
    assert [event.seq for event in events.since(0)] == [1, 2, 3]


async def test_a_follower_that_does_not_read_is_dropped_and_nobody_waits_for_it() -> None:
    events = Events(FakeClock())
    async with events.following(None) as slow:
        for _ in range(LAG + 10):
            events.emit("log")
        with pytest.raises(Dropped):
            async with asyncio.timeout(1):
                async for _ in slow:
                    pass
