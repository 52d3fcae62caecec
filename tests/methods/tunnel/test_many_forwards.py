"""What a thousand forwards cost together: dials and timers grow with their number, and no faster."""

import asyncio
from contextlib import AsyncExitStack
from typing import cast

import pytest

from kfw.methods.base import OpenRequest
from kfw.methods.tunnel.method import PodTunnel, TunnelMethod
from kfw.methods.tunnel.policy import Policy
from tests.fakes import forward
from tests.methods.tunnel.far import far_side
from tests.methods.tunnel.virtual import PipeLoop
from tests.methods.tunnel.ways import UNASKED, Servers, client, pods, server, until

pytestmark = pytest.mark.asyncio
POLICY = Policy()


async def _opened(stack: AsyncExitStack, method: TunnelMethod, number: int) -> PodTunnel:
    opened = await method.open(OpenRequest(forward(f"web-{number}", health=UNASKED), pods()))
    stack.push_async_callback(opened.close)
    return opened


async def _together(stack: AsyncExitStack, method: TunnelMethod, count: int) -> list[PodTunnel]:
    return await asyncio.gather(*(_opened(stack, method, number) for number in range(count)))


@pytest.mark.parametrize("count", [50, 100, 200])
async def test_forwards_that_start_together_dial_once_each_and_wait_for_their_turn_without_failing(
    count: int,
) -> None:
    """A dial takes 0.4 s, so that the last begins long after the 2 s which a check may take."""
    loop = cast(PipeLoop, asyncio.get_running_loop())
    loop.latency = 0.1
    async with far_side() as far, AsyncExitStack() as stack:
        began = loop.time()
        await _together(stack, TunnelMethod(Servers(server(far))), count)
        assert len(far.tunnels) == count
        assert loop.time() - began < 0.7 * count / POLICY.dials_at_once + 2


async def test_a_client_does_not_wait_until_the_forwards_that_start_have_dialled() -> None:
    loop = cast(PipeLoop, asyncio.get_running_loop())
    async with far_side() as far, AsyncExitStack() as stack:
        method = TunnelMethod(Servers(server(far)), Policy(idle_links=0))
        first = await _opened(stack, method, 0)
        await until(lambda: not first.pool.links)
        loop.latency = 0.1
        others = asyncio.ensure_future(_together(stack, method, 100))
        await asyncio.sleep(0.01)
        began = loop.time()
        one = await client(first, b"x")
        assert loop.time() - began < 2
        await until(lambda: one.got == b"x")
        assert not others.done()
        await others


async def _timers_and_dials(count: int) -> tuple[int, int]:
    """Of forwards that nobody uses: timers of 15 minutes, then dials while each is checked every two minutes."""
    loop = cast(PipeLoop, asyncio.get_running_loop())
    policy = Policy(idle_links=4, parked=30.0)
    async with far_side() as far, AsyncExitStack() as stack:
        forwards = await _together(stack, TunnelMethod(Servers(server(far)), policy), count)
        timers, call_at = 0, loop.call_at

        def counted(*arguments: object, **more: object) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return call_at(*arguments, **more)  # type: ignore[arg-type]

        loop.call_at = counted  # type: ignore[method-assign]
        try:
            await asyncio.sleep(900)
        finally:
            loop.call_at = call_at  # type: ignore[method-assign]
        before = len(far.tunnels)
        for _ in range(10):
            await asyncio.sleep(120)
            for one in forwards:
                await one.probe()
        return timers, len(far.tunnels) - before


async def test_forwards_that_nobody_uses_cost_no_timers_and_no_more_dials_the_more_they_are() -> None:
    """Beyond those that have a link, of which there are 4."""
    (some_timers, some_dials), (more_timers, more_dials) = [
        await _timers_and_dials(count) for count in (40, 80)
    ]
    assert more_timers < 1.3 * some_timers
    assert 0 < more_dials < 1.3 * some_dials
