"""Pods that run and are not ready: refused with the key that opens it, taken where it is written, published by a service."""

from typing import Any

import msgspec
import pytest

from kfw.kube import resource as r
from kfw.model import Problem, Reason, Resolution
from kfw.target import objects as o
from kfw.target.decode.pod import Pod
from kfw.target.objects import ContainerPort, Objects, Selector, SlicePort
from kfw.target.resolve import LookupByKind, needs, resolve
from tests.fakes import forward
from tests.target.build import at, http, node, owner, part, pod, service, target, workload, world

SVC = target("service/web")
UNREADY = {"ready": False}
DYING = {"why": "it is terminating", "terminating": True}
PENDING = {"why": "Pending: ContainersNotReady", "running": False}
#: As the condition Ready alone makes it: phase Running, its container in a pause between crashes.
CRASHING = {"why": "container app: CrashLoopBackOff (back-off 5m0s)"}


def pods(found: Resolution) -> list[str]:
    return [endpoint.name for endpoint in found.pods]


def deployed(name: str, **more: Any) -> o.Pod:
    return pod(name, owner=owner("ReplicaSet", "web-1"), **more)


def kinds(*names: tuple[str, dict[str, Any]]) -> list[tuple[str, Objects]]:
    """Each kind of target, with the same pods behind it."""

    def owned(kind: str, by: str) -> list[o.Pod]:
        return [pod(name, owner=owner(kind, by), **more) for name, more in names]

    slices = [part(*(at(name, ready=False) for name, _ in names))]
    return [
        ("pod/a", world(pods=owned("ReplicaSet", "web-1"))),
        (
            "deployment/web",
            world(
                deployments=[workload("web")],
                replicasets=[workload("web-1", owner=owner("Deployment", "web"))],
                pods=owned("ReplicaSet", "web-1"),
            ),
        ),
        ("statefulset/web", world(statefulsets=[workload("web")], pods=owned("StatefulSet", "web"))),
        ("daemonset/web", world(daemonsets=[workload("web")], pods=owned("DaemonSet", "web"))),
        (
            "service/web",
            world(services=[service()], endpointslices=slices, pods=owned("ReplicaSet", "web-1")),
        ),
    ]


def each(*names: tuple[str, dict[str, Any]]) -> Any:
    return pytest.mark.parametrize(
        ("text", "known"), kinds(*names), ids=lambda one: one if isinstance(one, str) else ""
    )


@each(("a", UNREADY))
def test_a_pod_that_runs_and_is_not_ready_is_refused_and_the_fix_names_the_key(
    text: str, known: Objects
) -> None:
    found = resolve(target(text), 8080 if text != "service/web" else 80, known)

    assert found.problem and not found.pods
    assert found.problem.reason is Reason.NO_READY_POD
    assert "is not ready: " in found.problem.message
    assert "readiness probe has not succeeded" in found.problem.message
    assert found.problem.fix.startswith("write readiness: running to forward to it anyway, or see kubectl ")


def test_a_pod_that_was_named_is_refused_in_the_words_of_the_seed() -> None:
    found = resolve(target("pod/a"), 8080, world(pods=[pod("a", ready=False)]))

    assert found.problem and found.problem.message.startswith("pod a is not ready")


@each(("a", UNREADY))
def test_with_the_key_it_is_an_endpoint(text: str, known: Objects) -> None:
    found = resolve(target(text), 8080 if text != "service/web" else 80, known, unready=True)

    assert pods(found) == ["a"]
    assert found.problem is None
    assert found.unready


@each(("a", PENDING))
def test_the_key_opens_no_pod_that_does_not_run_and_is_not_named_for_it(text: str, known: Objects) -> None:
    found = resolve(target(text), 8080 if text != "service/web" else 80, known, unready=True)

    assert found.problem and not found.pods
    assert "readiness: running" not in found.problem.fix


@each(("a", DYING))
def test_the_key_opens_no_pod_that_was_told_to_end(text: str, known: Objects) -> None:
    found = resolve(target(text), 8080 if text != "service/web" else 80, known, unready=True)

    assert found.problem and not found.pods
    assert "readiness: running" not in found.problem.fix


@pytest.mark.parametrize(("text", "known"), kinds(("a", UNREADY), ("b", {}))[1:])
def test_ready_pods_are_taken_before_others(text: str, known: Objects) -> None:
    found = resolve(target(text), 8080 if text != "service/web" else 80, known, unready=True)

    assert pods(found) == ["b"]
    assert not found.unready


def test_a_crashing_pod_is_mended_by_its_log_and_the_key_takes_it_as_kubectl_does() -> None:
    known = world(pods=[pod("a", **CRASHING)])
    refused = resolve(target("pod/a"), 8080, known).problem

    assert refused and refused.fix.endswith("logs a --previous")
    assert pods(resolve(target("pod/a"), 8080, known, unready=True)) == ["a"]


