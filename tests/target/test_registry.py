"""Forwards followed: what a target is, at each change, over real sockets."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kfw.errors import LoginError, ToolMissing
from kfw.kube.exec_plugin import PluginStatus
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import ClusterEntry, Exec
from kfw.model import Endpoint, Forward, Reason, Resolution, Target
from kfw.target.registry import ClusterRegistry
from tests.kube import wire
from tests.kube.fake_api import FakeApi, serving
from tests.kube.test_api_server import serves
from tests.kube.test_watch import QUICK
from tests.target.following import following
from tests.until import until

TIMEOUTS = replace(QUICK, files=0.05, namespace=0.1, settle=0.0)
WEB_1 = Endpoint("pod", "web-1", "10.0.0.1", 8080)
WEB_2 = Endpoint("pod", "web-2", "10.0.0.1", 8080)


def kubeconfig(file: Path, api: FakeApi | None, token: str = "good", **user: Any) -> str:
    server = api.url if api else "https://127.0.0.1:1"
    cluster = {"server": server, "insecure-skip-tls-verify": True}
    content = {
        "clusters": [{"name": "dev", "cluster": cluster}],
        "users": [{"name": "ada", "user": user or {"token": token}}],
        "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "ada"}}],
        "current-context": "dev",
    }
    file.with_suffix(".new").write_text(json.dumps(content))
    file.with_suffix(".new").replace(file)
    return str(file)


def add_context(file: Path, name: str) -> None:
    content = json.loads(file.read_text())
    content["contexts"].append({"name": name, "context": {"cluster": "dev", "user": "ada"}})
    file.write_text(json.dumps(content))


def forward(file: str, target: str = "service/web", port: int | str | None = 80, **more: Any) -> Forward:
    return Forward(
        **{
            "name": target,
            "target": Target.parse(target),
            "target_port": port,
            "local_port": 0,
            "namespace": "shop",
            "context": "dev",
            "kubeconfig": (file,),
            **more,
        }
    )


def running() -> list[str]:
    """The tasks of the pool."""
    names = [task.get_name() for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(("api", "watch"))]


@asynccontextmanager
async def shop() -> AsyncIterator[FakeApi]:
    """With TLS, as no login is sent without it."""
    async with serving(serves("127.0.0.1")) as api:
        await api.put(wire.SERVICES, wire.service())
        await api.put(wire.SLICES, wire.slice_("web-1"))
        await api.put(wire.PODS, wire.pod("web-1"))
        yield api


@pytest.mark.asyncio
async def test_a_target_is_known_and_followed_and_equal_values_come_once(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await seen.until_pods("web-1")
            await api.put(wire.SERVICES, wire.service("other"))
            await api.put(wire.SLICES, wire.slice_("web-1", "web-2"))
            await seen.until_pods("web-1", "web-2")

            assert [one.pods for one in seen.all] == [(WEB_1,), (WEB_1, WEB_2)]


@pytest.mark.asyncio
async def test_A31_a_target_that_is_deleted_is_said_so_at_once_and_comes_back_by_itself(
    tmp_path: Path,
) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await seen.until_pods("web-1")
            await api.delete(wire.SERVICES, "web")
            message = await seen.until_problem(Reason.TARGET_NOT_FOUND)
            assert message == 'services "web" not found in namespace shop'
            assert seen.last.pods == ()
            await api.put(wire.SERVICES, wire.service())
            await seen.until_pods("web-1")


@pytest.mark.asyncio
async def test_an_endpoint_that_goes_is_told_with_the_reason_of_its_pod(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await seen.until_pods("web-1")
            assert not api.asked(wire.PODS), "pods are read only when they are needed"
            await api.put(wire.PODS, wire.pod("web-1", ready=False))
            await api.put(wire.SLICES, wire.slice_("web-1", ready=False))
            await until(lambda: seen.last.problem and "readiness probe" in seen.last.problem.message)
            assert seen.reason is Reason.NO_READY_POD


@pytest.mark.asyncio
async def test_a_poke_looks_behind_endpoints_that_lag(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        one = forward(kubeconfig(tmp_path / "k", api))
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            await api.delete(wire.PODS, "web-1")
            await api.put(wire.PODS, wire.pod("web-2"))
            clusters.poke(one)
            await seen.until_pods("web-2")


@pytest.mark.asyncio
async def test_forwards_in_a_namespace_share_one_watch_of_each_kind_and_the_last_one_ends_it(
    tmp_path: Path,
) -> None:
    async with shop() as api, ClusterRegistry(timeouts=replace(TIMEOUTS, idle_before_probe=10)) as clusters:
        file = kubeconfig(tmp_path / "k", api)
        forwards = [forward(file), *(forward(file, name=f"f{number}") for number in range(20))]
        async with following(clusters, *forwards) as all_seen:
            for seen in all_seen:
                await seen.until_pods("web-1")
            await until(lambda: api.asked(wire.SLICES, watch=True))
        assert {request.path for request in api.requests} == {wire.SERVICES, wire.SLICES}
        assert len(api.requests) == 4
        assert api.connections == 2
        await until(lambda: not running())


@pytest.mark.asyncio
async def test_of_many_forwards_a_poke_compares_only_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a cluster is away each of 1,600 pokes again and again: that must not cost 1,600 looks each."""
    compared: list[str] = []

    def counted(one: Forward, other: object) -> bool:
        compared.append(one.name)
        return one is other

    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        file = kubeconfig(tmp_path / "k", api)
        forwards = [forward(file, name=f"f{number}") for number in range(20)]
        async with following(clusters, *forwards) as all_seen:
            for seen in all_seen:
                await seen.until_pods("web-1")
            monkeypatch.setattr(Forward, "__eq__", counted)
            clusters.poke(forwards[7])
            assert compared == ["f7"]


