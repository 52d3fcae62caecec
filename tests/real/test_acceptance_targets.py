"""Targets of which the demo has none: look-alikes, daemon sets, UDP first, ports that nobody listens on."""

import os
import re
from collections.abc import Iterator

import pytest

from tests.real import app, talk
from tests.real.rig import Rig
from tests.whole.program import Entry, Program, connected

API_METHODS = ("kubectl", "tunnel")


@pytest.fixture(scope="module")
def shop(rig: Rig) -> Iterator[str]:
    """A namespace with `web` and its look-alike `web-worker`, whose pods have the same label, and more."""
    name = f"kfw-acc-{os.getpid()}"
    rig.kubectl("create", "namespace", name)
    objects = app.together(
        app.workload("Deployment", "web", replicas=3),
        app.workload("Deployment", "web-worker", app="web"),
        app.workload("DaemonSet", "agent"),
        app.workload("StatefulSet", "db", replicas=2),
        app.pod("alone"),
        app.service("web"),
        app.service("inner", app="web", kind="ClusterIP"),
        app.service("unset", app.port(8080, "web"), app="web"),
        app.service("odd", app.port(80, "http", "nope"), app="web"),
        app.service("dead", app.port(80, "http", 7777), app="web"),
        app.service(
            "dns", app.port(53, "dns", 9006, protocol="UDP"), app.port(53, "dns-tcp", 9000), app="web"
        ),
    )
    try:
        rig.kubectl("-n", name, "apply", "-f", "-", stdin=objects)
        for what in ("deployment/web", "deployment/web-worker", "daemonset/agent", "statefulset/db"):
            rig.kubectl("-n", name, "rollout", "status", what, "--timeout=60s")
        rig.kubectl("-n", name, "wait", "--for=condition=Ready", "pod/alone", "--timeout=60s")
        yield name
    finally:
        rig.kubectl("delete", "namespace", name, "--wait=false")


def own_pods(rig: Rig, where: str, deployment: str) -> list[str]:
    """By name: DEPLOYMENT-HASH-ID."""
    said = rig.kubectl("-n", where, "get", "pods", "-o", "jsonpath={.items[*].metadata.name}")
    return sorted(name for name in said.split() if re.fullmatch(rf"{deployment}-[^-]+-[^-]+", name))


@pytest.mark.parametrize("method", API_METHODS)
def test_A27_each_kind_carries_and_a_deployment_takes_its_own_first_ready_pod(
    rig: Rig, cli: Program, shop: str, method: str
) -> None:
    """Of a deployment the first by name, and never a pod of web-worker, whose label and name look alike."""
    targets = ("deployment/web", "statefulset/db", "daemonset/agent", "service/web", "pod/alone")
    locals_ = dict(zip(targets, talk.free_ports(len(targets)), strict=True))
    number = {to: 80 if to.startswith("service") else 8080 for to in targets}
    cli.up(
        {
            to.replace("/", "-"): {
                "target": to, "targetPort": number[to], "localPort": port, "namespace": shop, "method": method,
            }
            for to, port in locals_.items()
        }
    )  # fmt: skip
    answers = {to: {talk.pod_behind(port) for _ in range(4)} for to, port in locals_.items()}
    own = own_pods(rig, shop, "web")
    assert len(own) == 3
    assert answers["deployment/web"] == {own[0]}
    assert answers["statefulset/db"] == {"db-0"}
    assert len(answers["daemonset/agent"]) == 1
    assert all(name.startswith("web-") for name in answers["service/web"])
    assert answers["pod/alone"] == {"alone"}
    assert cli.status("deployment-web")["endpoint"]["name"] == own[0]


@pytest.mark.parametrize("method", ["nodeport", "socat", *API_METHODS])
def test_A28_A29_B11_named_unset_and_udp_ports_lead_to_the_right_container_port(
    cli: Program, shop: str, method: str
) -> None:
    web, unset, dns, odd = talk.free_ports(4)
    here = {"namespace": shop, "method": method}
    cli.up(
        {
            "web": {"target": "service/web", "targetPort": 80, "localPort": web, **here},
            "unset": {"target": "service/unset", "targetPort": 8080, "localPort": unset, **here},
            "dns": {"target": "service/dns", "targetPort": 53, "localPort": dns, **here},
            "odd": {"target": "service/odd", "targetPort": 80, "localPort": odd, **here},
        },
        code=1,
    )
    assert talk.pod_behind(web).startswith("web-")
    assert talk.pod_behind(unset).startswith("web-")
    with connected(dns) as connection:
        connection.sendall(b"a question")
        assert connection.recv(100) == b"a question"
    row = cli.status("odd")
    assert (row["status"], row["reason"]) == ("error", "target-port")
    assert 'has no port "nope", which service odd names' in row["message"]


def test_A37_a_closed_container_port_is_never_active_by_any_method(cli: Program, shop: str) -> None:
    methods = ("nodeport", "socat", *API_METHODS)
    here: Entry = {"target": "service/dead", "targetPort": 80, "namespace": shop}
    locals_ = zip(methods, talk.free_ports(len(methods)), strict=True)
    forwards = {method: {**here, "localPort": port, "method": method} for method, port in locals_}
    cli.up(forwards, "--timeout", "4s", code=None)
    for method in methods:
        row = cli.status(method)
        assert "active" not in [row["status"] for row in cli.history(method)]
        assert row["status"] in ("starting", "error"), row
        assert "refused" in row["message"], row
        if method in API_METHODS:
            assert row["reason"] == "app-refuses"
            assert "7777" in row["message"]


@pytest.mark.parametrize("method", ["nodeport", "socat"])
def test_B10_a_service_of_type_ClusterIP_is_named_with_its_type_and_auto_takes_another_way(
    cli: Program, shop: str, method: str
) -> None:
    one, other = talk.free_ports(2)
    inner = {"target": "service/inner", "targetPort": 80, "namespace": shop}
    cli.up(
        {"inner": {**inner, "localPort": one, "method": method}, "auto": {**inner, "localPort": other}},
        code=1,
    )
    row = cli.status("inner")
    assert (row["status"], row["reason"]) == ("error", "no-node-port")
    assert "service inner is of type ClusterIP, so it has no node port" in row["message"]
    assert cli.status("auto")["method"] == "tunnel"
    assert talk.pod_behind(other).startswith("web-")
