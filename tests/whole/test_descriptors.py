"""A daemon that may open few files: clients take what there is for clients, and everything else goes on."""

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, namespace, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import KFW, until
from tests.stopwatch import Stopwatch, in_time
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program, kill

WHERE = "few-files"
LIMIT = 160


@pytest.fixture(scope="module", autouse=True)
def web(shared: Place) -> None:
    shared.apply(
        namespace(WHERE),
        deployment(WHERE, "web", ports={"http": 8080}),
        service(WHERE, "web", service_port(80, "http")),
    )


def entry(port: int, **more: object) -> Entry:
    return {"target": "service/web", "localPort": port, "namespace": WHERE, **more}


@pytest.fixture
def kfw(shared: Place, make_kfw: Make, port: int) -> Program:
    """With `web` up, and a limit of open files that is lowered afterwards, as if it had been so from the start."""
    kfw = make_kfw(shared.kubeconfig)
    kfw.up({"web": entry(port)})
    resource.prlimit(kfw.daemon_pid(), resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    return kfw


def open_files(kfw: Program) -> int:
    return len(list(Path(f"/proc/{kfw.daemon_pid()}/fd").iterdir()))


@contextmanager
def many_clients(port: int, count: int) -> Iterator[list[socket.socket]]:
    """All of them connected; the system takes those that kfw does not."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(count)]


def status_warns(kfw: Program) -> str:
    return until(
        lambda: " ".join(kfw.ask("/v1/status")["daemon"]["warnings"]), 5, lambda: "the shortage is known"
    )


def test_status_answers_and_says_so_when_clients_have_taken_all_files(kfw: Program, port: int) -> None:
    with many_clients(port, 3 * LIMIT):
        said = status_warns(kfw)
        assert f"the limit of open files ({LIMIT}) is reached" in said
        assert "`ulimit -n 4096`" in said and "LimitNOFILE=4096" in said
        assert open_files(kfw) < LIMIT - LIMIT // 16
        began = time.monotonic()
        shown = kfw("status", code=None)
        assert in_time(time.monotonic() - began, 2)
        assert "the limit of open files" in " ".join(shown.stdout.split())
        for _ in range(20):
            assert kfw.ask("/v1/status")["forwards"][0]["name"] == "web"
    assert talk.pod_behind(port).startswith("web-")
    until(lambda: not kfw.ask("/v1/status")["daemon"]["warnings"], 10, lambda: "the shortage is over")


def test_clients_wait_meanwhile_and_are_served_when_others_leave(kfw: Program, port: int) -> None:
    with many_clients(port, 3 * LIMIT) as clients:
        status_warns(kfw)
        last = clients.pop()
        last.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for client in clients:
            client.close()
        assert last.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_forward_whose_clients_cannot_be_accepted_is_not_called_active(kfw: Program, port: int) -> None:
    def row() -> dict[str, object]:
        return next(row for row in kfw.ask("/v1/status")["forwards"] if row["name"] == "web")

    with many_clients(port, 3 * LIMIT):
        until(lambda: row()["status"] == "degraded", 2, lambda: str(row()))
        assert "so new connections wait" in str(row()["message"])
        for _ in range(30):
            assert row()["status"] == "degraded"
            time.sleep(0.1)
    until(lambda: row()["status"] == "active", 10, lambda: str(row()))


def test_a_shortage_of_files_is_no_change_of_the_network(kfw: Program, port: int) -> None:
    """Here not even the reserve is left."""
    pid = kfw.daemon_pid()
    with many_clients(port, 3 * LIMIT):
        status_warns(kfw)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(kfw), LIMIT))
        time.sleep(2.5)  # it looks at the network every second
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        assert kfw.ask("/v1/ping")["running"]
    assert "the outgoing address changed" not in kfw.log()


def test_children_the_ledger_and_the_state_still_get_their_files(
    shared: Place, make_kfw: Make, port: int
) -> None:
    """A child that is killed meanwhile is started again: its pipes, the ledger and what it is found by are files, too."""
    kfw = make_kfw(shared.kubeconfig)
    other = talk.free_ports(1)[0]
    kfw.up({"web": entry(port), "own": entry(other, method="socat")})
    resource.prlimit(kfw.daemon_pid(), resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    with many_clients(port, 3 * LIMIT):
        status_warns(kfw)
        before = kfw.status("own")["pid"]
        os.kill(before, signal.SIGKILL)
        until(lambda: kfw.status("own")["pid"] not in (None, before), 15, kfw.log)
        kfw.until_row("own", status="active", within=15)
        kfw("down", "own")
        saved = json.loads((kfw.home / "state" / "up.json").read_text())
        assert "own" not in [forward["name"] for forward in saved["forwards"]]
        assert kfw.ask("/v1/status")["daemon"]["warnings"]


def test_a_limit_of_256_with_500_forwards_says_what_to_raise_and_the_rest_works(
    shared: Place, make_kfw: Make
) -> None:
    kfw = make_kfw(shared.kubeconfig)
    kfw("start")
    resource.prlimit(kfw.daemon_pid(), resource.RLIMIT_NOFILE, (256, 256))
    ports = talk.free_ports(500)
    done = kfw.up({f"web-{n}": entry(port) for n, port in enumerate(ports)}, "--timeout", "30s", code=None)
    assert done.returncode == 1
    rows = kfw.rows()
    refused = [row for row in rows.values() if row["status"] == "error"]
    served = [row for row in rows.values() if row["status"] == "active"]
    assert len(refused) + len(served) == 500 and len(served) > 50
    for row in refused:
        assert "Too many open files (the limit is 256)" in row["message"]
        assert "`ulimit -n 4096`" in row["message"] and "LimitNOFILE=4096" in row["message"]
    assert talk.pod_behind(served[0]["localPort"]).startswith("web-")
    assert talk.pod_behind(served[-1]["localPort"]).startswith("web-")
    assert "Traceback" not in kfw.log()


def test_a_soft_limit_is_raised_to_the_hard_one_at_start(shared: Place, make_kfw: Make) -> None:
    kfw = make_kfw(shared.kubeconfig)
    subprocess.run(["sh", "-c", f"ulimit -Sn 64; {KFW} start"], env=kfw.env, cwd=kfw.project, check=True)
    soft, hard = resource.prlimit(kfw.daemon_pid(), resource.RLIMIT_NOFILE)
    assert soft == hard > 64


# -- for each method, under load

METHODS = ("tunnel", "nodeport", "kubectl", "socat")
#: New connections a second, over all methods, and seconds that the hog stays.
RATE, HOGGED = 30, 5.0
#: Seconds from the hog's end until everything works, also on a machine that is busy with other tests.
SOON = 8.0


class Load:
    """New connections by turns to each port, each a request of its own. `failed`: what became of those that got nothing."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.failed: list[str] = []
        self.answered = 0
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(500)
        self._thread = threading.Thread(target=self._run, args=(ports,))

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """When all have their answer."""
        self._over.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self, ports: Sequence[int]) -> None:
        for port in cycle(ports):
            if self._over.wait(1 / RATE):
                return
            self._pool.submit(self._ask, port)

    def _ask(self, port: int) -> None:
        began = time.monotonic()
        try:
            assert talk.pod_behind(port, timeout=25).startswith("web-")
            self.answered += 1
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(
                f"{port} after {time.monotonic() - began:.1f} s: {type(error).__name__} {error}"
            )