@pytest.mark.asyncio
async def test_a_forward_that_ends_leaves_the_others_watches_alone(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        file = kubeconfig(tmp_path / "k", api)
        async with following(clusters, forward(file)) as [stays]:
            await stays.until_pods("web-1")
            async with following(clusters, forward(file, "pod/web-1", None)) as [goes]:
                await goes.until_pods("web-1")
            await api.put(wire.SLICES, wire.slice_("web-1", "web-2"))
            await stays.until_pods("web-1", "web-2")
            await api.put(wire.PODS, wire.pod("web-2"))
            async with following(clusters, forward(file, "pod/web-2", None)) as [again]:
                await again.until_pods("web-2")
        assert len(api.asked(wire.SERVICES, watch=False)) == 1
        assert len(api.asked(wire.PODS, watch=False)) == 2


@pytest.mark.asyncio
async def test_A27_each_kind_of_target_is_followed(tmp_path: Path) -> None:
    pod = wire.pod("web-1")
    pod["metadata"]["ownerReferences"] = [
        {"kind": "ReplicaSet", "name": "web-9", "uid": "rs", "controller": True}
    ]
    spec = {"selector": {"matchLabels": {"app": "web"}}, "replicas": 1}
    controlled = {"ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "d", "controller": True}]}
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        await api.put(wire.PODS, pod)
        await api.put(wire.DEPLOYMENTS, {"metadata": {"name": "web", "uid": "d"}, "spec": spec})
        await api.put(
            wire.REPLICASETS, {"metadata": {"name": "web-9", "uid": "rs", **controlled}, "spec": spec}
        )
        file = kubeconfig(tmp_path / "k", api)
        wanted = [
            forward(file, text, port)
            for text, port in (("service/web", "web"), ("deployment/web", "http"), ("pod/web-1", None))
        ]
        async with following(clusters, *wanted) as all_seen:
            for seen in all_seen:
                await seen.until_pods("web-1")
                assert seen.last.pods == (WEB_1,)


@pytest.mark.asyncio
async def test_A11_a_user_of_one_namespace_starts_normally(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        await api.put(wire.SERVICES, wire.service(node_port=30080))
        api.forbidden = {wire.NODES: "nodes is forbidden", wire.SLICES: "endpointslices is forbidden"}
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await seen.until_pods("web-1")
            assert [replace(one, cluster=0) for one in seen.all] == [
                Resolution(
                    pods=(WEB_1,),
                    nodes=(Endpoint("node", "n1", "172.18.0.3", 30080),),
                )
            ]


@pytest.mark.asyncio
async def test_a_list_of_nodes_that_does_not_come_holds_nobody_up(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=replace(TIMEOUTS, nodes=0.1)) as clusters:
        await api.put(wire.SERVICES, wire.service(node_port=30080))
        await api.put(wire.NODES, wire.node("n1", "172.18.0.3"))
        api.hold(wire.NODES)
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await seen.until_pods("web-1")
            assert seen.last.no_node_port and "not known yet" in seen.last.no_node_port.message
            api.release(wire.NODES)
            await until(lambda: seen.last.nodes)


@pytest.mark.asyncio
async def test_node_ports_follow_the_service(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        await api.put(wire.NODES, wire.node("n1", "172.18.0.3"))
        await api.put(wire.SERVICES, wire.service(node_port=30080))
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await until(lambda: [node.port for node in seen.last.nodes] == [30080])
            await api.delete(wire.SERVICES, "web")
            await api.put(wire.SERVICES, wire.service(node_port=31111))
            await until(lambda: [node.port for node in seen.last.nodes] == [31111])
            await api.put(wire.SERVICES, wire.service())
            await until(lambda: not seen.last.nodes and seen.last.no_node_port)


@pytest.mark.asyncio
async def test_A10_trouble_with_the_api_keeps_the_endpoints_that_were_known(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await seen.until_pods("web-1")
            await api.stop()
            message = await seen.until_problem(Reason.CLUSTER_UNREACHABLE)
            assert message.endswith("Connection refused")
            assert seen.last.pods == (WEB_1,)
            await api.put(wire.SLICES, wire.slice_("web-2"))
            await api.start()
            await seen.until_pods("web-2")


@pytest.mark.asyncio
async def test_A10_a_cluster_that_is_away_at_the_start_is_said_at_once(tmp_path: Path) -> None:
    async with ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(kubeconfig(tmp_path / "k", None))) as [seen]:
            await seen.until_problem(Reason.CLUSTER_UNREACHABLE)
            assert seen.last.pods == ()


@pytest.mark.asyncio
async def test_A10_a_login_that_runs_out_is_said_and_a_new_token_in_the_kubeconfig_is_taken(
    tmp_path: Path,
) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        api.tokens = {"good"}
        file = tmp_path / "k"
        async with following(clusters, forward(kubeconfig(file, api))) as [seen]:
            await seen.until_pods("web-1")
            api.tokens = {"newer"}
            api.drop()
            message = await seen.until_problem(Reason.LOGIN_EXPIRED)
            assert message == f"the API server {api.url} refuses the login of user ada: Unauthorized"
            assert seen.last.pods == (WEB_1,)
            kubeconfig(file, api, "newer")
            await seen.until_pods("web-1")


@pytest.mark.asyncio
async def test_a_cluster_that_was_made_anew_on_another_port_is_found_by_the_kubeconfig(
    tmp_path: Path,
) -> None:
    file = tmp_path / "k"
    async with shop() as first, shop() as second, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        await second.put(wire.SLICES, wire.slice_("web-2"))
        async with following(clusters, forward(kubeconfig(file, first))) as [seen]:
            await seen.until_pods("web-1")
            kubeconfig(file, second)
            await first.stop()
            await seen.until_pods("web-2")


@pytest.mark.asyncio
async def test_A9_while_the_cluster_is_well_nothing_in_the_kubeconfig_moves_a_forward(tmp_path: Path) -> None:
    file = tmp_path / "k"
    async with shop() as first, shop() as second, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(kubeconfig(file, first))) as [seen]:
            await seen.until_pods("web-1")
            kubeconfig(file, second)
            await first.put(wire.SLICES, wire.slice_("web-1", "web-2"))
            await seen.until_pods("web-1", "web-2")
        assert second.connections == 0


@pytest.mark.asyncio
async def test_a_context_that_is_not_there_is_a_problem_until_it_is(tmp_path: Path) -> None:
    file = tmp_path / "k"
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(str(file))) as [seen]:
            assert "does not exist" in await seen.until_problem(Reason.CONTEXT_NOT_FOUND)
            file.write_text("clusters: [\n")
            assert f"{file}:2" in await seen.until_problem(Reason.BAD_CONFIG)
            kubeconfig(file, api)
            await seen.until_pods("web-1")


@pytest.mark.asyncio
async def test_a_namespace_that_does_not_exist_is_said_so_until_it_does(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        file = kubeconfig(tmp_path / "k", api)
        async with following(clusters, forward(file, namespace="missing")) as [seen]:
            assert await seen.until_problem(Reason.TARGET_NOT_FOUND) == 'namespaces "missing" not found'
            api.answers["/api/v1/namespaces/missing"].extend([(200, {})] * 100)
            await until(lambda: seen.last.problem and 'services "web" not found' in seen.last.problem.message)


@pytest.mark.asyncio
async def test_who_loses_a_permission_keeps_what_was_known(tmp_path: Path) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await seen.until_pods("web-1")
            api.forbidden[wire.SERVICES] = "services is forbidden"
            api.compact()
            api.drop()
            assert await seen.until_problem(Reason.NOT_PERMITTED) == "services is forbidden"
            assert seen.last.pods == (WEB_1,)
            del api.forbidden[wire.SERVICES]
            await seen.until_pods("web-1")


PLUGIN = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws"}}


@pytest.mark.asyncio
async def test_forwards_to_several_contexts_of_one_user_share_a_login(tmp_path: Path) -> None:
    runs = 0

    async def plugin(_plugin: Exec, _user: str, _cluster: ClusterEntry, **_: object) -> PluginStatus:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.02)
        return PluginStatus(token="good")

    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        api.tokens = {"good"}
        file = kubeconfig(tmp_path / "k", api, **PLUGIN)
        add_context(Path(file), "again")
        wanted = [forward(file), forward(file, context="again"), forward(file, "pod/web-1", None)]
        async with following(clusters, *wanted) as all_seen:
            for seen in all_seen:
                await seen.until_pods("web-1")
    assert runs == 1


@pytest.mark.asyncio
async def test_a_token_that_runs_out_is_renewed_once_for_all_watches_and_nobody_sees_it(
    tmp_path: Path,
) -> None:
    runs = 0

    async def plugin(_plugin: Exec, _user: str, _cluster: ClusterEntry, **_: object) -> PluginStatus:
        nonlocal runs
        runs += 1
        return PluginStatus(token=f"token-{runs}")

    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        api.tokens = {"token-1"}
        file = kubeconfig(tmp_path / "k", api, **PLUGIN)
        async with following(clusters, forward(file), forward(file, "pod/web-1", 8080)) as [seen, other]:
            await seen.until_pods("web-1")
            await other.until_pods("web-1")
            api.tokens = {"token-2"}
            api.drop()
            await api.put(wire.SLICES, wire.slice_("web-2"))
            await api.put(wire.PODS, wire.pod("web-2"))
            await seen.until_pods("web-2")
            assert runs == 2
            assert [one.problem for one in seen.all] == [None, None]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LoginError("The SSO session has expired"), Reason.LOGIN_EXPIRED),
        (ToolMissing("aws is not installed", "brew install awscli"), Reason.TOOL_MISSING),
    ],
)
@pytest.mark.asyncio
async def test_a_plugin_that_fails_is_asked_again_after_a_poke_and_not_before(
    tmp_path: Path, error: LoginError | ToolMissing, reason: Reason
) -> None:
    runs: list[int] = []
    good = False

    async def plugin(_plugin: Exec, _user: str, _cluster: ClusterEntry, **_: object) -> PluginStatus:
        runs.append(1)
        if not good:
            raise error
        return PluginStatus(token="good")

    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS, plugin=plugin) as clusters:
        one = forward(kubeconfig(tmp_path / "k", api, **PLUGIN))
        async with following(clusters, one, replace(one, name="other")) as [seen, _]:
            assert await seen.until_problem(reason) == error.what
            assert seen.last.problem and seen.last.problem.fix == error.fix
            await asyncio.sleep(0.2)
            assert len(runs) == 1
            good = True
            clusters.poke(one)
            await seen.until_pods("web-1")


