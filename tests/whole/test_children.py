"""The processes that kfw starts: they are killed, their far side stops, they end at once; and strangers like them."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.stopwatch import in_time
from tests.stubs import Stubs
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program, connected, kill, listens

Ports = Callable[[int], list[int]]

#: A stub kubectl that forwards to nowhere but echoes, as far as kfw can see.
FORWARDS = (
    {"listen": 0},
    {"serve": "echo"},
    {"out": "Forwarding from 127.0.0.1:{port} -> 9000"},
    {"sleep": 1000},
)


@pytest.fixture
def echo(shared: Place, namespace: str) -> Entry:
    """An entry that leads to an echo through socat, without a port yet."""
    shared.apply(
        deployment(namespace, "echo", "kfw/echo", ports={"echo": 9000}),
        service(namespace, "echo", service_port(7, "echo")),
    )
    return {"target": "service/echo", "namespace": namespace, "method": "socat"}


@pytest.fixture
def strangers(ports: Ports, tmp_path: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Somebody's socat that listens, and a process that is called as kubectl port-forward is."""
    (port,) = ports(1)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\nsleep 1000\n")
    kubectl.chmod(0o755)
    lines = [
        ["socat", "-d", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", "TCP:127.0.0.1:9"],
        [str(kubectl), "port-forward", "svc/web", "8080:80"],
    ]
    started = [subprocess.Popen(line, start_new_session=True, stderr=subprocess.DEVNULL) for line in lines]
    until(lambda: listens(port), 5, lambda: "the stranger's socat listens")
    try:
        yield started
        assert [one.poll() for one in started] == [None, None], "a stranger was ended"
    finally:
        for one in started:
            subprocess.run(["kill", "--", f"-{one.pid}"], check=False)
            one.wait()


def test_A6_B15_a_killed_socat_is_back_on_its_port_and_its_neighbours_are_not_touched(
    kfw: Program, echo: Entry, ports: Ports
) -> None:
    """As promised: seen in less than 0.5 s, back in less than 1.5 s after."""
    hit, other = ports(2)
    kfw.up({"hit": {**echo, "localPort": hit}, "other": {**echo, "localPort": other}})
    before = kfw.rows()
    seq, watch = kfw.seq(), kfw.stopwatch()
    kill([before["hit"]["pid"]])
    row = kfw.until_row("hit", status="active", restarts=1)
    assert watch.seconds() < 2
    assert row["pid"] != before["hit"]["pid"]
    assert row["localPort"] == hit
    assert talk.exchange(hit, b"again") == b"again"
    lost = kfw.history("hit", seq)[0]
    assert (lost["status"], lost["reason"]) == ("reconnecting", "child-exited")
    assert "SIGKILL" in lost["message"]
    untouched = ("status", "pid", "since", "restarts", "localPort", "endpoint")
    assert [kfw.status("other")[key] for key in untouched] == [before["other"][key] for key in untouched]


def test_B14_when_the_backend_stops_its_forward_says_so_in_time_and_comes_back_with_it(
    kfw: Program, shared: Place, echo: Entry, namespace: str, ports: Ports
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    ill, well = ports(2)
    kfw.up({"ill": {**echo, "localPort": ill}, "well": {**echo, "target": "service/web", "localPort": well}})
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "echo", 0))
    row = kfw.until_row("ill", within=5, status="reconnecting")
    assert row["reason"] == "no-ready-pod"
    assert row["url"] is None
    assert kfw.status("well")["status"] == "active"
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "echo", 1))
    kfw.until_row("ill", within=5, status="active")
    assert talk.exchange(ill, b"back") == b"back"
    assert [row["status"] for row in kfw.history("well")] == ["starting", "active"]


@pytest.mark.parametrize("method", ["socat", "nodeport"])
def test_A8_B14_one_failed_check_degrades_three_open_anew_and_it_heals(
    kfw: Program, shared: Place, echo: Entry, namespace: str, port: int, method: str
) -> None:
    """The process lives and listens, the pods are ready, and yet nobody answers: a target port that is wrong now."""
    entry = {**echo, "localPort": port, "method": method}

    def check(*, failures: int) -> int:
        """Returns the number of the last event before what is to come."""
        health = {"interval": "300ms", "failures": failures}
        kfw.up({"echo": {**entry, "health": health}})
        return kfw.seq()

    seq = check(failures=100)  # so that there is time to fix it
    _lead_to(shared, namespace, 7777)
    kfw.until_row("echo", status="degraded")
    _lead_to(shared, namespace, 9000)
    kfw.until_row("echo", status="active", restarts=0)
    assert [row["status"] for row in kfw.history("echo", seq)] == ["degraded", "active"]

    seq = check(failures=3)
    _lead_to(shared, namespace, 7777)
    kfw.until_row("echo", status="reconnecting")
    _lead_to(shared, namespace, 9000)
    kfw.until_row("echo", status="active")
    assert [row["status"] for row in kfw.history("echo", seq)][:2] == ["degraded", "reconnecting"]
    assert talk.exchange(port, b"healed") == b"healed"


def _lead_to(shared: Place, namespace: str, target: int) -> None:
    """Let the service's port lead to another port of its pods, at the same node port."""

    def edit(one: dict[str, object]) -> dict[str, object]:
        spec = dict(one["spec"])  # type: ignore[call-overload]
        return {**one, "spec": {**spec, "ports": [{**spec["ports"][0], "targetPort": target}]}}

    shared.do(lambda sandbox: sandbox.change("services", namespace, "echo", edit))