@pytest.mark.parametrize("hogged", ["tunnel", "nodeport", "kubectl"])
def test_under_load_nobody_is_reset_and_all_works_soon_after_the_hog_has_gone(
    shared: Place, make_kfw: Make, hogged: str
) -> None:
    kfw = make_kfw(shared.kubeconfig)
    ports = dict(zip(METHODS, talk.free_ports(len(METHODS)), strict=True))
    kfw.up({method: entry(port, method=method) for method, port in ports.items()})
    pid = kfw.daemon_pid()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    for port in ports.values():
        assert talk.pod_behind(port)
    before, restarts = open_files(kfw), {name: row["restarts"] for name, row in kfw.rows().items()}
    with Load([port for method, port in ports.items() if method != "socat"]) as load:
        with many_clients(ports[hogged], 2 * LIMIT):
            status_warns(kfw)
            killed = {name: kfw.status(name)["pid"] for name in ("kubectl", "socat")}
            kill(killed.values())
            [old] = shared.pods(WHERE, "web")
            shared.do(lambda sandbox: sandbox.delete("pods", WHERE, old))
            until(lambda: [old] != shared.pods(WHERE, "web") != [], 10, lambda: "there is another pod")
            pid, end, slowest = kfw.daemon_pid(), time.monotonic() + HOGGED, 0.0
            while time.monotonic() < end:
                watch = Stopwatch(os.getpid(), pid)
                assert len(kfw.rows()) == len(METHODS)
                slowest = max(slowest, watch.seconds())
                time.sleep(0.1)
            assert slowest < 1
            for name, child in killed.items():
                until(
                    lambda name=name, child=child: kfw.status(name)["pid"] not in (None, child), 10, kfw.log
                )  # type: ignore[misc]
            until(lambda: kfw.status("tunnel")["endpoint"]["name"] != old, 5, kfw.log)
        gone = time.monotonic()
        took = {}
        for method, port in ports.items():
            assert talk.pod_behind(port) != old
            took[method] = round(time.monotonic() - gone, 2)
        assert max(took.values()) < SOON, took
        print("seconds after the hog had gone:", took)
    assert load.failed == []
    assert load.answered > HOGGED * RATE / 2
    for name in METHODS:
        row = kfw.until_row(name, status="active", within=3)
        ended_with_it = (
            name == hogged == "kubectl"
        )  # the hog's own connections went by the child that was killed
        assert row["lostConnections"] == 0 or ended_with_it, row
        assert row["restarts"] <= restarts[name] + 2, row
    until(
        lambda: open_files(kfw) <= before + 4, 40, lambda: f"{before} files were open, now {open_files(kfw)}"
    )
    assert "unforeseen" not in kfw.log() and "Traceback" not in kfw.log()