@pytest.mark.asyncio
async def test_a_plugin_that_fails_is_asked_again_by_itself_when_its_pause_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfw.kube.login.FIRST_PAUSE", 0.1)
    runs: list[float] = []

    async def plugin(_plugin: Exec, _user: str, _cluster: ClusterEntry, **_: object) -> PluginStatus:
        runs.append(asyncio.get_running_loop().time())
        if len(runs) < 3:
            raise LoginError("no")
        return PluginStatus(token="good")

    async with (
        shop() as api,
        ClusterRegistry(timeouts=replace(TIMEOUTS, longest_pause=100), plugin=plugin) as clusters,
    ):
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api, **PLUGIN))) as [seen]:
            await seen.until_pods("web-1")
    pauses = [after - before for before, after in pairwise(runs)]
    assert pauses[0] >= 0.1 and pauses[1] >= 0.2


@pytest.mark.asyncio
async def test_leaving_the_pool_ends_all_its_tasks_and_connections(tmp_path: Path) -> None:
    async with shop() as api:
        async with ClusterRegistry(timeouts=TIMEOUTS) as clusters:
            stream = clusters.follow(forward(kubeconfig(tmp_path / "k", api)))
            await anext(stream)
            assert running()
        await stream.aclose()
        await until(lambda: not running())


