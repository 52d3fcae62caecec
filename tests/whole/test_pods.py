"""Ways to pods, by kubectl and by kfw's own tunnel: every kind of target, and pods that go, crash and do not listen."""

import re
import time
from collections.abc import Callable

import pytest

from kfw.sandbox.manifests import deployment, pod, service, statefulset
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.objects import Object
from kfw.sandbox.sandbox import Sandbox
from tests.real import talk
from tests.real.running import until
from tests.sandbox.kubectl import needs_kubectl
from tests.whole.place import Place
from tests.whole.program import Entry, Program, Row, kill

pytestmark = needs_kubectl

Ports = Callable[[int], list[int]]

METHODS = ("kubectl", "tunnel")
WEB = {"http": 8080}


def by_each_method(entry: Entry, ports: Ports) -> dict[str, Entry]:
    locals_ = zip(METHODS, ports(len(METHODS)), strict=True)
    return {method: {**entry, "localPort": port, "method": method} for method, port in locals_}


def agent(where: str) -> Object:
    made = deployment(where, "agent", ports=WEB)
    spec = {key: value for key, value in made["spec"].items() if key != "replicas"}
    return {**made, "kind": "DaemonSet", "spec": spec}


def worker(where: str) -> Object:
    """`web-worker`, whose name begins as web's, and whose pods have web's label besides their own."""
    made = deployment(where, "web-worker", ports=WEB)
    labels = {"app": "web", "part": "worker"}
    template = {**made["spec"]["template"], "metadata": {"labels": labels}}
    return {**made, "spec": {**made["spec"], "selector": {"matchLabels": labels}, "template": template}}


@pytest.mark.parametrize("method", METHODS)
def test_A27_each_kind_carries_and_a_deployment_takes_its_own_first_ready_pod(
    kfw: Program, shared: Place, namespace: str, ports: Ports, method: str
) -> None:
    shared.apply(
        deployment(namespace, "web", ports=WEB, replicas=3),
        worker(namespace),
        agent(namespace),
        statefulset(namespace, "db", "kfw/http", ports=WEB, replicas=2),
        pod(namespace, "alone", ports=WEB),
        service(namespace, "web", service_port(80, "http"), kind="ClusterIP"),
    )
    kinds = ("deployment/web", "statefulset/db", "daemonset/agent", "service/web", "pod/alone")
    here = {"targetPort": "http", "namespace": namespace, "method": method}
    locals_ = dict(zip(kinds, ports(len(kinds)), strict=True))
    kfw.up({to.replace("/", "-"): {"target": to, "localPort": locals_[to], **here} for to in kinds})
    answers = {to: {talk.pod_behind(port) for _ in range(4)} for to, port in locals_.items()}
    own = sorted(name for name in _names(shared, namespace) if re.fullmatch(r"web-[^-]+-[^-]+", name))
    assert len(own) == 3
    assert answers["deployment/web"] == {own[0]}
    assert kfw.status("deployment-web")["endpoint"]["name"] == own[0]
    assert answers["statefulset/db"] == {"db-0"}
    assert len(answers["daemonset/agent"]) == 1
    assert all(name.startswith("web-") for name in answers["service/web"])
    assert answers["pod/alone"] == {"alone"}


def _names(shared: Place, where: str) -> list[str]:
    return [one["metadata"]["name"] for one in shared.do(lambda sandbox: sandbox.list("pods", where))]


