"""The tunnel as the supervisor and `kfw explain` see it."""

import asyncio

import pytest

from kfw.methods.base import Inspectable
from kfw.model import Health
from kfw.wire import upgrade
from tests.methods.tunnel.far import App, Refusal, far_side
from tests.methods.tunnel.ways import client, pods, tunnel, until

pytestmark = pytest.mark.asyncio


async def test_it_says_over_what_it_goes_to_whom_and_how_many_tunnels_are_open() -> None:
    async with far_side() as far, tunnel(far, "web-1", "web-2", "web-3") as way:
        assert isinstance(way, Inspectable)
        assert way.how == "over SPDY, by turns with 2 other pods; tunnels: 1, 0 in use"
        await client(way, b"x")
        await until(lambda: len(way.pool.links) == 4)
        assert way.how == "over SPDY, by turns with 2 other pods; tunnels: 4, 1 in use"
        way.retarget(pods("web-1"))
        assert way.how.startswith("over SPDY; tunnels: ")


async def test_it_says_so_when_it_must_go_in_websocket() -> None:
    async with far_side(answers={upgrade.SPDY: Refusal(400)}) as far, tunnel(far) as way:
        one = await client(way, b"x")
        await until(lambda: one.got)
        assert way.how.startswith("over SPDY in WebSocket; tunnels: ")


async def test_a_connection_knows_its_pod_also_when_it_is_over() -> None:
    async with far_side() as far, tunnel(far) as way:
        one = await client(way, b"x")
        assert one.transport.get_extra_info("endpoint") == "web-1"
        one.transport.abort()
        assert one.transport.get_extra_info("endpoint") == "web-1"
        assert one.transport.get_extra_info("socket") is None


async def test_the_endpoint_shown_is_one_that_is_there() -> None:
    async with far_side() as far, tunnel(far, "web-1", "web-2") as way:
        assert way.endpoint.name == "web-1"
        assert way.retarget(pods("web-2", "web-3"))
        assert way.endpoint.name == "web-2"
        assert not way.retarget(())


@pytest.mark.parametrize(("kind", "visits"), [("tcp", 0), ("http", 1), ("none", 0)])
async def test_only_health_of_type_http_asks_the_app_again(kind: str, visits: int) -> None:
    answers = App(heard=lambda visit, data: visit.say(b"HTTP/1.1 200 OK\r\n\r\n"))
    async with far_side(apps={"web-1": answers}) as far, tunnel(far, health=Health(kind, timeout=1)) as way:
        before = len(far.visits)
        await way.probe()
        assert len(far.visits) - before == visits


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.asyncio
async def test_who_is_cancelled_while_it_closes_a_tunnel_is_cancelled_and_nothing_is_left(turns: int) -> None:
    async with far_side() as far, tunnel(far, "web-1", "web-2") as way:
        await client(way, b"x")
        closing = asyncio.create_task(way.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        cancelled = closing.cancel()
        outcome = (await asyncio.gather(closing, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError) is cancelled
        if turns:  # it had begun
            await until(lambda: not far.open)
