"""Children and the daemon, killed under load with every method; and strangers with the same programs, who live on."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.real import talk
from tests.real.rig import Rig
from tests.real.running import until
from tests.whole.program import Entry, Program, connected, kill, listens

METHODS = ("nodeport", "socat", "kubectl", "tunnel")


@pytest.fixture
def ways() -> dict[str, Entry]:
    """One forward to the demo's web by each method, and one more by kubectl: a sibling."""
    names = (*METHODS, "sibling")
    return {
        name: {
            "target": "service/multi",
            "targetPort": "greet",
            "localPort": port,
            "namespace": "demo",
            "method": "kubectl" if name == "sibling" else name,
        }
        for name, port in zip(names, talk.free_ports(len(names)), strict=True)
    }


@pytest.fixture
def strangers(rig: Rig) -> Iterator[dict[int, "subprocess.Popen[bytes]"]]:
    """Somebody's socat and somebody's kubectl port-forward, by port, which serve before and after."""
    one, other = talk.free_ports(2)
    kubectl = [
        "kubectl",
        "--kubeconfig",
        str(rig.kubeconfig),
        "-n",
        "demo",
        "port-forward",
        "svc/multi",
        f"{other}:9005",
    ]
    lines = {
        one: ["socat", f"TCP-LISTEN:{one},bind=127.0.0.1,fork,reuseaddr", f"TCP:{rig.node_ips[0]}:30905"],
        other: kubectl,
    }
    started = {
        port: subprocess.Popen(
            line, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for port, line in lines.items()
    }
    try:
        for port in started:
            until(lambda port=port: listens(port), 10, lambda: "the strangers listen")  # type: ignore[misc]
        yield started
        for port, process in started.items():
            assert process.poll() is None, f"a stranger was ended: {process.args!r}"
            assert greets(port)
    finally:
        for process in started.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def greets(port: int, timeout: float = 10) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        return connection.recv(100).startswith(b"hello from web-")


class Load:
    """Connections to all ports, one after the other for each; `good` counts those that were greeted."""

    def __init__(self, *ports: int) -> None:
        self.good = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(port,)) for port in ports]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        until(lambda: self.good > 20, 10, lambda: "the load runs")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, port: int) -> None:
        while not self._over.is_set():
            with suppress(OSError):
                self.good += greets(port, 5)
            time.sleep(0.01)


def test_A6_a_killed_kubectl_is_back_on_the_same_port_and_no_sibling_is_touched(
    cli: Program, ways: dict[str, Entry]
) -> None:
    cli.up(ways)
    before = cli.rows()
    seq, killed = cli.seq(), time.monotonic()
    kill([before["kubectl"]["pid"]])
    row = cli.until_row("kubectl", status="active", restarts=1)
    assert time.monotonic() - killed < 3
    assert row["pid"] != before["kubectl"]["pid"]
    assert row["localPort"] == ways["kubectl"]["localPort"]
    assert greets(row["localPort"])
    lost = cli.history("kubectl", seq)[0]
    assert (lost["status"], lost["reason"]) == ("reconnecting", "child-exited")
    untouched = ("status", "pid", "since", "restarts")
    for name in ("sibling", "socat", "nodeport", "tunnel"):
        assert [cli.status(name)[key] for key in untouched] == [before[name][key] for key in untouched]


def test_A13_B17_B20_a_daemon_killed_under_load_comes_back_on_its_ports_without_an_orphan(
    cli: Program, ways: dict[str, Entry], strangers: dict[int, "subprocess.Popen[bytes]"]
) -> None:
    cli.up(ways)
    before = cli.rows()
    ports = [entry["localPort"] for entry in ways.values()]
    with Load(*ports):
        cli.kill_daemon()
        left = [row["pid"] for row in before.values() if row["pid"]]
        cli("up")
        rows = cli.rows()
    assert {row["status"] for row in rows.values()} == {"active"}
    assert {name: row["localPort"] for name, row in rows.items()} == {
        name: entry["localPort"] for name, entry in ways.items()
    }
    assert len(left) == 3
    assert set(left).isdisjoint(cli.processes())
    assert all(greets(port) for port in ports)
    serving = {row["pid"] for row in rows.values() if row["pid"]}
    assert serving <= cli.processes().keys()
    assert len(cli.children("port-forward")) == 2
    assert len(cli.children("TCP-LISTEN") + cli.children("TCP6-LISTEN")) == 2
    for port in strangers:
        assert greets(port)


def test_A12_B18_stop_under_open_connections_of_every_method_leaves_nothing_and_can_be_repeated(
    cli: Program, ways: dict[str, Entry], strangers: dict[int, "subprocess.Popen[bytes]"]
) -> None:
    cli.up(ways)
    ports = [entry["localPort"] for entry in ways.values()]
    with ExitStack() as stack:
        for port in ports:
            connection = stack.enter_context(connected(port))
            assert connection.recv(100).startswith(b"hello from web-")
        began = time.monotonic()
        cli("stop")
        until(lambda: not cli.processes(), 5, lambda: f"all is gone: {cli.processes()}")
        assert time.monotonic() - began < 10
    assert not any(listens(port) for port in ports)
    cli("stop")
    for port in strangers:
        assert greets(port)
    cli("start")
    for name in ways:
        cli.until_row(name, status="active")


def test_A12_term_under_load_ends_the_daemon_with_0_within_10_seconds(
    cli: Program, ways: dict[str, Entry]
) -> None:
    cli.configure(ways)
    with cli.popen("serve") as daemon:
        until(cli.answers, 5, lambda: "the daemon answers")
        cli("up")
        with Load(*(entry["localPort"] for entry in ways.values())):
            daemon.send_signal(signal.SIGTERM)
            _, said = daemon.communicate(timeout=10)
        assert daemon.returncode == 0, said
    assert "Traceback" not in said
    assert cli.processes() == {}
