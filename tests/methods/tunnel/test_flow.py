"""Clients that take their time, or too much: bounded memory, and nobody else waits for them."""

import asyncio
import hashlib
from contextlib import suppress

import pytest

from kfw.methods.tunnel.method import PodTunnel
from kfw.methods.tunnel.policy import Policy
from kfw.methods.tunnel.stream import ReadBuffer
from tests.methods.tunnel.far import SILENT, App, Visit, far_side
from tests.methods.tunnel.ways import ONE_LINK, client, tunnel, until

SLACK = Policy().slack


async def pour(visit: Visit, size: int) -> None:
    """As much as it takes, as long as the tunnel is there."""
    sent = 0
    while sent < size and visit.tunnel.open:
        visit.say(bytes(65536))
        sent += 65536
        with suppress(ConnectionError):
            await visit.tunnel.writer.drain()


def stands_still(way: PodTunnel) -> bool:
    """One of its links."""
    return any(link.stalled for link in way.pool.links)


@pytest.mark.asyncio
async def test_a_client_that_does_not_read_stops_its_own_link_and_nothing_is_kept_for_it() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        one = await client(way, b"go")
        await until(lambda: far.visits)
        one.transport.pause_reading()
        pouring = asyncio.create_task(pour(far.visits[0], 64 << 20))
        await until(lambda: far.tunnels[0].writer.transport.get_write_buffer_size())  # the kernel is full
        assert stands_still(way)
        got = len(one.got)
        await asyncio.sleep(0.05)
        assert len(one.got) == got
        assert one.transport._backlog.size < 1 << 20  # type: ignore[attr-defined]
        assert not pouring.done()
        one.transport.resume_reading()
        await until(lambda: len(one.got) == 64 << 20)
        await pouring


@pytest.mark.asyncio
async def test_on_a_shared_link_a_slow_client_has_some_slack_before_it_stops_the_others() -> None:
    async with far_side() as far, tunnel(far, policy=ONE_LINK) as way:
        slow, quick = await client(way, b"x"), await client(way, b"x")
        await until(lambda: slow.got and quick.got)
        assert far.visits[0].tunnel is far.visits[1].tunnel
        slow.transport.pause_reading()
        await pour(far.visits[0], SLACK - 65536)
        quick.say(b"y")
        await until(lambda: quick.got == b"xy")
        far.visits[0].say(bytes(65536))
        await until(lambda: stands_still(way))
        quick.say(b"z")
        await asyncio.sleep(0.05)
        assert quick.got == b"xy"
        slow.transport.resume_reading()
        await until(lambda: quick.got == b"xyz" and len(slow.got) == SLACK + 1)


@pytest.mark.asyncio
async def test_a_stalled_client_that_leaves_lets_its_link_go_on() -> None:
    async with far_side() as far, tunnel(far, policy=ONE_LINK) as way:
        slow, quick = await client(way, b"x"), await client(way, b"x")
        await until(lambda: slow.got and quick.got)
        slow.transport.pause_reading()
        await pour(far.visits[0], SLACK + 65536)
        await until(lambda: stands_still(way))
        slow.transport.abort()
        quick.say(b"y")
        await until(lambda: quick.got == b"xy")


@pytest.mark.asyncio
async def test_a_new_connection_never_gets_a_link_that_stands_still() -> None:
    async with far_side() as far, tunnel(far, policy=Policy(moving_links=1)) as way:
        slow = await client(way, b"x")
        await until(lambda: slow.got)
        slow.transport.pause_reading()
        other = await client(way, b"y")
        await until(lambda: other.got == b"y")
        assert far.visits[0].tunnel is not far.visits[1].tunnel


@pytest.mark.asyncio
async def test_a_link_that_the_network_does_not_empty_chokes_its_clients_and_the_late_comers_too() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far, policy=ONE_LINK) as way:
        one = await client(way)
        await until(lambda: far.visits)
        far.tunnels[0].writer.transport.pause_reading()  # type: ignore[attr-defined]
        while not one.choked:
            one.say(bytes(65536))
        late = await client(way)
        assert late.choked
        far.tunnels[0].writer.transport.resume_reading()  # type: ignore[attr-defined]
        await until(lambda: not one.choked and not late.choked)


@pytest.mark.asyncio
async def test_every_byte_arrives_in_order_both_ways_through_pauses_in_both() -> None:
    blocks = [bytes([number % 251]) * (1000 + 977 * number) for number in range(90)]
    digest = hashlib.sha256(b"".join(blocks)).hexdigest()
    async with far_side(apps={"web-1": App(heard=lambda visit, data: visit.say(data))}) as far:
        async with tunnel(far) as way:
            one = await client(way)
            for number, block in enumerate(blocks):
                await until(lambda: not one.choked)
                one.say(block)
                if number % 7 == 0:
                    one.transport.pause_reading()
                    await asyncio.sleep(0)
                    one.transport.resume_reading()
            await until(lambda: len(one.got) == sum(map(len, blocks)))
            assert hashlib.sha256(one.got).hexdigest() == digest
            assert hashlib.sha256(far.visits[0].got).hexdigest() == digest


def test_a_backlog_hands_over_in_order_and_stops_when_it_is_paused_again() -> None:
    got: list[bytes] = []

    def hand_over(data: bytes) -> None:
        got.append(data)
        backlog.paused = data == b"2"

    backlog = ReadBuffer(hand_over)
    backlog.paused = True
    for data in (b"1", b"2", b"3", b"4"):
        backlog.add(data)
    assert (got, backlog.size) == ([], 4)
    backlog.resume()
    assert (got, backlog.size, bool(backlog)) == ([b"1", b"2"], 2, True)
    backlog.resume()
    assert (got, backlog.size, bool(backlog)) == ([b"1", b"2", b"3", b"4"], 0, False)