@pytest.mark.asyncio
async def test_without_files_the_users_default_kubeconfig_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        monkeypatch.setitem(os.environ, "KUBECONFIG", kubeconfig(tmp_path / "k", api))
        async with following(clusters, forward("", kubeconfig=())) as [seen]:
            await seen.until_pods("web-1")


@pytest.mark.asyncio
async def test_a_mistake_in_a_watch_is_seen_and_not_mistaken_for_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> float:
        raise ZeroDivisionError

    monkeypatch.setattr(Timeouts, "pause", broken)
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            await seen.until_pods("web-1")
            api.drop()
            await seen.until_problem(Reason.INTERNAL)
            monkeypatch.undo()
            await seen.until_pods("web-1")
    assert "the watch of services in namespace shop failed and will be tried again" in caplog.text


# -- a new forward believes no old verdict


def silent_monitor(**more: float) -> Timeouts:
    """What is known to be wrong is not asked about again by itself."""
    long = 1000.0
    return replace(
        TIMEOUTS, reconnect_interval=long, forbidden=long, longest_pause=long, first_pause=long, **more
    )


@asynccontextmanager
async def forbidden(api: FakeApi) -> AsyncIterator[Reason]:
    api.forbidden[wire.SERVICES] = "services is forbidden"
    yield Reason.NOT_PERMITTED
    api.forbidden.clear()