def test_A30_when_its_pod_is_deleted_another_serves_on_the_same_port(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(deployment(namespace, "web", ports=WEB, replicas=2))
    entry = {"target": "deployment/web", "targetPort": "http", "namespace": namespace}
    forwards = by_each_method(entry, ports)
    kfw.up(forwards)
    (first,) = {row["endpoint"]["name"] for row in kfw.rows().values()}
    seq, deleted = kfw.seq(), time.monotonic()
    shared.do(lambda sandbox: sandbox.delete("pods", namespace, first))
    for method, forward in forwards.items():
        row = until(lambda method=method: _elsewhere(kfw, method, first), 15, kfw.log)  # type: ignore[misc]
        assert row["localPort"] == forward["localPort"]
        assert talk.pod_behind(forward["localPort"]) == row["endpoint"]["name"]
        told = [row["status"] for row in kfw.history(method, seq)]
        assert told in (["reconnecting", "active"], ["active"])
    assert time.monotonic() - deleted < 15


def _elsewhere(kfw: Program, method: str, pod: str) -> Row | None:
    row = kfw.status(method)
    return row if row["status"] == "active" and row["endpoint"]["name"] != pod else None


def test_A31_a_deployment_and_a_pod_that_are_deleted_are_errors_at_once_without_attempts(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(deployment(namespace, "web", ports=WEB), pod(namespace, "alone", ports=WEB))
    to_web = by_each_method({"target": "deployment/web", "targetPort": "http", "namespace": namespace}, ports)
    to_pod = by_each_method({"target": "pod/alone", "targetPort": "http", "namespace": namespace}, ports)
    kfw.up({**to_web, **{f"pod-{method}": entry for method, entry in to_pod.items()}})

    def delete(sandbox: Sandbox) -> None:
        sandbox.delete("deployments", namespace, "web")
        sandbox.delete("pods", namespace, "alone")

    shared.do(delete)
    for method in METHODS:
        for name, words in (
            (method, 'deployments.apps "web" not found'),
            (f"pod-{method}", 'pods "alone" not found'),
        ):
            row = kfw.until_row(name, within=5, status="error", reason="target-not-found")
            assert words in row["message"]
            assert row["nextAttemptAt"] is None
    until(lambda: not kfw.children("port-forward"), 3, lambda: "no kubectl runs")


def test_A32_scaled_to_zero_it_gives_up_with_the_cause_and_retry_brings_it_back(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(deployment(namespace, "web", ports=WEB))
    retry = {"initialDelay": "50ms", "maxAttempts": 5}
    entry = {"target": "deployment/web", "targetPort": "http", "namespace": namespace, "retry": retry}
    forwards = by_each_method(entry, ports)
    kfw.up(forwards)
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 0))
    for method in METHODS:
        row = kfw.until_row(method, status="error", reason="no-ready-pod", nextAttemptAt=None)
        assert "deployment/web" in row["message"]
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 1))
    shared.apply()
    kfw("retry")
    for method, forward in forwards.items():
        kfw.until_row(method, status="active")
        assert talk.pod_behind(forward["localPort"]).startswith("web-")


def test_A37_a_closed_port_is_never_active_and_a_container_that_restarts_in_place_is_noticed(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(pod(namespace, "alone", ports=WEB))
    until(lambda: shared.pods(namespace, "alone"), 5, lambda: "the pod is ready")
    here = {"target": "pod/alone", "namespace": namespace}
    closed = by_each_method({**here, "targetPort": 7777}, ports)
    forwards = by_each_method({**here, "targetPort": "http"}, ports)
    both = {**forwards, **{f"closed-{method}": entry for method, entry in closed.items()}}
    kfw.up(both, "--timeout", "2s", code=None)
    seq = kfw.seq()
    shared.annotate_pods(namespace, crash_after="0s")
    for method in METHODS:
        until(lambda method=method: kfw.history(method, seq), 10, kfw.log)  # type: ignore[misc]
        assert kfw.history(method, seq)[0]["status"] != "active"
    shared.annotate_pods(namespace, crash_after="1h")
    for method, entry in forwards.items():
        kfw.until_row(method, status="active")
        assert talk.pod_behind(entry["localPort"]) == "alone"
        assert "active" not in [row["status"] for row in kfw.history(f"closed-{method}")]
        until(lambda method=method: "7777" in kfw.status(f"closed-{method}")["message"], 15, kfw.log)  # type: ignore[misc]


def test_A6_a_killed_kubectl_is_back_on_its_port_and_its_sibling_is_not_touched(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    shared.apply(deployment(namespace, "web", ports=WEB))
    entry = {"target": "deployment/web", "targetPort": "http", "namespace": namespace, "method": "kubectl"}
    hit, other = ports(2)
    kfw.up({"hit": {**entry, "localPort": hit}, "sibling": {**entry, "localPort": other}})
    before = kfw.rows()
    kill([before["hit"]["pid"]])
    row = kfw.until_row("hit", status="active", restarts=1)
    assert row["pid"] != before["hit"]["pid"]
    assert talk.pod_behind(hit).startswith("web-")
    untouched = ("status", "pid", "since", "restarts")
    assert [kfw.status("sibling")[key] for key in untouched] == [before["sibling"][key] for key in untouched]
