"""The pods of one command, followed with the daemon's watcher: what is asked for and watched, and with which rights."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import pytest

from kfw.kubectl_compat import find, flags
from kfw.kubectl_compat.access import CommandLine
from kfw.kubectl_compat.follower import PodRegistry, Wanted
from kfw.model import Forward, Kind, Target
from tests.kube import wire
from tests.kube.fake_api import FakeApi, Request, _reply, status
from tests.target.following import Seen, following
from tests.target.test_registry import TIMEOUTS, kubeconfig
from tests.until import until

pytestmark = pytest.mark.asyncio


class Api(FakeApi):
    """That knows single objects by their names, too."""

    async def _answer(self, request: Request, http: h11.Connection, writer: asyncio.StreamWriter) -> None:
        where, _, name = request.path.rpartition("/")
        if where not in (wire.PODS, wire.SERVICES):
            await super()._answer(request, http, writer)
            return
        self.requests.append(request)
        one = self.objects[where].get(name)
        missing = status(404, "NotFound", f'{where.rpartition("/")[2]} "{name}" not found')
        await _reply(http, writer, 200 if one else 404, one or missing)

    def selectors(self, path: str) -> set[str]:
        """Of all lists and watches of it; "" for one of all objects."""
        return {
            r.query.get("labelSelector", r.query.get("fieldSelector", ""))
            for r in self.requests
            if r.path == path
        }


@asynccontextmanager
async def shop(*pods: str) -> AsyncIterator[Api]:
    api = Api()
    await api.start()
    await api.put(wire.SERVICES, wire.service())
    await api.put(wire.PODS, *(wire.pod(name) for name in pods))
    try:
        yield api
    finally:
        await api.stop()


@asynccontextmanager
async def command(file: str, target: str, *ports: str) -> AsyncIterator[tuple[PodRegistry, list[Seen]]]:
    """Followed from the beginning on, as after the lines on stdout."""
    arguments = flags.parse([f"--kubeconfig={file}", "-n", "shop", target, *ports])
    assert arguments
    line = CommandLine(arguments, {})
    line.timeouts = TIMEOUTS
    wanted = Wanted(find.reference(target), "shop", ports, patience=0.2)
    async with PodRegistry(line, {}) as registry:
        registry.join_first()
        await registry.begin(wanted, print)
        forwards = [
            Forward(str(number), Target(Kind.POD, "x"), pair.remote, 0, namespace="shop")
            for number, pair in enumerate(registry.pairs)
        ]
        async with following(registry, *forwards) as seen:
            registry.go()
            yield registry, seen


def running(what: str) -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(what)]


async def test_who_may_only_get_a_pod_can_forward_to_it_and_hears_when_it_is_gone(tmp_path: Path) -> None:
    async with shop("web-1") as api:
        api.forbidden[wire.PODS] = "pods is forbidden"
        async with command(kubeconfig(tmp_path / "k", api), "pod/web-1", "8080") as (registry, [seen]):
            await until(lambda: len(api.asked(wire.PODS)) > 1)  # it was told twice that it may not
            assert (seen.pods, seen.last.problem) == (["web-1"], None)
            assert not registry.lost.is_set()
            await api.delete(wire.PODS, "web-1")
            async with asyncio.timeout(10):
                await registry.lost.wait()
            assert seen.pods == []


async def test_only_the_pods_of_the_target_are_watched_once_for_all_ports(tmp_path: Path) -> None:
    async with shop("web-1", "web-2") as api:
        async with command(kubeconfig(tmp_path / "k", api), "svc/web", ":80", "8080:80") as (_, both):
            await until(lambda: api.asked(wire.PODS, watch=True) and api.asked(wire.SERVICES, watch=True))
            await api.put(wire.PODS, wire.pod("web-3"))
            for seen in both:
                await seen.until_pods("web-1", "web-2", "web-3")
            assert api.selectors(wire.PODS) == {"app=web"}
            assert api.selectors(wire.SERVICES) == {"metadata.name=web"}
            assert {r.path.rpartition("/")[2] for r in api.requests} - {"version"} == {
                "services",
                "web",
                "pods",
            }
            assert len(running("watch pods")) == len(running("watch services")) == 1


async def test_a_named_pod_is_watched_by_its_name(tmp_path: Path) -> None:
    async with shop("web-1") as api:
        async with command(kubeconfig(tmp_path / "k", api), "web-1", "http"):
            await until(lambda: api.asked(wire.PODS, watch=True))
            assert api.selectors(wire.PODS) == {"metadata.name=web-1"}


async def test_another_selector_of_the_service_ends_the_watch_of_the_old_one(tmp_path: Path) -> None:
    async with shop("web-1") as api:
        async with command(kubeconfig(tmp_path / "k", api), "svc/web", ":80") as (registry, [seen]):
            await until(lambda: api.asked(wire.SERVICES, watch=True))
            green = wire.service()
            green["spec"]["selector"] = {"app": "green", "tier": "front"}
            await api.put(wire.SERVICES, green)
            await until(lambda: "app=green,tier=front" in api.selectors(wire.PODS))
            await until(
                lambda: api.asked(wire.PODS, watch=True)[-1].query["labelSelector"].startswith("app=green")
            )
            assert len(running("watch pods")) == 1
            assert (seen.pods, registry.lost.is_set()) == (["web-1"], False)


async def test_another_target_port_of_the_service_is_obeyed(tmp_path: Path) -> None:
    async with shop("web-1") as api:
        async with command(kubeconfig(tmp_path / "k", api), "svc/web", ":80") as (_, [seen]):
            await until(lambda: api.asked(wire.SERVICES, watch=True))
            assert [one.port for one in seen.last.pods] == [8080]
            other = wire.service()
            other["spec"]["ports"][0]["targetPort"] = 9090
            await api.put(wire.SERVICES, other)
            await until(lambda: [one.port for one in seen.last.pods] == [9090])


async def test_a_kubeconfig_that_leads_elsewhere_is_followed_and_nothing_is_left_behind(
    tmp_path: Path,
) -> None:
    async with shop("web-1") as before, shop("web-9") as after:
        file = tmp_path / "k"
        async with command(kubeconfig(file, before), "svc/web", ":80") as (_, [seen]):
            await until(lambda: before.asked(wire.PODS, watch=True))
            first = seen.last.cluster
            kubeconfig(file, after)
            await seen.until_pods("web-9")
            assert seen.last.cluster != first, "what is open to the old one is not kept"
            assert [name for name in running("api ") if before.url in name] == []
            assert len(running("watch pods")) == 1


async def test_nothing_is_watched_before_the_first_connection_may_come(tmp_path: Path) -> None:
    async with shop("web-1") as api:
        arguments = flags.parse(
            [f"--kubeconfig={kubeconfig(tmp_path / 'k', api)}", "-n", "shop", "web-1", "http"]
        )
        assert arguments
        async with PodRegistry(CommandLine(arguments, {}), {}) as registry:
            registry.join_first()
            await registry.begin(Wanted(find.reference("web-1"), "shop", ("http",), 1.0), print)
            one = Forward("0", Target(Kind.POD, "x"), 8080, 0, namespace="shop")
            async with following(registry, one) as [seen]:
                await seen.until_pods("web-1")
                assert [r.path for r in api.requests if r.path != "/version"] == [f"{wire.PODS}/web-1"]
                assert running("watch") == []
                registry.poke(one)  # who pokes has a way that broke
                await until(lambda: api.asked(wire.PODS, watch=True))
