"""Events as a stream, with what goes through between them."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from kfw.daemon.event_stream import TrafficSampler, event_stream, interval_of
from kfw.daemon.events import Events
from kfw.errors import UsageError
from kfw.protocol import Event, ForwardStatus
from tests.client.fake_daemon import row
from tests.fakes import FakeClock


def status(name: str, bytes_in: int = 0, connections: int = 0) -> ForwardStatus:
    return msgspec.convert(row(name, bytesIn=bytes_in, connections=connections), ForwardStatus)


def test_a_sample_has_all_at_first_and_then_those_that_changed() -> None:
    now = [status("api"), status("db")]
    sampler = TrafficSampler(lambda: now)
    assert [one.name for one in sampler.changed()] == ["api", "db"]
    assert sampler.changed() == []
    now = [status("api", bytes_in=10), status("db"), status("web")]
    assert [(one.name, one.bytes_in) for one in sampler.changed()] == [("api", 10), ("web", 0)]
    now = [status("api", bytes_in=10, connections=1)]
    assert [(one.name, one.connections) for one in sampler.changed()] == [("api", 1)]


async def read(stream: AsyncIterator[bytes]) -> Event:
    while True:
        text = (await anext(stream)).decode()
        if data := [line for line in text.splitlines() if line.startswith("data: ")]:
            return msgspec.json.decode(data[0][6:], type=Event)


@pytest.mark.asyncio
async def test_traffic_comes_so_often_bears_the_last_number_and_holds_up_no_event() -> None:
    events = Events(FakeClock())
    events.emit("log", message="before")
    stream = event_stream(events, None, lambda: [status("api")], 0.2)
    first = await read(stream)
    assert (first.type, first.seq) == ("traffic", 1)
    events.emit("log", message="now")
    async with asyncio.timeout(5):
        began = asyncio.get_running_loop().time()
        found = await read(stream)
        assert (found.type, found.message, found.seq) == ("log", "now", 2)
        second = await read(stream)
    assert (second.type, second.seq, second.traffic) == ("traffic", 2, [])
    assert asyncio.get_running_loop().time() - began >= 0.1
    await stream.aclose()


@pytest.mark.asyncio
async def test_who_did_not_ask_for_traffic_gets_none() -> None:
    events = Events(FakeClock())
    stream = event_stream(events, 0, lambda: pytest.fail("sampled"), None)
    events.emit("log", message="only this")
    assert b": connected" in await anext(stream)
    assert (await read(stream)).message == "only this"
    await stream.aclose()


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("1", 1.0), ("0.2", 0.2), ("60", 60.0)])
def test_an_interval_is_seconds(text: str, seconds: float | None) -> None:
    assert interval_of(text) == seconds


@pytest.mark.parametrize("text", ["0", "0.1", "61", "-1", "nan", "inf", "often", "1e-9"])
def test_an_interval_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="'traffic' must be seconds from"):
        interval_of(text)
