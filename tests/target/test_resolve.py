"""The rules 1 to 7 of the design's section 2.2, with the rulings of section 4: pods and workloads."""

from typing import Any

import pytest

from kfw.kube import resource as r
from kfw.model import Endpoint, Problem, Reason, Resolution
from kfw.target import objects as o
from kfw.target.objects import ContainerPort, Requirement, Selector
from kfw.target.resolve import needs, resolve
from tests.target.build import at, owner, part, pod, service, target, workload, world

DENIED = Problem(Reason.NOT_PERMITTED, "replicasets.apps is forbidden")


def names(found: Resolution) -> list[str]:
    return [endpoint.name for endpoint in found.pods]


def reason(found: Resolution) -> tuple[Reason, str]:
    assert found.problem
    return found.problem.reason, found.problem.message


def test_a_ready_pod_is_its_own_endpoint_and_the_port_passes_unchanged() -> None:
    found = resolve(target("pod/single"), 9000, world(pods=[pod("single", ip="10.1.2.3")]))

    assert found.pods == (Endpoint("pod", "single", "10.1.2.3", 9000),)
    assert found.problem is None
    assert found.no_node_port and found.no_node_port.reason is Reason.NO_NODE_PORT


@pytest.mark.parametrize(
    "why", ["it is terminating", "container app: CrashLoopBackOff", "Pending: Unschedulable (0/2 nodes)"]
)
def test_a_pod_that_is_not_ready_says_why(why: str) -> None:
    found = resolve(target("pod/single"), 80, world(pods=[pod("single", why=why)]))

    assert reason(found) == (Reason.NO_READY_POD, f"pod single is not ready: {why}")


def test_a_crashing_pod_is_mended_by_looking_at_its_last_log() -> None:
    found = resolve(target("pod/x"), 80, world(pods=[pod("x", why="container app: CrashLoopBackOff")]))

    assert found.problem and found.problem.fix == "kubectl --context kind-dev -n shop logs x --previous"


def test_A31_a_target_that_is_gone_is_said_in_kubectls_words() -> None:
    for text, known, message in [
        ("pod/web", "pods", 'pods "web" not found in namespace shop'),
        ("service/web", "services", 'services "web" not found in namespace shop'),
        ("deployment/web", "deployments", 'deployments.apps "web" not found in namespace shop'),
        ("sts/web", "statefulsets", 'statefulsets.apps "web" not found in namespace shop'),
        ("ds/web", "daemonsets", 'daemonsets.apps "web" not found in namespace shop'),
        ("rs/web", "replicasets", 'replicasets.apps "web" not found in namespace shop'),
        ("job/web", "jobs", 'jobs.batch "web" not found in namespace shop'),
        ("rc/web", "replicationcontrollers", 'replicationcontrollers "web" not found in namespace shop'),
    ]:
        found = resolve(target(text), 80, world(**{known: [], "pods": []}))
        assert reason(found) == (Reason.TARGET_NOT_FOUND, message)


def test_a_near_name_is_offered() -> None:
    found = resolve(target("service/wbe"), 80, world(services=[service(name="web")]))

    assert (
        found.problem
        and found.problem.fix == "did you mean service/web? kubectl --context kind-dev -n shop get services"
    )


def test_a_namespace_that_does_not_exist_is_said_so() -> None:
    found = resolve(target("pod/web"), 80, world(pods=[], namespace_missing=True))

    assert reason(found) == (Reason.TARGET_NOT_FOUND, 'namespaces "shop" not found')


# -- ports of pods


SIDECAR = (ContainerPort(8080, "http"), ContainerPort(9090, "metrics"))


