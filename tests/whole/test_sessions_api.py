"""What a screen asks of the control API beside what commands ask: L1 to L9 of seed 001, as any program has it that opens the
socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from kfw.sandbox.manifests import deployment, pod, service, statefulset
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.objects import Object
from tests.real import talk
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Program, Row, listens
from tests.whole.test_pods import agent

WEB = {"http": 8080, "metrics": 9100}


@pytest.fixture
def shop(shared: Place, namespace: str) -> str:
    """A namespace with `web`: a deployment of two and a service that has TCP and UDP at one number."""
    udp: Object = {**service_port(80, "quic", 8443), "protocol": "UDP"}
    shared.apply(
        deployment(namespace, "web", ports=WEB, replicas=2),
        service(namespace, "web", udp, service_port(80, "http"), service_port(9100, "metrics")),
        pod(namespace, "alone", ports={}),
        pod(namespace, "own", ports=WEB),
    )
    return namespace


class Asked:
    """The API as a program has it that knows nothing of kfw's commands."""

    def __init__(self, kfw: Program, where: str) -> None:
        self.kfw = kfw
        self.where = where
        self.kubeconfig = str(kfw.kubeconfig)

    def post(self, verb: str, **body: Any) -> Any:
        return self.kfw.post(f"/v1/{verb}", body)

    def start(self, target: str = "service/web", **more: Any) -> Any:
        body = {"target": target, "namespace": self.where, "kubeconfig": self.kubeconfig, **more}
        return self.post("start", **body)

    def ports(self, target: str) -> Any:
        return self.post("target-ports", target=target, namespace=self.where, kubeconfig=self.kubeconfig)

    def of_cluster(self) -> Row:
        found: list[Row] = self.kfw.ask(f"/v1/clusters?kubeconfig={self.kubeconfig}")["clusters"]
        return next(row for row in found if row["current"])


@pytest.fixture
def ask(kfw: Program, shop: str) -> Iterator[Asked]:
    asked = Asked(kfw, shop)
    yield asked
    if rows := kfw.rows():
        asked.post("remove", names=list(rows))


@pytest.mark.parametrize("kind", ["service", "deployment", "pod"])
def test_L1_each_kind_of_target_is_started_also_beside_the_others(
    ask: Asked, shared: Place, kind: str
) -> None:
    name = shared.pods(ask.where, "web")[0] if kind == "pod" else "web"
    first = ask.start(f"{kind}/{name}", targetPort="http")
    second = ask.start(f"{kind}/{name}", targetPort="metrics")
    assert [first["status"], second["status"]] == ["active", "active"]
    assert talk.pod_behind(first["localPort"]).startswith("web-")


def test_L2_L3_start_answers_when_it_is_active_and_the_port_serves(ask: Asked, port: int) -> None:
    row = ask.start(targetPort="http", localPort=port)
    assert (row["status"], row["name"], row["localPort"]) == ("active", "web", port)
    assert talk.pod_behind(port).startswith("web-")


def test_L3_local_port_0_takes_a_free_one_and_says_which(ask: Asked) -> None:
    row = ask.start(targetPort="http")
    assert row["localPort"] > 0
    assert talk.pod_behind(row["localPort"]).startswith("web-")


def test_L4_a_session_has_its_identity_its_target_its_status_and_when_it_was_started(ask: Asked) -> None:
    row = ask.start("deployment/web", targetPort=8080)
    fields = {
        "name",
        "context",
        "namespace",
        "target",
        "targetPort",
        "localPort",
        "status",
        "startedAt",
        "epoch",
    }
    assert fields <= row.keys()
    assert (row["target"], row["targetPort"], row["namespace"]) == ("deployment/web", 8080, ask.where)
    assert row["endpoint"]["name"].startswith("web-")


def test_L5_names_that_nobody_chose_are_unique_and_the_list_can_be_sorted_by_start(ask: Asked) -> None:
    names = [ask.start(targetPort="http")["name"] for _ in range(3)]
    assert names == ["web", "web-2", "web-3"]
    rows = ask.kfw.rows()
    assert sorted(rows, key=lambda name: rows[name]["epoch"]) == names


def refusals(port: int) -> dict[str, dict[str, Any]]:
    return {
        "target-not-found": {"target": "service/gone", "targetPort": 80},
        "target-port": {"target": "service/web", "targetPort": 81},
        "port-in-use": {"target": "service/web", "targetPort": "http", "localPort": port},
        "bad-config": {"target": "configmap/web", "targetPort": 80},
    }