def test_of_the_pods_of_a_workload_the_first_that_runs_is_taken() -> None:
    some = [("a", PENDING), ("b", DYING), ("d", UNREADY), ("c", UNREADY)]
    for text, known in kinds(*some)[1:4]:
        assert pods(resolve(target(text), 8080, known, unready=True)) == ["c", "d"], text


# -- a node that does not report

UNHEARD = {"why": "its node does not report", "unheard": True}


@each(("a", UNHEARD))
def test_pods_whose_nodes_do_not_report_go_on_with_a_word(text: str, known: Objects) -> None:
    found = resolve(target(text), 8080 if text != "service/web" else 80, known)

    assert pods(found) == ["a"]
    assert found.problem is None
    assert not found.unready
    assert found.warning and "the nodes do not report" in found.warning.message


@pytest.mark.parametrize(("text", "known"), kinds(("a", UNHEARD), ("b", {}))[1:])
def test_ready_pods_are_taken_before_those_of_silent_nodes(text: str, known: Objects) -> None:
    found = resolve(target(text), 8080 if text != "service/web" else 80, known)

    assert pods(found) == ["b"]
    assert found.warning is None


@each(("a", {**UNHEARD, "terminating": True}))
def test_a_pod_that_was_told_to_end_does_not_go_on_for_a_silent_node(text: str, known: Objects) -> None:
    assert not pods(resolve(target(text), 8080 if text != "service/web" else 80, known))


def test_the_node_port_of_pods_whose_nodes_do_not_report_goes_on() -> None:
    known = world(
        services=[service(http(node_port=30080))],
        endpointslices=[part(at("a", ready=False))],
        pods=[pod("a", why="its node does not report", unheard=True)],
        nodes=[node("n1", "172.18.0.2", ready=False)],
    )

    assert [one.port for one in resolve(SVC, 80, known).nodes] == [30080]


