"""The rules of the design's section 2.2 for services: ports, endpoints, node ports."""

from dataclasses import replace
from typing import Any

import pytest

from kfw.kube import resource as r
from kfw.model import Endpoint, Problem, Reason, Resolution
from kfw.target import objects as o
from kfw.target.objects import ContainerPort, Selector, SlicePort
from kfw.target.resolve import needs, resolve
from tests.target.build import at, http, node, part, pod, service, target, world

FORBIDDEN = Problem(Reason.NOT_PERMITTED, "nodes is forbidden", "ask for a role")
SVC = target("service/web")
DNS = (
    http(number=53, name="dns", protocol="UDP", target=53),
    http(number=53, name="dns-tcp", target=53),
    http(number=9153, name="metrics", target="metrics"),
)


def pods(found: Resolution) -> list[tuple[str, int]]:
    return [(endpoint.name, endpoint.port) for endpoint in found.pods]


def reason(found: Resolution) -> tuple[Reason, str]:
    assert found.problem
    return found.problem.reason, found.problem.message


def test_a_services_pods_come_in_the_order_of_its_slices() -> None:
    slices = [
        part(at("web-c"), name="web-2"),
        part(at("web-b"), at("web-a"), name="web-1"),
        part(at("other-a"), name="a", service="other"),
    ]
    found = resolve(SVC, 80, world(services=[service()], endpointslices=slices))

    assert pods(found) == [("web-b", 8080), ("web-a", 8080), ("web-c", 8080)]


def test_an_endpoint_that_is_not_ready_is_left_out() -> None:
    slices = [part(at("web-a", ready=False), at("web-b"))]

    assert pods(resolve(SVC, 80, world(services=[service()], endpointslices=slices))) == [("web-b", 8080)]


def test_a_pod_with_an_address_of_each_family_counts_once() -> None:
    slices = [part(at("web-a"), name="v4"), part(at("web-a", address="fd00::1"), name="v6")]

    assert pods(resolve(SVC, 80, world(services=[service()], endpointslices=slices))) == [("web-a", 8080)]


def test_A28_each_slice_has_its_own_number_for_a_named_target_port() -> None:
    """During a rollout that changes the container's port."""
    slices = [
        part(at("old"), name="1"),
        part(at("new"), name="2", ports=(SlicePort(9090, "web"),)),
        part(at("without"), name="3", ports=()),
    ]
    found = resolve(SVC, "web", world(services=[service()], endpointslices=slices))

    assert pods(found) == [("old", 8080), ("new", 9090)]


def test_A29_a_tcp_port_is_found_beside_a_udp_port_of_the_same_number() -> None:
    slices = [
        part(
            at("dns-1"),
            ports=(SlicePort(53, "dns", "UDP"), SlicePort(53, "dns-tcp"), SlicePort(9153, "metrics")),
        )
    ]
    found = resolve(SVC, 53, world(services=[service(*DNS)], endpointslices=slices))

    assert pods(found) == [("dns-1", 53)]


@pytest.mark.parametrize(
    ("wanted", "message", "fix"),
    [
        (None, "service web has several TCP ports", "set targetPort to one of 53 (dns-tcp), 9153 (metrics)"),
        (80, "service web has no TCP port 80", "set targetPort to one of 53 (dns-tcp), 9153 (metrics)"),
        (
            "http",
            'service web has no TCP port "http"',
            "set targetPort to one of 53 (dns-tcp), 9153 (metrics)",
        ),
        (
            "dns",
            "port dns of service web is UDP, only TCP can be forwarded",
            "set targetPort to one of 53 (dns-tcp), 9153 (metrics)",
        ),
    ],
)
def test_a_port_that_is_not_there_or_not_clear_lists_those_that_are(
    wanted: Any, message: str, fix: str
) -> None:
    found = resolve(SVC, wanted, world(services=[service(*DNS)], endpointslices=[part(at("dns-1"))]))

    assert reason(found) == (Reason.TARGET_PORT, message)
    assert found.problem and found.problem.fix == fix


@pytest.mark.parametrize("wanted", [80, "80", "web", "http", None])
def test_A28_a_port_is_named_by_number_by_its_name_or_by_its_target(wanted: Any) -> None:
    found = resolve(SVC, wanted, world(services=[service()], endpointslices=[part(at("web-a"))]))

    assert pods(found) == [("web-a", 8080)]


def test_two_ports_with_the_same_named_target_are_not_guessed() -> None:
    two = service(http(), http(number=81, name="other"))
    found = resolve(SVC, "http", world(services=[two], endpointslices=[part(at("web-a"))]))

    assert reason(found) == (Reason.TARGET_PORT, "service web has several TCP ports")