@pytest.mark.parametrize("reason", refusals(0))
def test_L3_LB1_a_start_that_fails_says_why_and_leaves_nothing(ask: Asked, reason: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = ask.start(**refusals(port)[reason])
        assert said["reason"] == reason, said
    assert ask.kfw.rows() == {}
    assert not listens(port)


def test_L3_what_is_not_ready_in_time_says_what_it_waited_for(ask: Asked, shared: Place) -> None:
    shared.do(lambda sandbox: sandbox.scale("deployments", ask.where, "web", 0))
    said = ask.start(targetPort="http", wait=0.5)
    assert said["reason"] == "no-ready-pod"
    assert "was not active within 0.5 s" in said["what"]
    assert ask.kfw.rows() == {}


def test_A36_LB9_a_local_port_of_another_forward_is_refused_by_its_name(ask: Asked, port: int) -> None:
    ask.start(targetPort="http", localPort=port, name="first")
    said = ask.start(targetPort="http", localPort=port)
    assert (said["reason"], said["what"]) == (
        "port-in-use",
        f"cannot listen on {port}: the forward 'first' has it",
    )
    assert list(ask.kfw.rows()) == ["first"]


#: A target of each kind, and what the API calls that.
TARGETS = {
    "deployment/web": "deployments",
    "statefulset/db": "statefulsets",
    "daemonset/agent": "daemonsets",
    "service/inner": "services",
    "pod/own": "pods",
}


@pytest.fixture
def kinds(ask: Asked, shared: Place) -> Asked:
    """One of each kind, whose only way leads through a pod."""
    shared.apply(
        statefulset(ask.where, "db", "kfw/http", ports=WEB),
        agent(ask.where),
        service(ask.where, "inner", service_port(80, "http"), kind="ClusterIP", selector={"app": "web"}),
    )
    return ask


@pytest.mark.parametrize("target", [target for target in TARGETS if not target.startswith("pod/")])
def test_L6_L7_when_its_pod_goes_another_ready_one_serves_on_the_same_port(
    kinds: Asked, shared: Place, port: int, target: str
) -> None:
    name = kinds.start(target, targetPort="http", localPort=port)["name"]
    gone, since = talk.pod_behind(port), kinds.kfw.seq()
    before = pods_of(kinds, shared)
    shared.do(lambda sandbox: sandbox.delete("pods", kinds.where, gone))
    until(lambda: before[gone] not in pods_of(kinds, shared).values(), 10, lambda: f"{gone} is gone")
    row = kinds.kfw.until_row(name, status="active")
    assert row["localPort"] == port
    assert talk.pod_behind(port) in pods_of(kinds, shared)
    told = [row["status"] for row in kinds.kfw.history(name, since)]
    assert set(told) <= {"reconnecting", "active"}, told


def pods_of(ask: Asked, shared: Place) -> dict[str, str]:
    """Uid by name: another pod of a stateful set has the name of the one before."""
    found = shared.do(lambda sandbox: sandbox.list("pods", ask.where))
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}


@pytest.mark.parametrize("target", TARGETS)
def test_L7_a_target_that_is_gone_is_an_error_at_once_whose_row_stays_and_is_not_tried_again(
    kinds: Asked, shared: Place, target: str
) -> None:
    """Of a pod that is its own target, too: nothing makes another one."""
    name = kinds.start(target, targetPort=80 if target == "service/inner" else "http")["name"]
    since = kinds.kfw.seq()
    shared.do(lambda sandbox: sandbox.delete(TARGETS[target], kinds.where, target.partition("/")[2]))
    row = kinds.kfw.until_row(name, status="error", reason="target-not-found")
    assert "not found" in row["message"]
    assert row["nextAttemptAt"] is None
    assert [one["status"] for one in kinds.kfw.history(name, since)][-1] == "error"
    assert kinds.post("retry", names=[name])["names"] == [name]
    kinds.kfw.until_row(name, status="error", reason="target-not-found")
    assert kinds.post("remove", names=[name])["names"] == [name]
    assert kinds.kfw.rows() == {}


@pytest.mark.parametrize("number", [-1, 65536, 99999])
def test_A36_ports_that_are_none_are_refused(ask: Asked, number: int) -> None:
    assert "a port is from" in ask.start(targetPort="http", localPort=number)["what"]
    assert "a port is from" in ask.start(targetPort=number)["what"]


def test_L2_the_ports_of_a_pod_have_their_containers_and_usual_local_ports(ask: Asked) -> None:
    found = ask.ports("deployment/web")["ports"]
    assert [(p["number"], p["name"], p["container"], p["protocol"], p["usualLocalPort"]) for p in found] == [
        (8080, "http", "app", "TCP", 8080),
        (9100, "metrics", "app", "TCP", 9100),
    ]
    assert ask.ports("pod/alone")["ports"] == []


def test_L2_LB7_the_ports_of_a_service_have_their_protocols_also_at_the_same_number(ask: Asked) -> None:
    found = ask.ports("service/web")["ports"]
    assert [(p["number"], p["protocol"], p["usualLocalPort"]) for p in found] == [
        (80, "UDP", 8080),
        (80, "TCP", 8080),
        (9100, "TCP", 9100),
    ]
    said = ask.ports("service/gone")
    assert said["reason"] == "target-not-found"


