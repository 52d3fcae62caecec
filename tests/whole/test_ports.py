"""Local ports: taken, shared, moved, and never left behind."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from kfw.system.local_ports import alternatives
from tests.real import talk
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Entry, Program, listens

Ports = Callable[[int], list[int]]

METHODS = ["nodeport", "socat"]

#: A program of somebody else that listens on the addresses and ports given as HOST=PORT, and answers "foreign".
FOREIGN = """
import select, socket, sys
places = [socket.create_server((h, int(p)), family=socket.AF_INET6 if ":" in h else socket.AF_INET)
          for h, _, p in (word.partition("=") for word in sys.argv[1:])]
print("ready", flush=True)
while True:
    for one in select.select(places, [], [])[0]:
        client, _ = one.accept()
        client.sendall(b"foreign")
        client.close()
"""


@contextmanager
def foreign(*places: str) -> Iterator["subprocess.Popen[str]"]:
    argv = [sys.executable, "-c", FOREIGN, *places]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout and program.stdout.readline() == "ready\n"
            yield program
            assert program.poll() is None, "the foreign program was ended"
            assert talk.exchange(int(places[0].rpartition("=")[2]), b"") == b"foreign"
        finally:
            program.kill()


@pytest.fixture
def web(shared: Place, namespace: str) -> Entry:
    """An entry that leads to a web server, without a port yet."""
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    return {"target": "service/web", "namespace": namespace}


@pytest.mark.parametrize("method", METHODS)
def test_A3_a_port_that_is_busy_on_127_0_0_1_only_moves_on_if_asked_to_and_says_so(
    kfw: Program, web: Entry, port: int, method: str
) -> None:
    with foreign(f"127.0.0.1={port}") as other:
        entry = {**web, "localPort": port, "onPortInUse": "next", "method": method}
        done = kfw.up({"web": entry})

        row = kfw.status("web")
        assert (row["configuredPort"], row["status"]) == (port, "active")
        assert row["localPort"] != port
        assert talk.pod_behind(row["localPort"]).startswith("web-")
        assert f"not on {port}" in done.stdout
        assert f"not on {port}" in kfw("status").stdout
        (said,) = [line for line in kfw("logs", "web").stdout.splitlines() if f"not on {port}:" in line]
        assert " WARNING web: on " in said
        assert f"{port}: python" in said and f"(pid {other.pid})" in said and str(row["localPort"]) in said


@pytest.mark.parametrize("method", METHODS)
def test_A4_two_forwards_of_one_port_get_two_and_both_serve_without_a_restart(
    kfw: Program, web: Entry, port: int, method: str
) -> None:
    entry = {**web, "localPort": port, "onPortInUse": "next", "method": method}
    kfw.up({"one": entry, "two": entry})

    rows = kfw.rows()
    assert {row["status"] for row in rows.values()} == {"active"}
    assert {row["restarts"] for row in rows.values()} == {0}
    assert port in {row["localPort"] for row in rows.values()}
    assert len({row["localPort"] for row in rows.values()}) == 2
    for row in rows.values():
        assert talk.pod_behind(row["localPort"]).startswith("web-")


def test_A4_without_leave_to_move_the_config_is_refused_and_nothing_starts(
    kfw: Program, web: Entry, port: int
) -> None:
    done = kfw.up({"one": {**web, "localPort": port}, "two": {**web, "localPort": port}}, code=2)
    assert f"portForwards.two has the localPort {port} of one" in done.stderr
    assert kfw.rows() == {}


def test_A39_alternatives_come_in_order_and_the_printed_url_has_the_real_port(
    kfw: Program, web: Entry, port: int
) -> None:
    """p+1, p-1, p+2, p-2: here p, p+1 and p-1 are taken."""
    first, second, third = list(alternatives(port))[:3]
    assert (first, second, third) == (port + 1, port - 1, port + 2)
    with foreign(*(f"127.0.0.1={taken}" for taken in (port, first, second))):
        done = kfw.up({"web": {**web, "localPort": port, "onPortInUse": "next", "type": "web"}})
        assert f"http://localhost:{third}" in done.stdout
        assert f"http://localhost:{port} " not in done.stdout
        assert talk.pod_behind(third).startswith("web-")


def test_A39_a_moved_forward_keeps_its_port_over_a_restart_a_crash_and_down_until_that_is_taken(
    own_kfw: Program, web: Entry, ports: Ports
) -> None:
    """Although its own port is free again, and the child owns the one that it has. When it changes, the log says so.
    A port that is kfw's own: tests/daemon/test_core.py."""
    kfw, port, other = own_kfw, *ports(2)
    entry = {**web, "localPort": port, "onPortInUse": "next", "method": "socat"}
    also = {**web, "localPort": other}  # so that the daemon outlives `down`
    with foreign(f"127.0.0.1={port}"):
        kfw.up({"web": entry, "also": also})
        moved = kfw.status("web")["localPort"]
        assert moved != port
    until(lambda: not listens(port), 5, lambda: "the other program has ended")

    def again(*words: str) -> int:
        for line in words:
            kfw(line)
        return int(kfw.until_row("web", within=30, status="active")["localPort"])

    assert again("stop", "start") == moved
    kfw.kill_daemon()
    assert again("start") == moved
    assert again("down", "up") == moved
    assert f"web: on {moved} as before, not on {port}" in kfw("logs", "web").stdout
    assert f"not on {port}, which was taken" in " ".join(kfw("status").stdout.split())
    kfw("down", "web")
    with foreign(f"127.0.0.1={moved}"):
        assert again("up") == port
    assert f"web: on {port}, not on {moved} as before: python" in kfw("logs", "web").stdout