@pytest.mark.parametrize(
    ("ports", "wanted", "expected"),
    [
        (SIDECAR, "metrics", 9090),
        (SIDECAR, "8443", 8443),
        (SIDECAR[:1], None, 8080),
        ((*SIDECAR[:1], ContainerPort(8080, "again")), None, 8080),
        ((ContainerPort(1, "x"), ContainerPort(2, "x")), "x", 1),
    ],
)
def test_A28_a_container_port_is_found_by_name_or_is_the_only_one(
    ports: tuple[ContainerPort, ...], wanted: Any, expected: int
) -> None:
    found = resolve(target("pod/p"), wanted, world(pods=[pod("p", ports=ports)]))

    assert [endpoint.port for endpoint in found.pods] == [expected]


@pytest.mark.parametrize(
    ("ports", "wanted", "message", "fix"),
    [
        (
            SIDECAR,
            None,
            "pod/p has several TCP ports",
            "set targetPort to one of 8080 (http), 9090 (metrics)",
        ),
        (
            SIDECAR,
            "web",
            'pod/p has no TCP port "web"',
            "set targetPort to one of 8080 (http), 9090 (metrics)",
        ),
        ((), None, "pod/p declares no TCP port", "set targetPort to a number"),
    ],
)
def test_A28_a_port_that_is_unknown_or_not_the_only_one_lists_what_there_is(
    ports: tuple[ContainerPort, ...], wanted: Any, message: str, fix: str
) -> None:
    found = resolve(target("pod/p"), wanted, world(pods=[pod("p", ports=ports)]))

    assert reason(found) == (Reason.TARGET_PORT, message)
    assert found.problem and found.problem.fix.startswith(fix)


# -- deployments


RS_OLD, RS_NEW = owner("ReplicaSet", "web-111"), owner("ReplicaSet", "web-222")
WORKER = owner("ReplicaSet", "web-worker-333")


def shop(**more: Any) -> o.Objects:
    """A deployment in the middle of a rollout, beside one whose name begins the same and whose labels are the same."""
    kinds: dict[str, Any] = {
        "deployments": [workload("web"), workload("web-worker")],
        "replicasets": [
            workload("web-111", owner=owner("Deployment", "web")),
            workload("web-222", owner=owner("Deployment", "web")),
            workload("web-worker-333", owner=owner("Deployment", "web-worker")),
        ],
        "pods": [
            pod("web-222-b", owner=RS_NEW, labels={"app": "web", "pod-template-hash": "222"}),
            pod("web-222-a", owner=RS_NEW, labels={"app": "web", "pod-template-hash": "222"}),
            pod("web-111-z", owner=RS_OLD, labels={"app": "web", "pod-template-hash": "111"}),
            pod("web-111-a", owner=RS_OLD, why="it is terminating"),
            pod("web-000-a", labels={"app": "web"}),
            pod("web-100-a", owner=WORKER, labels={"app": "web", "pod-template-hash": "333"}),
        ],
    }
    return world(**{**kinds, **more})


def test_A27_a_deployments_pods_are_its_own_by_owner_and_come_by_name() -> None:
    found = resolve(target("deployment/web"), 80, shop())

    assert names(found) == ["web-111-z", "web-222-a", "web-222-b"]
    assert found.sticky  # all connections go to the first


def test_A27_without_leave_to_read_replica_sets_the_owner_is_known_by_name_and_hash() -> None:
    found = resolve(target("deployment/web"), 80, shop(replicasets=None, denied={r.REPLICASETS: DENIED}))

    assert names(found) == ["web-111-z", "web-222-a", "web-222-b"]


def test_a_replica_set_that_was_adopted_by_another_deployment_counts_no_more() -> None:
    adopted = [workload("web-222", owner=owner("Deployment", "web", uid="another"))]

    assert reason(resolve(target("deployment/web"), 80, shop(replicasets=adopted)))[0] is Reason.NO_READY_POD


