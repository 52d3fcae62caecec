"""Pods and workloads that change under a forward: deleted, scaled, late, restarted in place. In a namespace of its own."""

import time

import pytest

from tests.real import app, talk
from tests.real.rig import Rig
from tests.real.running import until
from tests.whole.program import Entry, Program, Row, connected

API_METHODS = ("kubectl", "tunnel")


@pytest.fixture
def web(rig: Rig, namespace: str) -> Entry:
    """An entry to a deployment of two, which is ready."""
    apply(rig, namespace, app.workload("Deployment", "web", replicas=2), app.service("web"))
    rig.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    return {
        "target": "deployment/web",
        "targetPort": "http",
        "localPort": talk.free_ports(1)[0],
        "namespace": namespace,
    }


def apply(rig: Rig, namespace: str, *objects: app.Object) -> None:
    rig.kubectl("-n", namespace, "apply", "-f", "-", stdin=app.together(*objects))


@pytest.mark.parametrize("method", API_METHODS)
def test_A30_when_its_pod_is_deleted_another_serves_on_the_same_port(
    rig: Rig, cli: Program, web: Entry, method: str
) -> None:
    cli.up({"web": {**web, "method": method}})
    first = cli.status("web")["endpoint"]["name"]
    assert talk.pod_behind(web["localPort"]) == first
    seq, deleted = cli.seq(), time.monotonic()
    rig.kubectl("-n", web["namespace"], "delete", "pod", first, "--wait=false")
    row = until(lambda: _moved_from(cli, first), 15, lambda: f"another pod\n{cli.log()}")
    assert time.monotonic() - deleted < 15
    assert row["localPort"] == web["localPort"]
    assert talk.pod_behind(web["localPort"]) == row["endpoint"]["name"]
    terminating = rig.kubectl(
        "-n",
        web["namespace"],
        "get",
        "pod",
        row["endpoint"]["name"],
        "-o",
        "jsonpath={.metadata.deletionTimestamp}",
    )
    assert terminating == ""
    told = [row["status"] for row in cli.history("web", seq)]
    assert told in (["reconnecting", "active"], ["active"]), told  # the tunnel moves without a gap


def _moved_from(cli: Program, pod: str) -> Row | None:
    row = cli.status("web")
    return row if row["status"] == "active" and row["endpoint"]["name"] != pod else None


@pytest.mark.parametrize("method", API_METHODS)
def test_A31_a_deleted_deployment_is_an_error_at_once_without_attempts(
    rig: Rig, cli: Program, web: Entry, method: str
) -> None:
    cli.up({"web": {**web, "method": method}})
    rig.kubectl("-n", web["namespace"], "delete", "deployment", "web", "--cascade=background", "--wait=false")
    row = cli.until_row("web", within=3, status="error")
    assert (row["reason"], row["nextAttemptAt"]) == ("target-not-found", None)
    assert 'deployments.apps "web" not found' in row["message"]
    assert cli.children("kubectl") == []


def test_A31_a_forward_to_a_pod_that_dies_is_an_error_and_reconnects_to_no_other(
    rig: Rig, cli: Program, namespace: str
) -> None:
    apply(rig, namespace, app.pod("alone"))
    rig.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/alone", "--timeout=60s")
    one, other = talk.free_ports(2)
    entry: Entry = {"target": "pod/alone", "targetPort": "http", "namespace": namespace}
    cli.up(
        {
            "tunnel": {**entry, "localPort": one, "method": "tunnel"},
            "kubectl": {**entry, "localPort": other, "method": "kubectl"},
        }
    )
    rig.kubectl("-n", namespace, "delete", "pod", "alone")
    for name in API_METHODS:
        row = cli.until_row(name, within=5, status="error", reason="target-not-found")
        assert 'pods "alone" not found' in row["message"]
        assert row["nextAttemptAt"] is None


@pytest.mark.parametrize("method", API_METHODS)
def test_A32_scaled_to_zero_it_gives_up_after_5_attempts_with_the_cause_and_retry_brings_it_back(
    rig: Rig, cli: Program, web: Entry, method: str
) -> None:
    cli.up({"web": {**web, "method": method, "retry": {"initialDelay": "100ms", "maxAttempts": 5}}})
    rig.kubectl("-n", web["namespace"], "scale", "deployment/web", "--replicas=0")
    row = cli.until_row("web", within=20, status="error")
    assert (row["reason"], row["nextAttemptAt"]) == ("no-ready-pod", None)
    assert "deployment/web" in row["message"]
    rig.kubectl("-n", web["namespace"], "scale", "deployment/web", "--replicas=1")
    rig.kubectl("-n", web["namespace"], "rollout", "status", "deployment/web", "--timeout=60s")
    cli("retry", "web")
    cli.until_row("web", status="active")
    assert talk.pod_behind(web["localPort"]).startswith("web-")


