"""Links that carry nothing, of several forwards that share a cap; and how many dials there are at a time."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from kfw.methods.base import OpenRequest
from kfw.methods.tunnel import attach, dial_limiter, idle_links, link_health
from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.method import PodTunnel, TunnelMethod
from tests.fakes import forward
from tests.methods.tunnel.far import Far, far_side
from tests.methods.tunnel.ways import UNASKED, Servers, client, pods, server, tunnel, until


async def _forwards(stack: AsyncExitStack, far: Far, count: int) -> list[PodTunnel]:
    method = TunnelMethod(Servers(server(far)))
    opened = []
    for number in range(count):
        way = OpenRequest(forward(f"web-{number}", health=UNASKED), pods())
        opened.append(await method.open(way))
        stack.push_async_callback(opened[-1].close)
    return opened


def _links(forwards: list[PodTunnel]) -> list[int]:
    return [len(one._pool.links) for one in forwards]


@pytest.mark.asyncio
async def test_beyond_the_cap_the_link_that_has_waited_longest_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idle_links.IdleLinks.__init__, "__defaults__", (2,))
    async with far_side() as far, AsyncExitStack() as stack:
        forwards = await _forwards(stack, far, 4)
        await until(lambda: _links(forwards) == [0, 0, 1, 1])


@pytest.mark.asyncio
async def test_a_forward_without_a_link_is_well_and_its_next_connection_gets_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idle_links.IdleLinks.__init__, "__defaults__", (1,))
    async with far_side() as far, AsyncExitStack() as stack:
        first, last = forwards = await _forwards(stack, far, 2)
        await until(lambda: _links(forwards) == [0, 1])
        made = len(far.tunnels)
        await first.probe()
        assert len(far.tunnels) == made, "it was dialled although the last proof still counts"
        one = await client(first, b"x")
        await until(lambda: one.got == b"x")
        other = await client(last, b"y")
        await until(lambda: other.got == b"y")


@pytest.mark.asyncio
async def test_a_proof_does_not_count_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_links.IdleLinks.__init__, "__defaults__", (1,))
    monkeypatch.setattr(link_health, "PARKED", 0.0)
    async with far_side() as far, AsyncExitStack() as stack:
        first, _ = forwards = await _forwards(stack, far, 2)
        await until(lambda: _links(forwards) == [0, 1])
        await first.probe()
        assert len(far.tunnels) == 3
        await until(lambda: _links(forwards) == [1, 0])


@pytest.mark.asyncio
async def test_a_link_that_breaks_before_anybody_has_it_is_not_waited_for() -> None:
    async with far_side() as far, AsyncExitStack() as stack:
        (one,) = await _forwards(stack, far, 1)
        (link,) = one._pool.links
        link.abort("the test")
        await until(lambda: link not in one._pool.links)
        one._pool._made(link, asked=True)
        assert link not in one._pool.links


@dataclass
class _Count:
    now: int = 0
    most: int = 0

    async def dial(self, turns: dial_limiter.DialLimiter, ends: asyncio.Event) -> None:
        async with turns.turn():
            self.now += 1
            self.most = max(self.most, self.now)
            await ends.wait()
            self.now -= 1


@pytest.mark.asyncio
async def test_dials_take_turns_but_nobody_waits_long_for_those_that_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns, count, ends = dial_limiter.DialLimiter(), _Count(), asyncio.Event()
    dials = [asyncio.create_task(count.dial(turns, ends)) for _ in range(2 * dial_limiter.AT_ONCE)]
    await asyncio.sleep(0)
    await until(lambda: count.now == dial_limiter.AT_ONCE)
    assert count.most == dial_limiter.AT_ONCE
    await until(lambda: count.now == 2 * dial_limiter.AT_ONCE)
    ends.set()
    await asyncio.gather(*dials)
    assert turns._turns._value == dial_limiter.AT_ONCE


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
@pytest.mark.asyncio
async def test_the_kernel_soon_gives_up_a_dead_link_that_is_warm_and_later_one_in_use() -> None:
    def patience(link: Link) -> int:
        sock = link._transport.get_extra_info("socket")
        return int(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))

    async with far_side() as far, tunnel(far) as way:
        await until(lambda: all(link.free for link in way._pool.links))
        assert [patience(link) for link in way._pool.links] == [attach.WARM]
        assert attach.WARM < 5000
        one = await client(way, b"x")
        await until(lambda: one.got == b"x")
        used = next(link for link in way._pool.links if link.live)
        assert patience(used) == attach.IN_USE
        one.transport.close()
        await until(lambda: used.free and patience(used) == attach.WARM)
