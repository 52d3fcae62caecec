"""Nothing listens on the port: an answer, told at once and in few words, that ends when the app opens its port."""

import socket
import subprocess
import time
from collections.abc import Callable

import pytest

from kfw.sandbox.manifests import deployment, pod, service, statefulset
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.node.behaviour import PREFIX
from kfw.sandbox.objects import Object
from tests.kubectl_compat.programs import KFW, KUBECTL, environment, needs_kubectl, running
from tests.real import talk
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Entry, Program, connected

Ports = Callable[[int], list[int]]

WEB = {"http": 8080}
CLOSED = {PREFIX + "listen": "false"}
#: Nothing is there in any pod.
NOWHERE = 7777


def annotated(one: Object, **annotations: str) -> Object:
    """Its pods: annotated(deployment(...), listen="false")."""
    named = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    metadata = one["spec"]["template"]["metadata"] if "template" in one["spec"] else one["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **named}
    return one


def agent(where: str) -> Object:
    made = deployment(where, "agent", ports=WEB)
    spec = {key: value for key, value in made["spec"].items() if key != "replicas"}
    return {**made, "kind": "DaemonSet", "spec": spec}


def seconds_until_reset(port: int) -> float:
    began = time.monotonic()
    with pytest.raises(ConnectionResetError), connected(port) as one:
        one.settimeout(20)
        one.sendall(b"GET / HTTP/1.1\r\n\r\n")
        one.recv(1)
    return time.monotonic() - began


def make_all_kinds(shared: Place, where: str, *, port: int) -> dict[str, Entry]:
    """A forward to each kind of target whose pods have 8080 and refuse `port`."""
    shared.apply(
        deployment(where, "web", ports=WEB, replicas=2),
        agent(where),
        statefulset(where, "db", "kfw/http", ports=WEB),
        pod(where, "alone", ports=WEB),
        service(where, "web", service_port(80, "http", port), kind="ClusterIP"),
    )
    until(lambda: shared.pods(where, "alone"), 5, lambda: "the pod is ready")
    targets = ("pod/alone", "deployment/web", "statefulset/db", "daemonset/agent", "service/web")
    locals_ = talk.free_ports(len(targets))
    return {
        target.replace("/", "-"): {
            "target": target,
            "targetPort": 80 if target == "service/web" else port,
            "localPort": local,
            "namespace": where,
        }
        for target, local in zip(targets, locals_, strict=True)
    }


def test_A37_moment_08_of_each_kind_of_target_up_says_soon_that_nothing_listens_and_what_there_is(
    kfw: Program, shared: Place, namespace: str
) -> None:
    forwards = make_all_kinds(shared, namespace, port=NOWHERE)
    began = time.monotonic()
    done = kfw.up(forwards, code=1)
    assert time.monotonic() - began < 15, "the time-out is 60 s"
    for name in forwards:
        row = kfw.status(name)
        assert (row["status"], row["reason"]) == ("error", "app-refuses"), row
        assert row["message"].startswith(f"nothing listens on port {NOWHERE} in pod "), row
        assert "; it has 8080 (http); kubectl --context " in row["message"], row
        assert "active" not in [row["status"] for row in kfw.history(name)]
    assert "it has 8080 (http)" in done.stdout + done.stderr
    assert f"nothing listens on port {NOWHERE} in pod alone" in kfw("explain", "pod-alone").stdout


def test_of_each_kind_a_connection_is_reset_after_2_seconds_and_an_event_has_the_reason(
    kfw: Program, shared: Place, namespace: str
) -> None:
    forwards = make_all_kinds(shared, namespace, port=NOWHERE)
    kfw.up(forwards, code=1)
    seq = kfw.seq()
    for entry in forwards.values():
        assert 1.5 < seconds_until_reset(entry["localPort"]) < 5
    lost = {
        event["name"]: event["message"]
        for event in kfw.ask(f"/v1/events?since={seq}")
        if event["type"] == "connection"
    }
    assert lost.keys() == forwards.keys()
    assert all(f"nothing listens on port {NOWHERE} in pod " in message for message in lost.values()), lost


@pytest.mark.parametrize("method", ["tunnel", pytest.param("kubectl", marks=needs_kubectl), "auto"])
def test_when_the_app_begins_to_listen_the_next_connection_goes_to_it(
    kfw: Program, shared: Place, namespace: str, port: int, method: str
) -> None:
    shared.apply(annotated(deployment(namespace, "web", ports=WEB), listen="false"))
    entry = {"target": "deployment/web", "targetPort": "http", "localPort": port, "method": method}
    kfw.up({"web": {**entry, "namespace": namespace}}, code=1)
    row = kfw.status("web")
    assert row["reason"] == "app-refuses", row
    time.sleep(3)  # the pauses between attempts have grown
    shared.annotate_pods(namespace, listen="true")
    watch = kfw.stopwatch()
    assert talk.pod_behind(port).startswith("web-")
    assert watch.seconds() < 2
    kfw.until_row("web", status="active")


def test_an_app_that_opens_its_port_late_is_waited_for(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    """A pod without a readiness probe is ready before its app is."""
    shared.apply(annotated(deployment(namespace, "web", ports=WEB), listen_after="800ms"))
    entry = {"target": "deployment/web", "targetPort": "http", "localPort": port, "namespace": namespace}
    kfw.up({"web": entry})
    assert talk.pod_behind(port).startswith("web-")


def test_the_message_says_when_the_pod_declares_the_port_that_refuses(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    shared.apply(annotated(deployment(namespace, "web", ports=WEB), listen="false"))
    entry = {"target": "deployment/web", "targetPort": "http", "localPort": port, "namespace": namespace}
    kfw.up({"web": entry}, code=1)
    assert "although it declares that port: the app has not opened it yet" in kfw.status("web")["message"]


@pytest.mark.parametrize("target", ["deployment/web", "service/web"])
def test_a_pod_that_refuses_costs_nothing_while_another_one_takes_the_connection(
    kfw: Program, shared: Place, namespace: str, port: int, target: str
) -> None:
    shared.apply(
        deployment(namespace, "web", ports=WEB, replicas=2),
        service(namespace, "web", service_port(8080, "http"), kind="ClusterIP"),
    )
    refuses, accepts = shared.pods(namespace, "web")
    shared.do(lambda sandbox: sandbox.annotate("pods", namespace, refuses, listen="false"))
    entry = {"target": target, "targetPort": 8080, "localPort": port, "namespace": namespace}
    kfw.up({"web": entry})
    seq = kfw.seq()
    assert {talk.pod_behind(port) for _ in range(10)} == {accepts}
    assert kfw.status("web")["lostConnections"] == 0
    assert [row["status"] for row in kfw.history("web", seq)] in ([], ["active"])


def test_an_app_that_closes_its_port_is_not_active_any_more_and_what_lives_goes_on(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    shared.apply(deployment(namespace, "echo", "kfw/echo", ports={"echo": 9000}))
    entry = {"target": "deployment/echo", "targetPort": "echo", "localPort": port, "namespace": namespace}
    kfw.up({"echo": entry})
    with connected(port) as alive:
        alive.sendall(b"1")
        assert alive.recv(1) == b"1"
        shared.annotate_pods(namespace, listen="false")
        assert 1.5 < seconds_until_reset(port) < 5
        row = kfw.status("echo")
        assert (row["status"] in ("reconnecting", "error"), row["reason"]) == (True, "app-refuses"), row
        alive.sendall(b"2")
        assert alive.recv(1) == b"2"
        shared.annotate_pods(namespace, listen="true")
        with connected(port) as new:
            new.sendall(b"3")
            assert new.recv(1) == b"3"
        row = kfw.until_row("echo", status="active")
        alive.sendall(b"4")
        assert alive.recv(1) == b"4"
        assert row["restarts"] == 0


def test_while_the_only_pod_is_made_anew_a_connection_waits_as_long_as_the_hold(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    """One that refused is gone, and nobody is there to refuse: that is "not there yet" again."""
    shared.apply(annotated(deployment(namespace, "web", ports=WEB), listen="false"))
    entry = {"target": "deployment/web", "targetPort": "http", "localPort": port, "namespace": namespace}
    kfw.up({"web": entry}, code=1)
    with connected(port) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 0))
        kfw.until_row("web", reason="no-ready-pod")
        time.sleep(2.5)
        shared.apply(deployment(namespace, "web", ports=WEB))
        one.settimeout(10)
        assert one.recv(8) == b"HTTP/1.1"


def test_while_all_refuse_a_pod_that_is_restarted_gets_the_connection_that_waits(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    shared.apply(deployment(namespace, "web", ports=WEB, replicas=2))
    before = shared.pods(namespace, "web")
    shared.annotate_pods(namespace, listen="false")
    entry = {"target": "deployment/web", "targetPort": "http", "localPort": port, "namespace": namespace}
    kfw.up({"web": {**entry, "holdRefused": "8s"}}, code=1)
    with connected(port) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
        shared.do(lambda sandbox: sandbox.delete("pods", namespace, before[0]))
        one.settimeout(10)
        answer = b"".join(iter(lambda: one.recv(65536), b""))
    (new,) = set(shared.pods(namespace, "web")) - set(before)
    assert f'"pod":"{new}"'.encode() in answer


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ({"holdRefused": "0s"}, 0.0, 1.0),
        ({"holdRefused": "500ms"}, 0.4, 1.9),
        ({}, 1.5, 3.5),
        ({"holdRefused": "4s"}, 3.5, 6.0),
        ({"holdRefused": "1m", "hold": "1s"}, 0.9, 2.0),
        ({"hold": "0s"}, 0.0, 1.0),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_how_long_a_refused_connection_waits_is_a_word_of_the_config(
    kfw: Program,
    shared: Place,
    namespace: str,
    port: int,
    said: Entry,
    least: float,
    most: float,
    first: bool,
) -> None:
    """`first`: the one that finds it out, on a way that stood."""
    shared.apply(deployment(namespace, "web", ports=WEB))
    entry = {"target": "deployment/web", "targetPort": "http", "localPort": port, "namespace": namespace}
    kfw.up({"web": {**entry, **said}})
    shared.annotate_pods(namespace, listen="false")
    if not first:
        seconds_until_reset(port)
        kfw.until_row("web", reason="app-refuses")
    assert least <= seconds_until_reset(port) <= most


# -- kfw port-forward


@needs_kubectl
@pytest.mark.parametrize("program", [KUBECTL, KFW], ids=["kubectl", "kfw"])
def test_port_forward_says_it_at_once_as_kubectl(
    program: tuple[str, ...], shared: Place, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_all_kinds(shared, namespace, port=NOWHERE)
    env = environment(shared.kubeconfig, tmp_path_factory.mktemp("home"))
    for target in ("pod/alone", "deploy/web", "sts/db", "ds/agent", "svc/web"):
        number = 80 if target == "svc/web" else NOWHERE
        with running(program, f"-n {namespace} {target} :{number} --address 127.0.0.1", env) as one:
            one.until(1)
            with socket.create_connection(("127.0.0.1", one.ports[0]), 10):
                said, waited = _first_line_of_stderr(one.process)
        assert "an error occurred forwarding" in said, target
        assert str(NOWHERE) in said, target
        assert waited < 1, target


def _first_line_of_stderr(process: "subprocess.Popen[bytes]") -> tuple[str, float]:
    assert process.stderr is not None
    began = time.monotonic()
    line = process.stderr.readline().decode()
    return line, time.monotonic() - began


@pytest.mark.parametrize("target", ["pod/alone", "deploy/web", "sts/db", "ds/agent", "svc/web"])
def test_port_forward_says_each_refused_connection_once_resets_it_and_takes_the_app_when_it_listens(
    target: str, shared: Place, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_all_kinds(shared, namespace, port=8080)
    shared.annotate_pods(namespace, listen="false")
    env = environment(shared.kubeconfig, tmp_path_factory.mktemp("home"))
    number = 80 if target == "svc/web" else 8080
    with running(KFW, f"-n {namespace} {target} :{number} --address 127.0.0.1", env) as one:
        one.until(1)
        (local,) = one.ports
        for _ in range(2):
            assert 1.5 < seconds_until_reset(local) < 4
        shared.annotate_pods(namespace, listen="true")
        assert talk.pod_behind(local)
        one.process.terminate()
        said = one.process.communicate()[1].decode()
    assert said.count("nothing listens on port 8080 in pod ") == 2, said
    assert "although it declares that port" in said