def test_a_headless_service_works_by_its_pods() -> None:
    found = resolve(SVC, 80, world(services=[service(headless=True)], endpointslices=[part(at("web-0"))]))

    assert pods(found) == [("web-0", 8080)]
    assert (
        found.no_node_port and found.no_node_port.message == "service web is headless, so it has no node port"
    )


def test_an_external_name_has_nothing_to_forward_to() -> None:
    external = service(type="ExternalName", external_name="db.example.com")
    found = resolve(SVC, 80, world(services=[external]))

    assert reason(found)[0] is Reason.TARGET_NOT_FOUND
    assert "another name for db.example.com" in reason(found)[1]


# -- where slices may not be read


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (http(target="metrics"), 9090),
        (http(target=8081), 8081),
        (http(target=None), 80),
    ],
)
def test_A28_without_slices_pods_are_found_by_selector_and_the_target_port_by_name(
    port: o.ServicePort, expected: int
) -> None:
    some = [
        pod("web-b"),
        pod("web-a", ports=(ContainerPort(8080, "http"), ContainerPort(9090, "metrics"))),
        pod("web-0", ready=False),
        pod("other", labels={"app": "other"}),
    ]
    found = resolve(SVC, 80, world(services=[service(port)], pods=some, denied={r.ENDPOINTSLICES: FORBIDDEN}))

    assert pods(found)[0] == ("web-a", expected)
    assert "other" not in dict(pods(found)) and "web-0" not in dict(pods(found))


def test_A28_a_target_port_that_no_container_has_is_said_so() -> None:
    known = world(
        services=[service(http(target="nope"))], pods=[pod("web-a")], denied={r.ENDPOINTSLICES: FORBIDDEN}
    )

    assert reason(resolve(SVC, 80, known)) == (
        Reason.TARGET_PORT,
        'pod web-a has no port "nope", which service web names',
    )


def test_who_may_read_neither_slices_nor_pods_is_told_of_it() -> None:
    denied = {r.ENDPOINTSLICES: FORBIDDEN, r.PODS: Problem(Reason.NOT_PERMITTED, "pods is forbidden")}

    assert reason(resolve(SVC, 80, world(services=[service()], denied=denied))) == (
        Reason.NOT_PERMITTED,
        "pods is forbidden",
    )


# -- slices that lag behind, as after a restart of the controller manager


def test_an_endpoint_whose_pod_is_known_to_be_gone_or_ill_is_left_out() -> None:
    slices = [part(at("gone"), at("dying"), at("web-b"))]
    some = [pod("web-b"), pod("dying", why="it is terminating")]

    found = resolve(SVC, 80, world(services=[service()], endpointslices=slices, pods=some))

    assert pods(found) == [("web-b", 8080)]


def test_ready_pods_are_found_before_the_slices_name_them() -> None:
    slices = [part(at("gone"), at("", address="1.2.3.4", ready=False))]

    found = resolve(SVC, 80, world(services=[service()], endpointslices=slices, pods=[pod("web-b")]))

    assert pods(found) == [("web-b", 8080)]


class _Pods(dict[str, o.Pod]):
    """Whoever looks through all of them is counted."""

    looked_through = 0

    def values(self) -> Any:
        self.looked_through += 1
        return super().values()


@pytest.mark.parametrize(("ready", "times"), [(True, 0), (False, 1)])
def test_all_pods_of_a_namespace_are_looked_through_only_when_the_slices_have_no_ready_one(
    ready: bool, times: int
) -> None:
    """Each forward of the namespace resolves its target at each change in it."""
    known = _Pods({name: pod(name) for name in ("web-a", "web-b")})
    found = world(services=[service()], endpointslices=[part(at("web-a", ready=ready))])
    resolve(SVC, 80, replace(found, pods=known))
    assert known.looked_through == times


def test_pods_are_looked_at_when_what_was_resolved_did_not_work() -> None:
    known = world(services=[service()], endpointslices=[part(at("gone"))])

    assert needs(SVC, known).may == set()
    assert needs(SVC, known, doubt=True).may == {r.PODS}


# -- no ready endpoint


@pytest.mark.parametrize(
    ("pods", "message"),
    [
        (None, "no endpoint of service/web is ready"),
        ([], "no pod matches the selector app=web of service web"),
        (
            [pod("web-a", why="container app: CrashLoopBackOff (back-off 5m0s)")],
            "the only pod of service/web is not ready: web-a: container app: CrashLoopBackOff (back-off 5m0s)",
        ),
        (
            [pod("web-b", ready=False), pod("web-a", why="Pending: Unschedulable")],
            "none of the 2 pods of service/web is ready: web-a: Pending: Unschedulable",
        ),
    ],
)
def test_a_service_without_a_ready_endpoint_says_how_its_pods_are(pods: Any, message: str) -> None:
    known = world(services=[service()], endpointslices=[part(at("web-a", ready=False))], pods=pods)

    assert reason(resolve(SVC, 80, known)) == (Reason.NO_READY_POD, message)


