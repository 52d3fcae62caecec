"""The cluster side on the rig: each user, each kind of target, and an API server that goes away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kfw.kubeconfig.pin import pin
from kfw.model import Endpoint, Forward, Reason, Resolution, Target
from kfw.target.registry import ClusterRegistry
from tests.real.rig import Rig
from tests.target.following import Seen, following
from tests.until import until

pytestmark = [pytest.mark.real, pytest.mark.asyncio]


def forwards(
    kubeconfig: Path, *wanted: tuple[str, int | str | None], namespace: str = "demo"
) -> list[Forward]:
    blank = [
        Forward(name=text, target=Target.parse(text), target_port=port, local_port=0, namespace=namespace)
        for text, port in wanted
    ]
    return pin(blank, str(kubeconfig))


@asynccontextmanager
async def seen(
    kubeconfig: Path, *wanted: tuple[str, int | str | None], **more: Any
) -> AsyncIterator[list[Seen]]:
    async with ClusterRegistry() as clusters:
        async with following(clusters, *forwards(kubeconfig, *wanted, **more), timeout=20) as all_seen:
            yield all_seen


async def known(kubeconfig: Path, target: str, port: int | str | None = None, **more: Any) -> Resolution:
    async with seen(kubeconfig, (target, port), **more) as [one]:
        await until(lambda: one.all, 20)
        return one.last


def ports(found: Resolution) -> set[int]:
    assert found.problem is None, found.problem
    return {endpoint.port for endpoint in found.pods}


@pytest.mark.parametrize("user", ["admin", "token", "exec", "viewer"])
async def test_A11_A27_each_user_who_may_read_the_namespace_resolves_each_kind(rig: Rig, user: str) -> None:
    kubeconfig = rig.user(user) if user != "admin" else rig.kubeconfig

    found = await known(kubeconfig, "service/web", 80)
    assert ports(found) == {8080}
    assert [endpoint.port for endpoint in found.nodes] == [30080] * len(rig.node_ips)
    assert {endpoint.address for endpoint in found.nodes} == set(rig.node_ips)
    deployment = await known(kubeconfig, "deployment/web", "http")
    names = [endpoint.name for endpoint in deployment.pods]
    assert names == sorted(names) and all(name.startswith("web-") for name in names)
    assert ports(await known(kubeconfig, "statefulset/db")) == {9005}
    assert ports(await known(kubeconfig, "pod/single", "http")) == {8080}


async def test_A11_a_user_of_services_pods_and_slices_alone_starts_normally(rig: Rig) -> None:
    limited = rig.user("limited")

    assert ports(await known(limited, "service/web", "web")) == {8080}
    refused = (await known(limited, "deployment/web", 8080)).problem
    assert refused and refused.reason is Reason.NOT_PERMITTED
    assert 'cannot list resource "deployments"' in refused.message
    assert 'in the namespace "demo"' in refused.message


async def test_A28_A29_ports_by_number_and_name_beside_udp(rig: Rig) -> None:
    assert ports(await known(rig.kubeconfig, "service/multi", "https")) == {8443}
    assert ports(await known(rig.kubeconfig, "service/multi", 9005)) == {9005}
    assert ports(await known(rig.kubeconfig, "service/db", "postgres")) == {9005}
    for port, words in ((None, "several TCP ports"), ("nope", 'no TCP port "nope"'), (9006, "is UDP")):
        problem = (await known(rig.kubeconfig, "service/multi", port)).problem
        assert problem and problem.reason is Reason.TARGET_PORT
        assert words in problem.message


@pytest.mark.parametrize(
    ("target", "reason", "words"),
    [
        ("service/nope", Reason.TARGET_NOT_FOUND, 'services "nope" not found'),
        ("service/broken", Reason.NO_READY_POD, "its readiness probe has not succeeded"),
        ("service/selectorless", Reason.NO_READY_POD, "are not pods"),
    ],
)
async def test_what_cannot_be_forwarded_to_says_why(
    rig: Rig, target: str, reason: Reason, words: str
) -> None:
    async with seen(rig.kubeconfig, (target, None)) as [one]:
        await until(lambda: one.last.problem and words in one.last.problem.message, 20)
        assert one.reason is reason


async def test_a_namespace_that_does_not_exist_is_said_so(rig: Rig) -> None:
    problem = (await known(rig.kubeconfig, "service/web", 80, namespace="no-such")).problem

    assert problem and problem.message == 'namespaces "no-such" not found'


async def test_A10_a_login_that_has_expired_is_said_so(rig: Rig) -> None:
    problem = (await known(rig.user("expired"), "service/web", 80)).problem

    assert problem and problem.reason is Reason.LOGIN_EXPIRED
    assert "refuses the login of user expired: Unauthorized" in problem.message


async def test_one_login_for_many_forwards(rig: Rig) -> None:
    log = rig.directory / "exec" / "log"

    def logins() -> int:
        return log.read_text().count("start") if log.exists() else 0

    before = logins()
    wanted = [("service/web", 80), ("deployment/web", 80), ("statefulset/db", None), ("pod/single", 80)]
    async with seen(rig.user("exec"), *wanted) as all_seen:
        await until(lambda: all(one.all for one in all_seen), 20)
    assert logins() - before == 1


async def test_a_services_node_port_is_read_again_when_it_is_made_anew(rig: Rig, namespace: str) -> None:
    make = ("-n", namespace, "create", "service", "nodeport", "web", "--tcp=80:8080")
    rig.kubectl("-n", namespace, "run", "web", "--image=kfw-app:1", "--labels=app=web", "--port=8080")
    rig.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/web", "--timeout=30s")
    async with seen(rig.kubeconfig, ("service/web", 80), namespace=namespace) as [one]:
        await one.until_problem(Reason.TARGET_NOT_FOUND)
        await asyncio.to_thread(rig.kubectl, *make, "--node-port=32101")
        await until(lambda: {node.port for node in one.last.nodes} == {32101}, 20)
        await asyncio.to_thread(rig.kubectl, "-n", namespace, "delete", "service", "web")
        await asyncio.to_thread(rig.kubectl, *make, "--node-port=32102")
        await until(lambda: {node.port for node in one.last.nodes} == {32102}, 20)
        assert one.pods == ["web"]


async def test_A30_a_deleted_pod_is_replaced_by_another_that_is_not_terminating(own_cluster: Rig) -> None:
    async with seen(own_cluster.kubeconfig, ("deployment/web", 8080), ("service/web", 80)) as [one, other]:
        await until(lambda: len(one.pods) == len(other.pods) == 2, 20)
        gone = one.pods[0]
        await asyncio.to_thread(own_cluster.kubectl, "-n", "demo", "delete", "pod", gone, "--wait=false")
        await until(lambda: gone not in one.pods and gone not in other.pods, 3)
        await until(lambda: len(one.pods) == len(other.pods) == 2, 20)


Fault = Callable[..., None]


async def test_A10_an_api_server_that_restarts_is_noticed_and_back_in_a_moment(
    own_cluster: Rig, fault: Fault
) -> None:
    async with seen(own_cluster.kubeconfig, ("service/web", 80)) as [one]:
        await until(lambda: len(one.pods) == 2, 20)
        before = one.last
        stopping = time.monotonic()
        await asyncio.to_thread(fault, "apiserver-stop")
        await until(lambda: one.reason is Reason.CLUSTER_UNREACHABLE, 3)
        assert one.last == replace(before, problem=one.last.problem)
        assert time.monotonic() - stopping < 3
        await asyncio.to_thread(fault, "apiserver-start")
        await until(lambda: one.last == before, 3)


async def test_A10_an_api_server_that_falls_silent_is_known_within_15_seconds_and_back_in_half_a_one(
    own_cluster: Rig, fault: Fault
) -> None:
    """Packets are dropped, nobody says a word: the peers' clients hang here for 20 to 30 s."""
    async with seen(own_cluster.kubeconfig, ("service/web", 80)) as [one]:
        await until(lambda: len(one.pods) == 2, 20)
        await asyncio.to_thread(fault, "api-blackhole", "on")
        await until(lambda: one.reason is Reason.CLUSTER_UNREACHABLE, 15)
        assert len(one.pods) == 2
        await asyncio.to_thread(fault, "api-blackhole", "off")
        await until(lambda: one.last.problem is None, 0.5)


async def test_a_token_that_is_revoked_is_a_login_to_renew_and_a_new_one_is_taken(
    own_cluster: Rig, fault: Fault
) -> None:
    async with seen(own_cluster.user("token"), ("service/web", 80)) as [one]:
        await until(lambda: len(one.pods) == 2, 20)
        await asyncio.to_thread(fault, "token-revoke")
        await asyncio.to_thread(fault, "apiserver-restart")  # which ends the watches that still run
        await until(lambda: one.reason is Reason.LOGIN_EXPIRED, 20)
        assert len(one.pods) == 2
        await asyncio.to_thread(fault, "token-restore")
        await until(lambda: one.last.problem is None, 20)


async def test_the_pods_address_and_the_nodes_are_those_of_kubectl(rig: Rig) -> None:
    found = await known(rig.kubeconfig, "pod/single", 8080)
    address = rig.kubectl("-n", "demo", "get", "pod", "single", "-o", "jsonpath={.status.podIP}")

    assert found.pods == (Endpoint("pod", "single", address, 8080),)
