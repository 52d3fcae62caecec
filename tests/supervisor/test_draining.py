"""A way that is given up keeps its live connections to their end, whatever it was given up for, unless it is broken."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kfw.errors import KfwError
from kfw.model import Problem, Reason, Resolution
from kfw.names import RowId
from kfw.supervisor import forward_path
from tests.fakes import FakeMethod, FakeTunnel, FakeWorld, pod, settle
from tests.supervisor.test_runner import GONE, THERE, Watched, echo, up
from tests.until import until

pytestmark = pytest.mark.asyncio

API = RowId("", "api")

GiveUp = Callable[[Watched, FakeTunnel], Awaitable[None]]


async def the_target_is_gone(api: Watched, tunnel: FakeTunnel) -> None:
    await api.fake.clusters.say(GONE)


async def its_port_is_gone(api: Watched, tunnel: FakeTunnel) -> None:
    await api.fake.clusters.say(Resolution(problem=Problem(Reason.TARGET_PORT, "it has no port 80")))


async def its_pod_is_not_ready(api: Watched, tunnel: FakeTunnel) -> None:
    await api.fake.clusters.say(Resolution(pods=(pod("api-2"),)))


async def the_user_restarts_it(api: Watched, tunnel: FakeTunnel) -> None:
    api.supervisor.restart([API])
    await settle()


async def its_health_checks_fail(api: Watched, tunnel: FakeTunnel) -> None:
    tunnel.ill = KfwError("closed at once", reason="unhealthy")
    for _ in range(4):
        await api.fake.clock.advance(15)


async def kfw_makes_a_mistake(api: Watched, tunnel: FakeTunnel) -> None:
    tunnel.retarget = lambda endpoints: bool(endpoints and 1 // 0)  # type: ignore[method-assign]
    await api.fake.clusters.say(THERE)
    await api.fake.clock.advance(1)


async def the_kubeconfig_names_another_cluster(api: Watched, tunnel: FakeTunnel) -> None:
    await api.fake.clusters.say(Resolution(pods=THERE.pods, cluster=2))


GIVEN_UP = (
    the_target_is_gone,
    its_port_is_gone,
    its_pod_is_not_ready,
    the_user_restarts_it,
    its_health_checks_fail,
    kfw_makes_a_mistake,
    the_kubeconfig_names_another_cluster,
)


async def another(api: Watched, method: FakeMethod) -> None:
    """A path is open, at the latest when the target is back."""
    if len(method.tunnels) == 1:
        await api.fake.clusters.say(THERE)
    await until(lambda: len(method.tunnels) == 2)


@pytest.mark.parametrize("give_up", GIVEN_UP, ids=lambda one: one.__name__)
async def test_it_goes_on_until_its_last_connection_has_ended(
    give_up: GiveUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_path, "LAST_BYTES", 0.01)
    async with echo() as port:
        method = FakeMethod("kubectl", wants="pod", port=port)
        async with up(FakeWorld(method), method="kubectl") as api:
            await api.fake.clusters.say(THERE)
            reader, writer = await asyncio.open_connection("127.0.0.1", api.now.local_port)
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"
            (old,) = method.tunnels

            await give_up(api, old)
            await another(api, method)
            writer.write(b"after")
            assert await reader.readexactly(5) == b"after"
            assert old.closed == 0

            writer.close()
            await until(lambda: old.closed)
            assert method.tunnels[1].closed == 0


@pytest.mark.parametrize("give_up", GIVEN_UP, ids=lambda one: one.__name__)
async def test_it_is_closed_at_once_where_nothing_lives_on_it_and_in_any_case_with_the_forward(
    give_up: GiveUp,
) -> None:
    async with echo() as port:
        method = FakeMethod("kubectl", wants="pod", port=port)
        async with up(FakeWorld(method), method="kubectl") as api:
            await api.fake.clusters.say(THERE)
            await give_up(api, method.tunnels[0])
            await until(lambda: method.tunnels[0].closed)
            await another(api, method)
            _, writer = await asyncio.open_connection("127.0.0.1", api.now.local_port)
            await until(lambda: api.now.connections == 1)
            api.supervisor.restart([API])
        assert all(tunnel.closed for tunnel in method.tunnels)
        writer.close()


async def test_a_broken_one_is_closed_at_once() -> None:
    async with echo() as port:
        method = FakeMethod("kubectl", wants="pod", port=port)
        async with up(FakeWorld(method), method="kubectl") as api:
            await api.fake.clusters.say(THERE)
            reader, writer = await asyncio.open_connection("127.0.0.1", api.now.local_port)
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"
            method.tunnels[0].break_it(Reason.CHILD_EXITED, "lost connection to pod")
            await until(lambda: method.tunnels[0].closed, 1)
            writer.close()
