"""A daemon that may open few files: clients take what there is for clients, and everything else goes on."""

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, namespace, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import KFW, until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program

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
        assert time.monotonic() - began < 2
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


def test_a_shortage_of_files_is_no_change_of_the_network(kfw: Program, port: int) -> None:
    """Here not even the reserve is left."""
    pid = kfw.daemon_pid()
    with many_clients(port, 3 * LIMIT):
        status_warns(kfw)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(kfw), LIMIT))
        time.sleep(2.5)  # it looks at the network every second
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        assert kfw.ask("/v1/ping")["running"]
    assert "packets leave" not in kfw.log()


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
        assert "own" not in (kfw.home / "state" / "up.json").read_text()
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