def test_L2_targets_come_with_all_namespaces(ask: Asked) -> None:
    found = ask.post("targets", namespace=ask.where, kubeconfig=ask.kubeconfig)
    assert ask.where in found["namespaces"]
    assert {"service/web", "deployment/web", "pod/alone"} <= {row["target"] for row in found["targets"]}
    web = next(row for row in found["targets"] if row["target"] == "deployment/web")
    assert (web["ready"], web["pods"], web["mayForward"]) == (2, 2, True)


def test_L2_a_local_port_is_free_or_has_somebody_who_is_named(ask: Asked, port: int) -> None:
    assert ask.kfw.ask(f"/v1/local-ports/{port}") == {
        "port": port,
        "free": True,
        "why": "",
        "forward": None,
        "nearby": None,
    }
    with closing(socket.create_server(("127.0.0.1", port))):
        other = ask.kfw.ask(f"/v1/local-ports/{port}")
        assert (other["free"], other["forward"]) == (False, None)
        assert "(pid " in other["why"]
        assert other["nearby"] not in (None, port)
    ask.start(targetPort="http", localPort=port)
    ours = ask.kfw.ask(f"/v1/local-ports/{port}")
    assert (ours["free"], ours["forward"], ours["why"]) == (False, "web", "the forward 'web' has it")
    assert "is not a port" in ask.kfw.ask("/v1/local-ports/65536")["what"]


def test_A35_L2_L9_all_of_a_cluster_are_counted_and_stopped_and_no_others(ask: Asked) -> None:
    context = ask.of_cluster()["context"]
    assert ask.of_cluster()["forwards"] == 0
    names = [ask.start(targetPort="http")["name"] for _ in range(2)]
    assert ask.of_cluster()["forwards"] == 2
    assert ask.of_cluster()["byStatus"] == {"active": 2}
    assert ask.post("down", context="another")["names"] == []
    assert sorted(ask.post("down", context=context)["names"]) == names
    assert ask.of_cluster()["forwards"] == 0
    assert ask.of_cluster()["byStatus"] == {"stopped": 2}


def test_A35_L9_a_start_that_is_under_way_when_its_cluster_is_closed_leaves_none(
    ask: Asked, shared: Place
) -> None:
    shared.do(lambda sandbox: sandbox.scale("deployments", ask.where, "web", 0))  # so that it waits
    said: list[Any] = []
    starting = threading.Thread(target=lambda: said.append(ask.start(targetPort="http", wait=20)))
    starting.start()
    ask.kfw.until_row("web", reason="no-ready-pod")
    ask.post("down", context=ask.of_cluster()["context"])
    starting.join(10)
    assert said[0]["reason"] == "user-stopped"
    assert ask.kfw.rows() == {}


def test_A34_L8_each_change_is_one_event_and_after_stopped_comes_nothing_old(ask: Asked, port: int) -> None:
    """Starts and stops of one name, with a client that is cut off by each stop."""
    name = ask.start(targetPort="http", name="often", localPort=port)["name"]
    since = ask.kfw.seq()
    for _ in range(25):
        with socket.create_connection(("127.0.0.1", port)):
            ask.post("down", names=[name])
        again = ask.post("enable", names=[name], source={"key": "added", "cwd": "/"})
        assert again["names"] == [name]
        ask.kfw.until_row(name, status="active")
    ask.post("down", names=[name])
    events = [e for e in ask.kfw.ask(f"/v1/events?since={since}") if e["name"] == name]
    ended: set[int] = set()
    newest = 0
    for event in events:
        if event["type"] == "connection":
            assert newest not in ended, "it comes after the end of what it is about"
            continue
        row = event["forward"]
        assert row["epoch"] >= newest, "of a start before one that was told"
        assert row["epoch"] not in ended, f"after stopped: {row['status']}"
        newest = row["epoch"]
        if row["status"] == "stopped":
            ended.add(newest)
    assert len(ended) == 26


def test_L8_a_list_says_up_to_which_event_it_is_so_that_who_follows_misses_nothing(ask: Asked) -> None:
    seq = ask.kfw.ask("/v1/status")["seq"]
    assert seq == ask.kfw.seq()
    ask.start(targetPort="http")
    told = [e["forward"]["status"] for e in ask.kfw.ask(f"/v1/events?since={seq}") if e["type"] == "status"]
    assert told[-1] == "active"


def test_the_log_is_shown_by_forward_and_by_count(ask: Asked) -> None:
    ask.start(targetPort="http", name="logged")
    lines = ask.kfw.ask("/v1/logs?name=logged&lines=1")["lines"]
    assert len(lines) == 1
    assert "logged: active" in lines[0]
    assert len(ask.kfw.ask("/v1/logs?lines=2")["lines"]) == 2