@asynccontextmanager
async def stopped(api: FakeApi) -> AsyncIterator[Reason]:
    await api.stop()
    yield Reason.CLUSTER_UNREACHABLE
    await api.start()


@asynccontextmanager
async def frozen(api: FakeApi) -> AsyncIterator[Reason]:
    api.freeze()
    yield Reason.CLUSTER_UNREACHABLE
    api.thaw()


@asynccontextmanager
async def unauthorized(api: FakeApi) -> AsyncIterator[Reason]:
    api.tokens = set()
    yield Reason.LOGIN_EXPIRED
    api.tokens = None


@asynccontextmanager
async def absent(api: FakeApi) -> AsyncIterator[Reason]:
    api.answers[wire.SERVICES].extend([(404, b"404 page not found")] * 1000)
    yield Reason.CLUSTER_UNREACHABLE
    api.answers.clear()


@asynccontextmanager
async def web_pages(api: FakeApi) -> AsyncIterator[Reason]:
    api.answers[wire.SERVICES].extend([(200, b"<html>")] * 1000)
    yield Reason.CLUSTER_UNREACHABLE
    api.answers.clear()


@pytest.mark.parametrize("trouble", [forbidden, stopped, frozen, unauthorized, absent, web_pages])
@pytest.mark.asyncio
async def test_a_new_forward_asks_for_itself_and_never_tells_what_was_true_before(
    tmp_path: Path, trouble: Any
) -> None:
    first_pause = 0.01 if trouble is web_pages else 1000.0
    # A server that is well has a second to say so: this process may be slow.
    timeouts = replace(silent_monitor(probe=1.0, fresh=1.0), first_pause=first_pause)
    async with shop() as api, ClusterRegistry(timeouts=timeouts) as clusters:
        file = kubeconfig(tmp_path / "k", api)
        async with trouble(api) as reason, AsyncExitStack() as stack:
            [old] = await stack.enter_async_context(following(clusters, forward(file)))
            await old.until_problem(reason)
            kept = stack.pop_all()
        async with kept, following(clusters, forward(file, name="new")) as [new]:
            await new.until_pods("web-1")
            assert [one.problem for one in new.all] == [None]
            await old.until_pods("web-1")


