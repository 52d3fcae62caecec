"""A connection that everybody refuses waits for a while, shorter than one for which there is nobody yet."""

import asyncio
from collections.abc import Callable

import pytest

from kfw.relay.dialer import Dialer, HearsRefusals, RefusedByApp
from tests.relay.world import Port, Refusing, app, echo, listening
from tests.stopwatch import soon
from tests.until import until

pytestmark = pytest.mark.asyncio

WHY = "nothing listens on port 80 in pod web-1 (connection refused)"


async def lost(local: Port, within: float = 3.0) -> float:
    """Seconds until the client is reset."""
    began = asyncio.get_running_loop().time()
    reader, writer = await local.client()
    with pytest.raises(ConnectionResetError):
        await soon(reader.read(), within)
    writer.close()
    return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize("by_dial", [True, False])
@pytest.mark.parametrize(
    ("hold", "hold_refused", "least", "most"),
    [
        (5.0, 0.2, 0.15, 1.0),
        (5.0, 0.0, 0.0, 0.5),
        (0.2, 5.0, 0.15, 1.0),
        (0.0, 5.0, 0.0, 0.5),
        (0.3, 0.3, 0.25, 1.0),
    ],
)
async def test_the_shorter_of_both_holds_ends_it(
    by_dial: bool, hold: float, hold_refused: float, least: float, most: float
) -> None:
    dialer = Refusing(999, why=WHY, refused=True) if by_dial else None
    async with listening(dialer, hold=hold, hold_refused=hold_refused) as local:
        if dialer is None:
            local.listener.use(None, WHY, refused=True)
        assert least <= await lost(local) <= most
        assert local.said[0].endswith(f": {WHY}")
        assert local.refused == [WHY]
        assert local.listener.failed_connections == 1


async def test_what_is_no_refusal_has_the_whole_hold_and_is_told_to_nobody() -> None:
    async with listening(Refusing(999, why="no answer"), hold=0.4, hold_refused=0.05) as local:
        assert await lost(local) >= 0.35
        assert local.refused == []


async def test_it_is_told_at_once_and_once_although_it_is_tried_again_and_again() -> None:
    refusing = Refusing(999, why=WHY, refused=True)
    async with listening(refusing, hold_refused=0.4) as local:
        _, writer = await local.client()
        await until(lambda: bool(local.refused), 0.3)
        await until(lambda: refusing.dials > 3)
        assert local.refused == [WHY]
        writer.close()


async def test_when_nobody_is_there_any_more_to_refuse_it_the_whole_hold_counts() -> None:
    """The pod that refused is made again."""
    async with app(echo) as behind, listening(hold=5.0, hold_refused=0.3) as local:
        local.listener.use(None, WHY, refused=True)
        reader, writer = await local.client()
        writer.write(b"hello")
        await until(lambda: bool(local.refused))
        local.listener.use(None, "no pod is ready")
        await asyncio.sleep(0.5)
        local.listener.use(behind.dialer)
        assert await soon(reader.readexactly(5), 1) == b"hello"
        writer.close()


async def test_one_that_waited_for_a_pod_is_refused_from_then_on() -> None:
    async with listening(why="no pod is ready", hold=5.0, hold_refused=0.2) as local:
        reader, writer = await local.client()
        await asyncio.sleep(0.4)
        local.listener.use(None, WHY, refused=True)
        began = asyncio.get_running_loop().time()
        with pytest.raises(ConnectionResetError):
            await soon(reader.read(), 1)
        assert asyncio.get_running_loop().time() - began > 0.15
        writer.close()


async def test_an_app_that_listens_in_time_gets_all_that_was_said() -> None:
    async with app(echo) as behind:
        async with listening(Refusing(4, behind.dialer, why=WHY, refused=True), hold_refused=2.0) as local:
            reader, writer = await local.client()
            writer.write(b"hello")
            assert await soon(reader.readexactly(5), 2) == b"hello"
            await asyncio.sleep(0.05)
            assert not local.said
            writer.close()


class TriesByItself:
    """Connects, and is refused behind its transport: by a pod, through a tunnel."""

    def __init__(self, then: Dialer) -> None:
        self._then = then
        self.transport: asyncio.Transport | None = None
        self.protocol: asyncio.Protocol | None = None

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        self.protocol = factory()
        protocol = self.protocol
        self.transport = await self._then.dial(lambda: protocol)
        return self.transport


async def test_a_way_that_tries_again_by_itself_tells_it_and_its_last_word_is_the_reason() -> None:
    async with app(echo) as behind:
        way = TriesByItself(behind.dialer)
        async with listening(way) as local:
            reader, writer = await local.client()
            await until(lambda: any(one.joined for one in local.listener._live))
            assert isinstance(way.protocol, HearsRefusals)
            for _ in range(3):
                way.protocol.on_refused(WHY)
            assert local.refused == [WHY]
            (connection,) = local.listener._live
            way.protocol.connection_lost(RefusedByApp(WHY))
            with pytest.raises(ConnectionResetError):
                await soon(reader.read(), 1)
            assert (connection.how, connection.failed) == (WHY, True)
            writer.close()
            assert way.transport
            way.transport.abort()