def test_endpoints_that_are_no_pods_are_no_use_without_a_node_port() -> None:
    lone = service(selector=Selector())
    slices = [part(at("", address="172.18.0.2"))]
    found = resolve(SVC, 80, world(services=[lone], endpointslices=slices))

    assert reason(found)[0] is Reason.NO_READY_POD
    assert "are not pods (172.18.0.2:8080)" in reason(found)[1]


def test_endpoints_that_are_no_pods_are_reached_by_the_node_port() -> None:
    lone = service(http(node_port=30080), type="NodePort", selector=Selector())
    known = world(
        services=[lone], endpointslices=[part(at("", address="1.2.3.4"))], nodes=[node("a", "172.18.0.2")]
    )
    found = resolve(SVC, 80, known)

    assert found == Resolution(nodes=(Endpoint("node", "a", "172.18.0.2", 30080),))


# -- node ports


NODES = [node("c", "10.0.0.3", ready=False), node("b", "10.0.0.2", "203.0.113.2"), node("a", "10.0.0.1")]


def node_port(**more: Any) -> o.Service:
    return service(http(node_port=30080), http(number=81, node_port=30081), type="NodePort", **more)


def addresses(found: Resolution) -> list[tuple[str, int]]:
    return [(endpoint.address, endpoint.port) for endpoint in found.nodes]


def test_nodes_with_a_ready_pod_come_first_and_those_that_are_not_ready_last() -> None:
    slices = [part(at("web-1", node="b"))]
    found = resolve(SVC, 80, world(services=[node_port()], endpointslices=slices, nodes=NODES))

    assert addresses(found) == [
        ("10.0.0.2", 30080),
        ("203.0.113.2", 30080),
        ("10.0.0.1", 30080),
        ("10.0.0.3", 30080),
    ]


def test_the_node_port_is_that_of_the_service_port_that_was_chosen() -> None:
    slices = [part(at("web-1"))]
    found = resolve(SVC, 81, world(services=[node_port()], endpointslices=slices, nodes=NODES[2:]))

    assert addresses(found) == [("10.0.0.1", 30081)]


def test_with_a_local_traffic_policy_only_nodes_with_a_ready_pod_serve() -> None:
    slices = [part(at("web-1", node="a"), at("web-2", node="b", ready=False))]
    found = resolve(SVC, 80, world(services=[node_port(local=True)], endpointslices=slices, nodes=NODES))

    assert addresses(found) == [("10.0.0.1", 30080)]


def test_A11_who_may_not_list_nodes_learns_their_addresses_from_the_pods() -> None:
    some = [pod("web-1", host_ip="172.18.0.3"), pod("web-2", host_ip="172.18.0.2")]
    slices = [part(at("web-2", node="n2"), at("web-1", node="n1"), at("web-3", node="n2"))]
    known = world(services=[node_port()], endpointslices=slices, pods=some, denied={r.NODES: FORBIDDEN})
    found = resolve(SVC, 80, known)

    assert found.nodes == (
        Endpoint("node", "n2", "172.18.0.2", 30080),
        Endpoint("node", "n1", "172.18.0.3", 30080),
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("172.18.0.2", [("172.18.0.2", 30080)]),
        ("127.0.0.1", []),  # there the port may be anybody's
        ("api.example.com", []),
    ],
)
def test_A11_at_last_the_api_server_is_taken_for_a_node(host: str, expected: list[tuple[str, int]]) -> None:
    denied = {r.NODES: FORBIDDEN, r.PODS: FORBIDDEN}
    slices = [part(at("web-1"))]
    found = resolve(
        SVC, 80, world(services=[node_port()], endpointslices=slices, denied=denied, api_host=host)
    )

    assert addresses(found) == expected
    assert pods(found) == [("web-1", 8080)]
    if not expected:
        assert found.no_node_port and found.no_node_port.reason is Reason.NOT_PERMITTED
        assert found.no_node_port.fix == FORBIDDEN.fix


def test_a_service_without_a_node_port_names_its_type_and_the_line_that_gives_it_one() -> None:
    found = resolve(SVC, 80, world(services=[service()], endpointslices=[part(at("web-1"))]))

    assert found.problem is None
    assert found.no_node_port == Problem(
        Reason.NO_NODE_PORT,
        "service web is of type ClusterIP, so it has no node port",
        """kubectl --context kind-dev -n shop patch svc web -p '{"spec":{"type":"NodePort"}}'""",
    )


def test_a_load_balancer_has_a_node_port_too() -> None:
    balancer = service(http(node_port=30843), type="LoadBalancer")
    slices = [part(at("web-1"))]
    found = resolve(SVC, 80, world(services=[balancer], endpointslices=slices, nodes=NODES[2:]))

    assert addresses(found) == [("10.0.0.1", 30843)]