@pytest.mark.parametrize("trouble", [forbidden, stopped, unauthorized, absent])
@pytest.mark.asyncio
async def test_a_new_forward_is_told_of_what_is_still_wrong(tmp_path: Path, trouble: Any) -> None:
    async with shop() as api, ClusterRegistry(timeouts=silent_monitor()) as clusters:
        file = kubeconfig(tmp_path / "k", api)
        async with trouble(api) as reason:
            async with following(clusters, forward(file)) as [old]:
                await old.until_problem(reason)
                async with following(clusters, forward(file, name="new")) as [new]:
                    await new.until_problem(reason)


@pytest.mark.asyncio
async def test_a_forward_that_knows_nothing_yet_says_what_it_waits_for(tmp_path: Path) -> None:
    timeouts = replace(TIMEOUTS, unexplained=0.2, idle_before_probe=1000)
    async with shop() as api, ClusterRegistry(timeouts=timeouts) as clusters:
        api.hold(wire.SERVICES)
        began = asyncio.get_running_loop().time()
        async with following(clusters, forward(kubeconfig(tmp_path / "k", api))) as [seen]:
            message = await seen.until_problem(Reason.TIMED_OUT)
            assert message == f"waiting for the API server {api.url} to list the services of namespace shop"
            assert asyncio.get_running_loop().time() - began >= 0.2
            api.release(wire.SERVICES)
            await seen.until_pods("web-1")


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), KeyError("y"), OSError(24, "x")])
@pytest.mark.asyncio
async def test_a_mistake_in_the_look_at_a_target_is_told_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        one = forward(kubeconfig(tmp_path / "k", api))
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            with monkeypatch.context() as patch:
                patch.setattr("kfw.target.resolve.resolve", broken)
                await api.put(wire.PODS, wire.pod("web-2"))
                await api.put(wire.SLICES, wire.slice_("web-1", "web-2"))
                await seen.until_problem(Reason.INTERNAL)
                assert seen.pods == ["web-1"], "what was known may still serve"
            clusters.poke(one)
            await seen.until_pods("web-1", "web-2")


@pytest.mark.asyncio
@pytest.mark.parametrize("asked", ["by a poke", "by another forward", "again and again"])
async def test_a_login_that_fails_stops_no_watch_that_streams(tmp_path: Path, asked: str) -> None:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        file = kubeconfig(tmp_path / "k", api)
        one, other = forward(file), forward(file, "deployment/web", 8080)
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            needed = (wire.SERVICES, wire.SLICES)
            await until(lambda: all(api.asked(path, watch=True) for path in needed))
            api.tokens = set()  # from now on; watches that are open stay open
            if asked == "by another forward":
                async with following(clusters, other) as [refused]:
                    await refused.until_problem(Reason.LOGIN_EXPIRED)
            for _ in range(3 if asked == "again and again" else 1):
                clusters.poke(one)
                await until(lambda: seen.last.warning)
            assert seen.last.warning and seen.last.warning.reason is Reason.LOGIN_EXPIRED

            await api.put(wire.PODS, wire.pod("web-2"))
            await api.put(wire.SLICES, wire.slice_("web-2"))

            await seen.until_pods("web-2")
            api.tokens = None
            clusters.poke(one)
            await until(lambda: seen.last.warning is None)
            assert seen.pods == ["web-2"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("target", "port"), [("service/web", 80), ("pod/web-1", "http"), ("deployment/web", 8080)]
)
async def test_what_may_not_be_listed_is_left_to_kubectl_where_that_is_the_method(
    tmp_path: Path, target: str, port: int | str
) -> None:
    paths = (wire.SERVICES, wire.SLICES, wire.PODS, wire.DEPLOYMENTS, wire.REPLICASETS)
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        api.forbidden = dict.fromkeys(paths, "it is forbidden")
        one = forward(kubeconfig(tmp_path / "k", api), target, port, method="kubectl")
        async with following(clusters, one, replace(one, name="tunnel", method="tunnel")) as [seen, refused]:
            await until(lambda: seen.last.pods)
            number = port if isinstance(port, int) else 0
            assert seen.last.pods == (Endpoint("target", target, "", number),)
            assert seen.last.warning and seen.last.warning.reason is Reason.NOT_PERMITTED
            await refused.until_problem(Reason.NOT_PERMITTED)
            assert refused.pods == []