def test_a_selector_with_expressions_is_heeded() -> None:
    selector = Selector({}, (Requirement("app", "In", ("web",)), Requirement("tier", "DoesNotExist")))
    mine = owner("ReplicaSet", "web-111")
    found = resolve(
        target("deployment/web"),
        80,
        shop(
            deployments=[workload("web", selector=selector)],
            pods=[
                pod("a", owner=mine, labels={"app": "web", "tier": "x"}),
                pod("b", owner=mine, labels={"app": "web"}),
            ],
        ),
    )

    assert names(found) == ["b"]


def test_a_deployment_that_is_scaled_to_zero_says_so_with_the_line_that_scales_it() -> None:
    found = resolve(target("deployment/web"), 80, shop(deployments=[workload("web", replicas=0)], pods=[]))

    assert reason(found) == (Reason.NO_READY_POD, "deployment/web has no pods: it is scaled to 0")
    assert found.problem and "scale deployment/web --replicas=1" in found.problem.fix


def test_pods_that_are_all_ill_are_counted_and_the_first_says_why() -> None:
    pods = [
        pod("web-b", why="container app: ImagePullBackOff", owner=RS_NEW),
        pod("web-a", why="it is terminating", owner=RS_NEW),
        pod("web-c", ready=False, owner=RS_NEW),
    ]
    found = resolve(target("deployment/web"), 80, shop(pods=pods))

    assert reason(found) == (
        Reason.NO_READY_POD,
        "none of the 3 pods of deployment/web is ready: web-b: container app: ImagePullBackOff",
    )


def test_what_may_not_be_read_is_the_problem() -> None:
    denied = {r.DEPLOYMENTS: Problem(Reason.NOT_PERMITTED, "deployments.apps is forbidden")}
    found = resolve(target("deployment/web"), 80, world(pods=[], denied=denied))

    assert reason(found) == (Reason.NOT_PERMITTED, "deployments.apps is forbidden")


@pytest.mark.parametrize(("text", "kind"), [("sts/db", "StatefulSet"), ("ds/db", "DaemonSet")])
def test_A27_stateful_and_daemon_sets_own_their_pods_by_kind_and_name(text: str, kind: str) -> None:
    wanted = target(text)
    pods = [
        pod("db-1", owner=owner(kind, "db")),
        pod("db-0", owner=owner(kind, "db")),
        pod("db-2", owner=owner("ReplicaSet", "db")),
        pod("db-3", owner=owner(kind, "db-other")),
        pod("db-4", owner=owner(kind, "db"), labels={"app": "other"}),
    ]
    found = resolve(wanted, None, world(**{f"{wanted.kind.value}s": [workload("db")], "pods": pods}))

    assert names(found) == ["db-0", "db-1"]


# -- what must be watched


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("pod/x", {r.PODS}),
        ("deployment/x", {r.DEPLOYMENTS, r.REPLICASETS, r.PODS}),
        ("statefulset/x", {r.STATEFULSETS, r.PODS}),
        ("daemonset/x", {r.DAEMONSETS, r.PODS}),
        ("service/x", {r.SERVICES}),
    ],
)
def test_only_the_kinds_that_a_target_needs_are_watched(text: str, kinds: set[r.Resource]) -> None:
    assert needs(target(text), world()).must == kinds


def test_of_a_service_its_slices_are_enough_while_one_of_them_is_ready() -> None:
    known = world(services=[service()], endpointslices=[part(at("web-1"))])

    assert needs(target("service/web"), known).must == {r.SERVICES, r.ENDPOINTSLICES}
    assert needs(target("service/web"), known).may == set()


def test_pods_are_read_to_say_why_no_endpoint_is_ready() -> None:
    known = world(services=[service()], endpointslices=[part(at("web-1", ready=False))])

    assert needs(target("service/web"), known).may == {r.PODS}


def test_A28_pods_are_read_to_say_that_no_container_has_the_target_ports_name() -> None:
    from tests.target.build import http

    known = world(services=[service(http(target="nope"))], endpointslices=[part(at("web-1"), ports=())])

    assert needs(target("service/web"), known).may == {r.PODS}