def conditions(**status: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": status} for kind, status in status.items()]


@pytest.mark.parametrize(
    ("status", "more", "unheard"),
    [
        (conditions(Ready="False", ContainersReady="True"), {}, True),
        (conditions(Ready="False", ContainersReady="False"), {}, False),
        (conditions(Ready="True", ContainersReady="True"), {}, False),
        (conditions(Ready="False"), {}, False),
        (conditions(Ready="Unknown", ContainersReady="True"), {}, False),
        (conditions(Ready="False", ContainersReady="True"), {"phase": "Pending"}, False),
        (conditions(Ready="False", ContainersReady="True"), {"gates": [{"conditionType": "lb"}]}, False),
        (
            conditions(Ready="False", ContainersReady="True"),
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            False,
        ),
    ],
)
def test_a_pod_is_unheard_if_only_the_node_controller_has_marked_it(
    status: list[dict[str, str]], more: dict[str, Any], unheard: bool
) -> None:
    deleted = {key: value for key, value in more.items() if key == "deletionTimestamp"}
    found = msgspec.convert(
        {
            "metadata": {"name": "a", **deleted},
            "spec": {"readinessGates": more.get("gates")},
            "status": {"phase": more.get("phase", "Running"), "conditions": status},
        },
        Pod,
    ).trim()

    assert found.unheard is unheard
    assert (found.why == "its node does not report") is unheard


# -- publishNotReadyAddresses


def published(*endpoints: Any, headless: bool = False, some: Any = None, **more: Any) -> Objects:
    return world(
        services=[service(publishes_unready=True, headless=headless, **more)],
        endpointslices=[part(*endpoints)],
        **({} if some is None else {"pods": some}),
    )


@pytest.mark.parametrize("headless", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_service_that_publishes_unready_pods_goes_to_them_without_the_key(
    headless: bool, known: bool
) -> None:
    some = [pod("db-0", ready=False), pod("db-1", ready=False)] if known else None
    found = resolve(
        SVC, 80, published(at("db-0", ready=False), at("db-1", ready=False), headless=headless, some=some)
    )

    assert pods(found) == ["db-0", "db-1"]
    assert found.unready


def test_of_what_it_publishes_ready_pods_come_first() -> None:
    found = resolve(SVC, 80, published(at("db-0", ready=False), at("db-1")))

    assert pods(found) == ["db-1"]
    assert not found.unready


@pytest.mark.parametrize("known", [False, True])
def test_what_terminates_is_used_only_if_there_is_nothing_else(known: bool) -> None:
    dying = at("db-0", ready=False, terminating=True)
    some = [pod("db-0", **DYING), pod("db-1", ready=False), pod("db-2")] if known else None

    both = resolve(SVC, 80, published(dying, at("db-1", ready=False), some=some and some[:2]))
    all_three = resolve(SVC, 80, published(dying, at("db-1", ready=False), at("db-2"), some=some))
    alone = resolve(SVC, 80, published(dying, some=some and some[:1]))

    assert (pods(both), pods(all_three), pods(alone)) == (["db-1"], ["db-2"], ["db-0"])


def test_a_pod_that_is_published_and_does_not_run_yet_is_left_out() -> None:
    some = [pod("db-0", **PENDING), pod("db-1", ready=False)]
    found = resolve(SVC, 80, published(at("db-0", ready=False), at("db-1", ready=False), some=some))

    assert pods(found) == ["db-1"]


def test_one_that_is_gone_is_left_out_though_the_slices_still_name_it() -> None:
    found = resolve(
        SVC, 80, published(at("db-0", ready=False), at("db-1", ready=False), some=[pod("db-1", ready=False)])
    )

    assert pods(found) == ["db-1"]


def test_without_slices_its_running_pods_are_found_by_the_selector() -> None:
    known = world(
        services=[service(publishes_unready=True)],
        denied={r.ENDPOINTSLICES: Problem(Reason.NOT_PERMITTED, "forbidden")},
        pods=[pod("db-0", **PENDING), pod("db-1", ready=False)],
    )
    assert pods(resolve(SVC, 80, known)) == ["db-1"]


def test_endpoints_without_a_selector_that_are_not_ready_are_not_opened_by_the_key() -> None:
    lone = service(http(node_port=30080), type="NodePort", selector=Selector())
    slices = [part(at("", address="1.2.3.4", ready=False))]
    known = world(services=[lone], endpointslices=slices, nodes=[node("n", "10.0.0.9")], pods=[])

    assert resolve(SVC, 80, known, unready=True).problem


def test_of_two_pods_the_one_without_the_named_port_is_left_out() -> None:
    some = [pod("db-0", ready=False, ports=(ContainerPort(9090, "other"),)), pod("db-1", ready=False)]
    slices = [
        part(at("db-0", ready=False), name="1", ports=()),
        part(at("db-1", ready=False), name="2", ports=(SlicePort(8080, "web"),)),
    ]
    known = world(services=[service(publishes_unready=True)], endpointslices=slices, pods=some)

    assert pods(resolve(SVC, 80, known)) == ["db-1"]


def test_node_ports_lead_to_unready_pods_only_if_the_service_publishes_them() -> None:
    """kube-proxy goes by the slices' `ready`, and knows nothing of kfw's key."""
    port, nodes = http(node_port=30080), [node("n", "10.0.0.9")]
    slices, some = [part(at("db-0", ready=False))], [pod("db-0", ready=False)]

    def found(publishes: bool) -> Resolution:
        svc = service(port, type="NodePort", publishes_unready=publishes)
        known = world(services=[svc], endpointslices=slices, nodes=nodes, pods=some)
        return resolve(SVC, 80, known, unready=True)

    assert pods(found(publishes=True)) == pods(found(publishes=False)) == ["db-0"]
    assert [one.address for one in found(publishes=True).nodes] == ["10.0.0.9"]
    assert not found(publishes=False).nodes
    why = found(publishes=False).no_node_port
    assert why and "its node port leads to ready ones only" in why.message


def test_pods_are_looked_at_before_an_unready_one_is_used() -> None:
    """Only a pod itself says whether it runs; while a ready one is there nobody asks."""
    for publishes, unready in ((True, False), (False, True), (True, True)):
        svc = service(publishes_unready=publishes)
        ill = world(services=[svc], endpointslices=[part(at("db-0", ready=False))])
        well = world(services=[svc], endpointslices=[part(at("db-0"))])

        assert needs(SVC, ill, unready=unready).soon == {r.PODS}
        assert not needs(SVC, well, unready=unready).all() & {r.PODS}


def test_the_ports_that_a_pod_declares_go_with_its_endpoint_and_do_not_make_it_another() -> None:
    some = [pod("db-0", ports=(ContainerPort(8080, "http"), ContainerPort(9000)))]
    slices = [part(at("db-0"))]
    known = resolve(SVC, 80, world(services=[service()], endpointslices=slices, pods=some))
    unknown = resolve(SVC, 80, world(services=[service()], endpointslices=slices))

    assert known.pods[0].declared == ("8080 (http)", "9000")
    assert unknown.pods[0].declared is None
    assert known == unknown


@pytest.mark.asyncio
@pytest.mark.parametrize("doubt", [False, True])
@pytest.mark.parametrize("readiness", ["ready", "running"])
async def test_a_forwards_watcher_needs_and_finds_what_its_key_says(readiness: str, doubt: bool) -> None:
    known = dict(kinds(("a", UNREADY)))["service/web"]
    lookup = LookupByKind(forward("web", target=target("service/web"), target_port=80, readiness=readiness))

    assert lookup.needs(known, doubt=doubt) == needs(
        target("service/web"), known, doubt=doubt, unready=readiness == "running"
    )
    assert pods(await lookup.resolve(known, None)) == (["a"] if readiness == "running" else [])