def test_a_client_that_has_left_gives_his_file_back_though_none_is_free(kfw: Program, port: int) -> None:
    """They have said all that they wanted, and wait for an answer that does not come: only the kernel knows who has left."""
    pid = kfw.daemon_pid()
    kfw.up({"web": entry(port, target="service/nowhere", hold="60s")}, "--timeout", "2s", code=None)
    with many_clients(port, 20) as clients:
        until(lambda: kfw.status("web")["connections"] == 20, 5, kfw.log)
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
        time.sleep(0.3)  # it has looked at each once
        assert kfw.status("web")["connections"] == 20
        with no_file_free(pid):
            for client in clients[:15]:
                client.close()
            time.sleep(2.5)
        until(lambda: kfw.status("web")["connections"] == 5, 1, lambda: str(kfw.status("web")))


@contextmanager
def no_file_free(pid: int) -> Iterator[None]:
    limit = 1 + max(int(one.name) for one in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, LIMIT))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


@pytest.mark.parametrize("method", METHODS)
def test_without_any_free_file_what_is_open_goes_on_and_is_active_again_at_once(
    shared: Place, make_kfw: Make, port: int, method: str
) -> None:
    """Not even the last zone is left, for longer than three health checks take, and a question to a silent API server."""
    kfw = make_kfw(shared.kubeconfig)
    health = {"type": "tcp", "interval": "500ms", "timeout": "1s"}
    kfw.up({"web": entry(port, method=method, health=health, hold="60s")})
    pid, before = kfw.daemon_pid(), kfw.status("web")
    with many_clients(port, 1) as (live,):
        until(lambda: method == "socat" or kfw.status("web")["connections"] == 1, 5, kfw.log)
        with no_file_free(pid):
            waits = socket.create_connection(("127.0.0.1", port), 10)
            waits.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            time.sleep(6)
        began = time.monotonic()
        waits.settimeout(10)
        assert waits.recv(100).startswith(b"HTTP/1.1 200")
        assert talk.pod_behind(port).startswith("web-")
        assert time.monotonic() - began < SOON
        waits.close()
        live.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        live.settimeout(5)
        assert live.recv(100).startswith(b"HTTP/1.1 200")
    row = kfw.until_row("web", status="active", within=2)
    assert (row["restarts"], row["pid"]) == (before["restarts"], before["pid"])
    assert [one["status"] for one in kfw.history("web")][-1] == "active"
    assert not [one for one in kfw.history("web") if one["status"] in ("suspended", "error")]
