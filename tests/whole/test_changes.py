"""What changes in the cluster while a forward is up: services come and go, pods are late or missing, nodes leave."""

import re
import time
from datetime import datetime

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.objects import Object
from tests.real import talk
from tests.real.running import until
from tests.stopwatch import in_time
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program

METHODS = ["nodeport", "socat"]


def web(namespace: str, **env: str) -> Object:
    return deployment(namespace, "web", ports={"http": 8080}, env=env)


def web_service(namespace: str, node_port: int = 0) -> Object:
    return service(namespace, "web", service_port(80, "http", node=node_port or None))


@pytest.fixture
def entry(namespace: str, port: int) -> Entry:
    return {"target": "service/web", "targetPort": 80, "localPort": port, "namespace": namespace}


@pytest.mark.parametrize("method", METHODS)
def test_B12_a_service_that_is_made_later_is_there_without_a_command(
    kfw: Program, shared: Place, namespace: str, entry: Entry, method: str
) -> None:
    kfw.up({"web": {**entry, "method": method}}, code=1)
    assert kfw.status("web")["reason"] == "target-not-found"
    shared.apply(web(namespace), web_service(namespace))
    kfw.until_row("web", within=5, status="active")
    assert talk.pod_behind(entry["localPort"]).startswith("web-")


@pytest.mark.parametrize("method", METHODS)
def test_B13_a_service_made_anew_is_followed_to_its_new_node_port_and_the_log_has_both(
    kfw: Program, shared: Place, namespace: str, entry: Entry, method: str
) -> None:
    shared.apply(web(namespace), web_service(namespace))
    kfw.up({"web": {**entry, "method": method}})
    old = shared.node_port(namespace, "web")
    new = shared.do(lambda sandbox: next(n for n in range(31000, 32000) if sandbox.node_ports.free(n)))

    shared.do(lambda sandbox: sandbox.delete("services", namespace, "web"))
    kfw.until_row("web", status="error", reason="target-not-found")
    shared.apply(web_service(namespace, new))
    row = kfw.until_row("web", within=10, status="active")
    assert row["endpoint"]["port"] == new
    assert talk.pod_behind(entry["localPort"]).startswith("web-")
    moved = rf"web: moved from node \S+:{old} to node \S+:{new}$"
    assert re.search(moved, kfw("logs", "web").stdout, re.M)


def test_A31_a_deleted_target_is_an_error_at_once_without_attempts_and_comes_back_by_itself(
    kfw: Program, shared: Place, namespace: str, entry: Entry
) -> None:
    shared.apply(web(namespace), web_service(namespace))
    kfw.up({"web": entry})
    watch = kfw.stopwatch()
    shared.do(lambda sandbox: sandbox.delete("services", namespace, "web"))
    row = kfw.until_row("web", status="error")
    assert watch.seconds() < 2
    assert (row["reason"], row["nextAttemptAt"]) == ("target-not-found", None)
    assert 'services "web" not found' in row["message"]
    shared.apply(web_service(namespace))
    kfw.until_row("web", within=5, status="active")


def test_A32_without_pods_it_tries_ever_later_gives_up_with_the_real_cause_and_retry_brings_it_back(
    kfw: Program, shared: Place, namespace: str, entry: Entry
) -> None:
    """`maxAttempts`; 1, 2, 4, 8 and 16 s are in test_delays. Without it, it waits for ever for the pods."""
    shared.apply(web(namespace), web_service(namespace))
    kfw.up({"web": {**entry, "retry": {"initialDelay": "200ms", "maxAttempts": 3}}})
    seq = kfw.seq()
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 0))
    row = kfw.until_row("web", status="error")
    assert (row["reason"], row["nextAttemptAt"]) == ("no-ready-pod", None)
    assert "no pod matches the selector app=web of service web" in row["message"]
    assert _announced(kfw, seq)[-3:] == [0.2, 0.4, 0.8]

    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 1))
    shared.apply()
    kfw("retry", "web")
    kfw.until_row("web", status="active")
    assert talk.pod_behind(entry["localPort"]).startswith("web-")


def _announced(kfw: Program, since: int) -> list[float]:
    """Seconds from each word on it to the next attempt that was told of with it."""
    told = []
    for event in kfw.ask(f"/v1/events?since={since}"):
        if at := (event["forward"] or {}).get("nextAttemptAt"):
            pause = datetime.fromisoformat(at) - datetime.fromisoformat(event["time"])
            told.append(round(pause.total_seconds(), 1))
    return told


def test_A38_up_waits_for_a_pod_that_is_still_pending_and_then_it_serves(
    kfw: Program, shared: Place, namespace: str, entry: Entry
) -> None:
    _apply_unready(shared, namespace)
    kfw.configure({"web": entry})
    with kfw.popen("up") as up:
        wish = "the only pod of service/web is not ready: web-"
        until(
            lambda: wish in kfw.status("web").get("message", ""), 10, lambda: f"{kfw.status('web')}: {wish}"
        )
        assert kfw.status("web")["status"] == "starting"
        assert up.poll() is None
        shared.annotate_pods(namespace, ready="true")
        _, said = up.communicate(timeout=10)
    assert up.returncode == 0, said
    assert "web: starting: no-ready-pod: the only pod of service/web is not ready" in said
    assert talk.pod_behind(entry["localPort"]).startswith("web-")


def _apply_unready(shared: Place, namespace: str) -> None:
    """A deployment whose pod runs, and is not ready until it is told to be."""
    objects = [web(namespace, KFW_READY="false"), web_service(namespace)]
    shared.do(lambda sandbox: [sandbox.apply(one) for one in objects])


def test_A38_a_pod_that_is_never_ready_is_7_after_the_timeout_with_the_cause(
    kfw: Program, shared: Place, namespace: str, entry: Entry
) -> None:
    _apply_unready(shared, namespace)
    began = time.monotonic()
    done = kfw.up({"web": entry}, "--timeout", "1s", code=7)
    assert in_time(time.monotonic() - began, 5)
    assert "no-ready-pod: the only pod of service/web is not ready" in done.stdout
    assert "Traceback" not in done.stderr


def test_B22_with_one_node_it_goes_by_that_one_and_a_node_that_leaves_is_left(
    own: Place, make_kfw: Make, port: int
) -> None:
    kfw = make_kfw(own.kubeconfig)
    own.apply({"kind": "Namespace", "metadata": {"name": "demo"}}, web("demo"), web_service("demo"))
    entry = {"target": "service/web", "localPort": port, "namespace": "demo"}
    kfw.up({"web": entry})
    first = kfw.status("web")["endpoint"]["name"]
    (other,) = set(own.nodes) - {first}

    own.do(lambda sandbox: sandbox.delete("nodes", "", first))
    row = kfw.until_row(
        "web", status="active", endpoint={**_node(own, other), "port": own.node_port("demo", "web")}
    )
    assert talk.pod_behind(port).startswith("web-")
    assert row["localPort"] == port
    kfw("restart")
    assert kfw.until_row("web", status="active", restarts=2)["endpoint"]["name"] == other


def _node(here: Place, name: str) -> dict[str, object]:
    return {"kind": "node", "name": name, "address": here.nodes[name]}
