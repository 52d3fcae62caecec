"""Two clusters and one user: what one of them refuses is not an affair of the other."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kfw.errors import KfwError
from kfw.kube.exec_plugin import PluginStatus
from kfw.kube.pod_upgrade import open_portforward
from kfw.kubeconfig.entries import ClusterEntry, Exec
from kfw.model import Reason
from kfw.target.registry import ClusterRegistry
from tests.kube import wire
from tests.kube.fake_api import FakeApi
from tests.stopwatch import Stopwatch
from tests.target.following import following
from tests.target.test_registry import PLUGIN, TIMEOUTS, forward, shop

pytestmark = pytest.mark.asyncio

Wish = Callable[[], object]


def kubeconfig(file: Path, user: dict[str, Any], **apis: FakeApi) -> str:
    """A context for each of `apis`; all have the user ada."""
    content = {
        "clusters": [
            {"name": name, "cluster": {"server": api.url, "insecure-skip-tls-verify": True}}
            for name, api in apis.items()
        ],
        "users": [{"name": "ada", "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "ada"}} for name in apis],
    }
    file.write_text(json.dumps(content))
    return str(file)


class Plugin:
    """Gives token-1, token-2, ..."""

    def __init__(self) -> None:
        self.runs = 0
        self.going = asyncio.Event()
        self.going.set()

    async def __call__(self, _plugin: Exec, _user: str, _cluster: ClusterEntry, **_: object) -> PluginStatus:
        self.runs += 1
        number = self.runs
        await self.going.wait()
        return PluginStatus(token=f"token-{number}")


async def test_30_connections_to_one_go_on_while_the_other_refuses(tmp_path: Path) -> None:
    plugin = Plugin()
    async with shop() as a, shop() as b, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        a.tokens, b.tokens = {"token-1"}, set()
        file = kubeconfig(tmp_path / "k", PLUGIN, a=a, b=b)
        one, other = forward(file, name="one", context="a"), forward(file, name="other", context="b")
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            async with following(clusters, other) as [refused]:
                words = await refused.until_problem(Reason.LOGIN_EXPIRED)
                assert "refuses" in words or "Unauthorized" in words
                server = clusters.server(one)
                watch = Stopwatch()
                asked = await asyncio.gather(*(_read(server) for _ in range(30)))
                assert watch.seconds() < 2
                assert asked == [True] * 30
                await a.put(wire.SLICES, wire.slice_("web-2"))
                await a.put(wire.PODS, wire.pod("web-2"))
                await seen.until_pods("web-2")
                assert all(one.problem is None for one in seen.all)
    assert plugin.runs == 2
    assert {request.token for request in a.requests if request.path != "/version"} == {"token-1"}


async def _read(server: Any) -> bool:
    session = server.session()
    try:
        await session.read("/api/v1/namespaces/shop")
    finally:
        server.close_session(session)
    return True


async def test_while_the_other_is_logged_in_again_nobody_waits_for_that(tmp_path: Path) -> None:
    plugin = Plugin()
    async with shop() as a, shop() as b, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        a.tokens, b.tokens = {"token-1"}, set()
        file = kubeconfig(tmp_path / "k", PLUGIN, a=a, b=b)
        one, other = forward(file, name="one", context="a"), forward(file, name="other", context="b")
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            plugin.going.clear()  # somebody would have to press a button
            async with following(clusters, other):
                async with asyncio.timeout(5):
                    while plugin.runs < 2:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                async with asyncio.timeout(2):
                    assert await asyncio.gather(*(_read(clusters.server(one)) for _ in range(30)))


async def test_the_tunnels_of_one_open_while_the_other_refuses(tmp_path: Path) -> None:
    """The fake knows no port-forward, so how far it comes is what it is asked: with a login, and not told to wait."""
    plugin = Plugin()
    async with shop() as a, shop() as b, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        a.tokens, b.tokens = {"token-1"}, set()
        file = kubeconfig(tmp_path / "k", PLUGIN, a=a, b=b)
        one, other = forward(file, name="one", context="a"), forward(file, name="other", context="b")
        async with following(clusters, one, other) as [seen, refused]:
            await seen.until_pods("web-1")
            await refused.until_problem(Reason.LOGIN_EXPIRED)
            before = plugin.runs
            for _ in range(5):
                with pytest.raises(KfwError, match="answers 200"):
                    await open_portforward(clusters.server(one), "shop", "web-1")
            assert plugin.runs == before
            assert clusters.server(one).problem is None


@pytest.mark.parametrize("kind", ["exec", "token-file"])
async def test_who_refuses_first_and_accepts_later_comes_up_by_a_poke(tmp_path: Path, kind: str) -> None:
    plugin, file = Plugin(), tmp_path / "token"
    file.write_text("token-1")
    user = PLUGIN if kind == "exec" else {"tokenFile": str(file)}
    async with shop() as a, shop() as b, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        a.tokens, b.tokens = {"token-1"}, set()
        names = kubeconfig(tmp_path / "k", user, a=a, b=b)
        one, other = forward(names, name="one", context="a"), forward(names, name="other", context="b")
        async with following(clusters, one, other) as [seen, refused]:
            await seen.until_pods("web-1")
            await refused.until_problem(Reason.LOGIN_EXPIRED)
            b.tokens = None
            clusters.poke(other)
            await refused.until_pods("web-1")
            assert seen.last.problem is None


@pytest.mark.parametrize("kind", ["exec", "token-file"])
async def test_both_refuse_and_then_only_one_accepts(tmp_path: Path, kind: str) -> None:
    plugin, file = Plugin(), tmp_path / "token"
    file.write_text("token-1")
    user = PLUGIN if kind == "exec" else {"tokenFile": str(file)}
    async with shop() as a, shop() as b, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        a.tokens, b.tokens = set(), set()
        names = kubeconfig(tmp_path / "k", user, a=a, b=b)
        one, other = forward(names, name="one", context="a"), forward(names, name="other", context="b")
        async with following(clusters, one, other) as [first, second]:
            await first.until_problem(Reason.LOGIN_EXPIRED)
            await second.until_problem(Reason.LOGIN_EXPIRED)
            a.tokens = None
            clusters.poke(one)
            await first.until_pods("web-1")
            assert second.reason is Reason.LOGIN_EXPIRED


async def test_who_refuses_later_gets_what_the_other_has_renewed(tmp_path: Path) -> None:
    plugin = Plugin()
    async with shop() as a, shop() as b, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        a.tokens, b.tokens = {"token-1"}, {"token-2"}
        file = kubeconfig(tmp_path / "k", PLUGIN, a=a, b=b)
        one, other = forward(file, name="one", context="a"), forward(file, name="other", context="b")
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            async with following(clusters, other) as [second]:
                await second.until_pods("web-1")
                assert plugin.runs == 2
                a.tokens = {"token-2"}
                a.drop()
                await a.put(wire.SLICES, wire.slice_("web-2"))
                await a.put(wire.PODS, wire.pod("web-2"))
                await seen.until_pods("web-2")
    assert plugin.runs == 2