def test_A11_nodes_are_asked_for_only_with_a_node_port_and_pods_only_if_they_are_refused() -> None:
    from tests.target.build import http

    known = world(services=[service(http(node_port=30080), type="NodePort")])
    refused = world(services=[service(http(node_port=30080), type="NodePort")], denied={r.NODES: DENIED})

    assert needs(target("service/web"), known).must == {r.SERVICES, r.ENDPOINTSLICES}
    assert needs(target("service/web"), known).soon == {r.NODES}
    assert needs(target("service/web"), refused).soon == {r.NODES, r.PODS}


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (Selector({"app": "web", "tier": "front"}), "app=web,tier=front"),
        (Selector({}, (Requirement("env", "In", ("dev", "test")),)), "env in (dev,test)"),
        (Selector({"a": "b"}, (Requirement("env", "NotIn", ("prod",)),)), "a=b,env notin (prod)"),
        (Selector({}, (Requirement("env", "Exists"), Requirement("old", "DoesNotExist"))), "env,!old"),
        (Selector(), ""),
    ],
)
def test_a_selector_is_written_as_the_api_reads_it(selector: Selector, text: str) -> None:
    assert str(selector) == text


def test_a_service_that_is_a_name_elsewhere_is_all_that_is_read_of_it() -> None:
    assert needs(target("service/web"), world(services=[service(type="ExternalName")])).all() == {r.SERVICES}


def test_without_leave_to_read_slices_nothing_can_be_said_before_the_pods_are_known() -> None:
    known = world(services=[service()], denied={r.ENDPOINTSLICES: DENIED})

    assert needs(target("service/web"), known).must == {r.SERVICES, r.ENDPOINTSLICES, r.PODS}


def test_what_is_watched_is_what_must_be_known_and_what_makes_it_better() -> None:
    from tests.target.build import http

    parts = {"services": [service(http(node_port=30080))], "endpointslices": [part(at("web-1", ready=False))]}
    found = needs(target("service/web"), world(**parts))

    assert (found.soon, found.may) == ({r.NODES}, {r.PODS})
    assert found.all() == {r.SERVICES, r.ENDPOINTSLICES, r.NODES, r.PODS}


def test_a_workload_whose_pods_may_not_be_read_says_so() -> None:
    known = world(statefulsets=[workload("db")], denied={r.PODS: DENIED})

    assert reason(resolve(target("sts/db"), 80, known)) == (DENIED.reason, DENIED.message)


@pytest.mark.parametrize(
    ("text", "known", "kind"),
    [
        ("rs/web", "replicasets", "ReplicaSet"),
        ("job/web", "jobs", "Job"),
        ("rc/web", "replicationcontrollers", "ReplicationController"),
    ],
)
def test_the_pods_of_each_workload_are_those_that_it_controls(text: str, known: str, kind: str) -> None:
    pods = [
        pod("b", owner=owner(kind, "web")),
        pod("a", owner=owner(kind, "web")),
        pod("c", owner=owner(kind, "other")),
    ]
    found = resolve(target(text), "http", world(**{known: [workload("web")], "pods": pods}))
    assert names(found) == ["a", "b"]
    assert found.sticky


def test_pods_by_labels_are_all_that_the_api_server_selects() -> None:
    asked = needs(target("pods/app=web,tier in (a, b)"), world())
    assert asked.must == {r.PODS}
    assert asked.where == {r.PODS: {"labelSelector": "app=web,tier in (a, b)"}}
    selected = target("pods/app=web")
    assert names(resolve(selected, 80, world(pods=[pod("b"), pod("a"), pod("c", ready=False)]))) == ["a", "b"]
    assert reason(resolve(selected, 80, world(pods=[]))) == (
        Reason.NO_READY_POD,
        "no pod in namespace shop matches app=web",
    )
    assert reason(resolve(selected, 80, world(pods=[], namespace_missing=True)))[0] is Reason.TARGET_NOT_FOUND
