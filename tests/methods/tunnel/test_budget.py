"""Links that carry nothing, of several forwards that share a cap; and how many dials there are at a time."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from kfw.methods.base import OpenRequest
from kfw.methods.tunnel.budget import DialLimiter
from kfw.methods.tunnel.method import PodTunnel, TunnelMethod
from kfw.methods.tunnel.policy import Policy
from tests.fakes import forward
from tests.methods.tunnel.far import Far, far_side
from tests.methods.tunnel.ways import UNASKED, Servers, client, pods, server, until

POLICY = Policy()


async def _forwards(stack: AsyncExitStack, far: Far, count: int, policy: Policy = POLICY) -> list[PodTunnel]:
    method = TunnelMethod(Servers(server(far)), policy)
    opened = []
    for number in range(count):
        way = OpenRequest(forward(f"web-{number}", health=UNASKED), pods())
        opened.append(await method.open(way))
        stack.push_async_callback(opened[-1].close)
    return opened


def _links(forwards: list[PodTunnel]) -> list[int]:
    return [len(one.pool.links) for one in forwards]


@pytest.mark.asyncio
async def test_beyond_the_cap_the_link_that_has_waited_longest_is_closed() -> None:
    async with far_side() as far, AsyncExitStack() as stack:
        forwards = await _forwards(stack, far, 4, Policy(idle_links=2))
        await until(lambda: _links(forwards) == [0, 0, 1, 1])


@pytest.mark.asyncio
async def test_a_forward_without_a_link_is_well_and_its_next_connection_gets_one() -> None:
    async with far_side() as far, AsyncExitStack() as stack:
        first, last = forwards = await _forwards(stack, far, 2, Policy(idle_links=1))
        await until(lambda: _links(forwards) == [0, 1])
        made = len(far.tunnels)
        await first.probe()
        assert len(far.tunnels) == made, "it was dialled although the last proof still counts"
        one = await client(first, b"x")
        await until(lambda: one.got == b"x")
        other = await client(last, b"y")
        await until(lambda: other.got == b"y")


@pytest.mark.asyncio
async def test_a_proof_does_not_count_for_ever() -> None:
    async with far_side() as far, AsyncExitStack() as stack:
        first, _ = forwards = await _forwards(
            stack, far, 2, Policy(idle_links=1, parked=0.0, parked_each=0.0)
        )
        await until(lambda: _links(forwards) == [0, 1])
        await first.probe()
        assert len(far.tunnels) == 3
        await until(lambda: _links(forwards) == [1, 0])


@pytest.mark.asyncio
async def test_a_link_that_breaks_before_anybody_has_it_is_not_waited_for() -> None:
    async with far_side() as far, AsyncExitStack() as stack:
        (one,) = await _forwards(stack, far, 1)
        (link,) = one.pool.links
        link.abort("the test")
        await until(lambda: link not in one.pool.links)
        dial = one.pool.state.start_dial("web-1", asyncio.get_running_loop().time())
        one.pool._on_link(dial, link)
        assert link not in one.pool.links


@dataclass
class _Count:
    now: int = 0
    most: int = 0

    async def dial(self, turns: DialLimiter, ends: asyncio.Event) -> None:
        turn = turns.queue(awaited=False)
        await turn.wait()
        self.now += 1
        self.most = max(self.most, self.now)
        await ends.wait()
        self.now -= 1
        turn.end()


@pytest.mark.asyncio
async def test_dials_take_turns_but_nobody_waits_long_for_those_that_hang() -> None:
    turns, count, ends = DialLimiter(POLICY), _Count(), asyncio.Event()
    dials = [asyncio.create_task(count.dial(turns, ends)) for _ in range(2 * POLICY.dials_at_once)]
    await asyncio.sleep(0)
    await until(lambda: count.now == POLICY.dials_at_once)
    assert count.most == POLICY.dials_at_once
    await until(lambda: count.now == 2 * POLICY.dials_at_once)
    ends.set()
    await asyncio.gather(*dials)
    assert turns.given == 0