def test_A7_a_kubectl_that_ends_at_once_is_tried_again_ever_later_and_recovers_by_itself(
    shared: Place, echo: Entry, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_kfw: Make
) -> None:
    """Twice at once, then after ever longer pauses, each of them told. Here 0.5 s, doubled; 5 to 60 s in test_delays."""
    (tmp_path / "stubs").mkdir()
    stubs = Stubs(tmp_path / "stubs", monkeypatch)
    stubs.script("kubectl", {"err": "error: it does not work today"}, {"exit": 1})
    kfw = make_kfw(shared.kubeconfig, KFW_STUBS=str(stubs.home))
    retry = {"initialDelay": "500ms", "multiplier": 2}
    entry = {**echo, "targetPort": 7, "localPort": port, "method": "kubectl", "retry": retry}
    kfw.up({"echo": entry}, "--timeout", "300ms", code=7)
    until(lambda: len(stubs.calls("kubectl")) >= 5, 10, lambda: "five attempts")
    row = kfw.status("echo")
    assert (row["status"], row["reason"]) == ("starting", "child-exited")
    assert "it does not work today" in row["message"]
    assert _announced(kfw)[:2] == [0.5, 1.0]
    gaps = _gaps(kfw, "WARNING echo: kubectl stderr: error: it does not work today")
    assert max(gaps[:2]) < 0.5 <= gaps[2] < 1.0 <= gaps[3]

    stubs.script("kubectl", *FORWARDS)
    kfw.until_row("echo", status="active")
    assert talk.exchange(port, b"at last") == b"at last"


def _announced(kfw: Program) -> list[float]:
    """Seconds from each failure to the attempt that was told of with it."""
    rows = [(event["time"], event["forward"]) for event in kfw.ask("/v1/events") if event["forward"]]
    return [
        round((_moment(row["nextAttemptAt"]) - _moment(at)).total_seconds(), 1)
        for at, row in rows
        if row["nextAttemptAt"]
    ]


def _gaps(kfw: Program, words: str) -> list[float]:
    """Seconds between the lines of the log that have these words."""
    lines = [line for line in kfw("logs", "-n", "999").stdout.splitlines() if words in line]
    times = [_moment(line[:29]).timestamp() for line in lines]
    return [after - before for before, after in pairwise(times)]


_moment = datetime.fromisoformat


def test_B17_strangers_survive_start_restart_and_stop(
    own_kfw: Program, echo: Entry, port: int, strangers: list["subprocess.Popen[bytes]"]
) -> None:
    own_kfw.up({"echo": {**echo, "localPort": port}})
    own_kfw("restart")
    own_kfw.until_row("echo", status="active", restarts=1)
    own_kfw("reload")
    own_kfw("down")
    own_kfw("stop")
    until(lambda: not own_kfw.processes(), 5, lambda: f"all is gone: {own_kfw.processes()}")
    assert [one.poll() for one in strangers] == [None, None]


def test_B18_stop_under_an_open_connection_leaves_no_process_and_a_second_stop_is_harmless(
    own_kfw: Program, echo: Entry, ports: Ports
) -> None:
    locals_ = ports(2)
    own_kfw.up({f"echo-{n}": {**echo, "localPort": port} for n, port in enumerate(locals_)})
    with connected(locals_[0]) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        assert len(own_kfw.children("socat")) > 4  # four listen, and one has a connection
        began = time.monotonic()
        assert own_kfw("stop").returncode == 0
        until(lambda: not own_kfw.processes(), 5, lambda: f"all is gone: {own_kfw.processes()}")
        assert in_time(time.monotonic() - began, 5)
    assert not any(listens(port) for port in locals_)
    assert own_kfw("stop").returncode == 0


def test_A12_term_during_a_pause_between_attempts_ends_with_0_and_leaves_nothing(
    own_kfw: Program, shared: Place, namespace: str, echo: Entry, ports: Ports
) -> None:
    shared.apply(service(namespace, "dead", service_port(80, "http", 7777), selector={"app": "echo"}))
    good, waiting = ports(2)
    retry = {"initialDelay": "1h", "maxDelay": "1h"}
    dead = {**echo, "target": "service/dead", "localPort": waiting, "retry": retry}
    with own_kfw.popen("serve") as daemon:
        until(own_kfw.answers, 5, lambda: "the daemon answers")
        forwards = {"echo": {**echo, "localPort": good}, "dead": dead}
        own_kfw.up(forwards, "--timeout", "500ms", code=None)
        assert until(lambda: own_kfw.status("dead")["nextAttemptAt"], 5, lambda: "it waits an hour")
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=10)
        assert daemon.returncode == 0
    assert own_kfw.processes() == {}
    assert not listens(good)


def test_B24_bind_and_connect_errors_are_in_the_log_with_the_time_under_the_forwards_name(
    kfw: Program, shared: Place, echo: Entry, namespace: str, ports: Ports
) -> None:
    """One log for all, rotated by size: tests/daemon/test_logs.py; `kfw logs NAME` shows what is one forward's."""
    name = f"log-{namespace}"
    taken, good = ports(2)
    with talk.listener(taken):
        kfw.up({name: {**echo, "localPort": taken}, f"{name}-2": {**echo, "localPort": good}}, code=6)
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "echo", 0))
    with suppress(ConnectionError):
        assert talk.exchange(good, b"") == b""
    said = kfw("logs", name).stdout
    stamp = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d "
    assert re.search(stamp + rf"WARNING {name}: error \(port-in-use\) cannot listen on {taken}", said, re.M)
    wish = stamp + rf"WARNING {name}-2: socat stderr: .* Connection refused"
    until(lambda: re.search(wish, kfw("logs", f"{name}-2").stdout, re.M), 5, lambda: "what socat said")