def test_A39_only_a_busy_port_is_moved_from_not_one_whose_target_is_missing(
    kfw: Program, web: Entry, port: int
) -> None:
    missing = {"target": "service/nope", "targetPort": 80, "localPort": port, "onPortInUse": "next"}
    kfw.up({"nope": {**missing, "namespace": web["namespace"]}}, code=1)
    assert kfw.status("nope")["localPort"] == port


@pytest.mark.parametrize("method", METHODS)
def test_B16_a_foreign_program_on_the_port_is_named_the_others_run_and_it_lives_on(
    kfw: Program, web: Entry, ports: Ports, method: str
) -> None:
    taken, free = ports(2)
    entry = {**web, "method": method}
    with foreign(f"127.0.0.1={taken}") as other:
        done = kfw.up({"taken": {**entry, "localPort": taken}, "free": {**entry, "localPort": free}}, code=6)
        row = kfw.status("taken")
        assert (row["status"], row["reason"]) == ("error", "port-in-use")
        for text in (row["message"], done.stdout):
            assert f"cannot listen on {taken}: python" in text
            assert f"(pid {other.pid}) has it" in " ".join(text.split())
        assert kfw.status("free")["status"] == "active"
        assert talk.pod_behind(free).startswith("web-")


@pytest.mark.parametrize("method", METHODS)
def test_A33_a_row_in_error_stays_until_removed_and_retry_mends_it(
    kfw: Program, web: Entry, port: int, method: str
) -> None:
    with foreign(f"127.0.0.1={port}"):
        kfw.up({"web": {**web, "localPort": port, "method": method}}, code=6)
        kfw("retry", "web")
        kfw.until_row("web", status="error", reason="port-in-use")
        assert kfw("wait", "web", "--timeout", "300ms", code=None).returncode == 6
    assert not listens(port)  # what could not start left nothing behind
    kfw("retry", "web")
    kfw.until_row("web", status="active")
    assert talk.pod_behind(port).startswith("web-")
    kfw("remove", "web")
    assert kfw.status("web") == {}
    until(lambda: not listens(port), 2, lambda: "the port is free")
    kfw("remove", "web", code=2)


@pytest.mark.parametrize("method", METHODS)
def test_A33_a_port_that_is_busy_on_one_address_is_held_on_none(
    kfw: Program, web: Entry, port: int, method: str
) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with foreign(f"127.0.0.1={port}"):
        kfw.up({"web": {**web, "localPort": port, "method": method}}, code=6)
        with socket.socket(socket.AF_INET6) as one:
            assert one.connect_ex(("::1", port)) != 0