@pytest.mark.parametrize("method", API_METHODS)
def test_A37_a_container_that_restarts_in_place_is_noticed_and_serves_again(
    rig: Rig, cli: Program, namespace: str, method: str
) -> None:
    apply(rig, namespace, app.pod("alone"))
    rig.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/alone", "--timeout=60s")
    port = talk.free_ports(1)[0]
    entry = {
        "target": "pod/alone",
        "targetPort": "http",
        "localPort": port,
        "namespace": namespace,
        "method": method,
    }
    cli.up({"alone": entry})
    seq = cli.seq()
    with connected(port) as connection:
        connection.sendall(b"POST /exit?code=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        connection.settimeout(10)
        while connection.recv(1000):
            pass
    until(lambda: cli.history("alone", seq), 10, lambda: f"it is noticed\n{cli.log()}")
    cli.until_row("alone", within=20, status="active")
    assert talk.pod_behind(port) == "alone"
    assert cli.history("alone", seq)[0]["status"] != "active"
    said = rig.kubectl(
        "-n", namespace, "get", "pod", "alone", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"
    )
    assert said == "1"


def test_A38_up_waits_for_a_pod_that_is_pending_and_then_it_serves(
    rig: Rig, cli: Program, namespace: str
) -> None:
    late = app.pod("late")
    late["spec"]["schedulingGates"] = [{"name": "kfw.dev/not-yet"}]
    apply(rig, namespace, late)
    port = talk.free_ports(1)[0]
    here = {"namespace": namespace, "localPort": port}
    cli.configure({"late": {"target": "pod/late", "targetPort": "http", **here}})
    with cli.popen("up") as up:
        row = cli.until_row("late", status="starting", reason="no-ready-pod")
        assert "pod late is not ready" in row["message"]
        assert up.poll() is None
        now = '[{"op": "remove", "path": "/spec/schedulingGates"}]'
        rig.kubectl("-n", namespace, "patch", "pod", "late", "--type=json", "-p", now)
        _, said = up.communicate(timeout=60)
    assert up.returncode == 0, said
    assert talk.pod_behind(port) == "late"


def test_A38_a_pod_that_is_never_ready_is_7_after_the_limit(cli: Program) -> None:
    port = talk.free_ports(1)[0]
    entry = {"target": "deployment/broken", "targetPort": "http", "localPort": port, "namespace": "demo"}
    done = cli.up({"broken": entry}, "--timeout", "2s", code=7)
    assert "its readiness probe has not succeeded" in " ".join(done.stdout.split())


@pytest.mark.parametrize("method", ["nodeport", "socat"])
def test_B12_B13_a_service_that_comes_late_and_is_made_anew_is_followed(
    rig: Rig, cli: Program, web: Entry, method: str
) -> None:
    namespace = web["namespace"]
    rig.kubectl("-n", namespace, "delete", "service", "web")
    cli.up({"web": {**web, "target": "service/web", "targetPort": 80, "method": method}}, code=1)
    for number in ("", "32201" if method == "socat" else "32202"):
        if number:
            rig.kubectl("-n", namespace, "delete", "service", "web")
        wanted = app.port(80, "http", "http", **({"nodePort": int(number)} if number else {}))
        apply(rig, namespace, app.service("web", wanted))
        made = time.monotonic()
        cli.until_row("web", within=5, status="active")
        assert talk.pod_behind(web["localPort"]).startswith("web-")
        assert time.monotonic() - made < 10
        if number:
            assert cli.status("web")["endpoint"]["port"] == int(number)
            assert f":{number}" in cli("logs", "web").stdout


def test_B14_a_backend_that_stops_is_seen_in_time_and_its_neighbour_goes_on(
    rig: Rig, cli: Program, web: Entry
) -> None:
    other = talk.free_ports(1)[0]
    neighbour = {
        "target": "service/web",
        "targetPort": 80,
        "localPort": other,
        "namespace": "demo",
        "method": "socat",
    }
    cli.up({"web": {**web, "target": "service/web", "targetPort": 80, "method": "socat"}, "other": neighbour})
    rig.kubectl("-n", web["namespace"], "scale", "deployment/web", "--replicas=0")
    cli.until_row("web", within=5, status="reconnecting")
    assert cli.status("other")["status"] == "active"
    rig.kubectl("-n", web["namespace"], "scale", "deployment/web", "--replicas=1")
    cli.until_row("web", within=15, status="active")
    assert talk.pod_behind(web["localPort"]).startswith("web-")
    assert [row["status"] for row in cli.history("other")] == ["starting", "active"]
