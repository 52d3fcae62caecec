"""The daemon: killed, told to end, started beside what a dead one left behind."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Entry, Program, kill, listens

Ports = Callable[[int], list[int]]


@pytest.fixture
def web(shared: Place, namespace: str) -> Entry:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}, replicas=2),
        service(namespace, "web", service_port(80, "http")),
    )
    return {"target": "service/web", "namespace": namespace}


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of somebody else."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        assert process.poll() is None, "somebody else's process was ended"
        process.kill()


def test_A13_B20_a_daemon_killed_under_load_is_followed_by_one_with_the_same_ports_and_no_orphan(
    own_kfw: Program, web: Entry, ports: Ports
) -> None:
    relayed, socat = ports(2)
    forwards = {
        "relayed": {**web, "localPort": relayed},
        "socat": {**web, "localPort": socat, "method": "socat", "onPortInUse": "next"},
    }
    own_kfw.up(forwards)
    before = own_kfw.rows()
    with load(relayed, socat):
        own_kfw.kill_daemon()
        left = own_kfw.children("socat")
        own_kfw("up")
    rows = own_kfw.rows()
    assert {row["status"] for row in rows.values()} == {"active"}
    assert {name: row["localPort"] for name, row in rows.items()} == {"relayed": relayed, "socat": socat}
    assert rows["socat"]["pid"] != before["socat"]["pid"]
    assert set(left).isdisjoint(own_kfw.processes())
    for port in (relayed, socat):
        assert talk.pod_behind(port).startswith("web-")


class load:
    """Connections to these ports, one after the other, from a thread each; failures are the test's to expect."""

    def __init__(self, *ports: int) -> None:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(port,)) for port in ports]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()
        time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, port: int) -> None:
        while not self._over.is_set():
            try:
                talk.pod_behind(port, timeout=5)
            except (OSError, ValueError, HTTPException):
                time.sleep(0.01)


def test_A13_a_killed_daemons_socats_that_live_on_are_ended_by_the_next_start(
    own_kfw: Program, web: Entry, port: int
) -> None:
    """Where the kernel does not end them with the daemon, the ledger names them: here they are stopped, so they cannot."""
    own_kfw.up({"web": {**web, "localPort": port, "method": "socat"}})
    socats = own_kfw.children("socat")
    assert len(socats) == 2
    for pid in socats:
        os.kill(pid, signal.SIGSTOP)
    try:
        own_kfw.kill_daemon()
        own_kfw("start")
        own_kfw.until_row("web", status="active")
        assert set(socats).isdisjoint(own_kfw.processes())
        assert own_kfw("logs").stdout.count("ended what a kfw that was killed left behind") == 2
    finally:
        kill(socats)
    assert own_kfw.status("web")["localPort"] == port
    assert talk.pod_behind(port).startswith("web-")


def test_B19_a_stale_pid_file_with_the_pid_of_somebody_else_is_no_obstacle_and_nobody_is_signalled(
    own_kfw: Program, web: Entry, port: int, sleeper: "subprocess.Popen[bytes]"
) -> None:
    own_kfw("start")
    own_kfw.kill_daemon()
    for name in ("kfw.pid", "kfw.lock"):
        (own_kfw.home / "run" / name).write_text(f"{sleeper.pid}\n")
    own_kfw("stop")
    assert sleeper.poll() is None
    own_kfw.up({"web": {**web, "localPort": port}})
    assert own_kfw.daemon_pid() != sleeper.pid
    assert int((own_kfw.home / "run" / "kfw.pid").read_text()) == own_kfw.daemon_pid()


def test_A12_term_to_the_daemon_under_load_ends_it_in_time_and_leaves_nothing(
    own_kfw: Program, web: Entry, ports: Ports
) -> None:
    relayed, socat = ports(2)
    own_kfw.configure(
        {"relayed": {**web, "localPort": relayed}, "socat": {**web, "localPort": socat, "method": "socat"}}
    )
    with own_kfw.popen("serve") as daemon:
        until(own_kfw.answers, 5, lambda: "the daemon answers")
        own_kfw("up")
        with load(relayed, socat):
            began = time.monotonic()
            daemon.send_signal(signal.SIGTERM)
            _, said = daemon.communicate(timeout=10)
        assert daemon.returncode == 0, said
        assert time.monotonic() - began < 10
    assert own_kfw.processes() == {}
    assert not listens(relayed) and not listens(socat)
    assert "Traceback" not in said
