"""Every kind of target by every method, on the demo: what answers, 64 MiB both ways, half-close, a minute of silence."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.real import talk
from tests.real.rig import Rig
from tests.whole.program import Entry, Program, connected

SIZE = 64 << 20
NODE_METHODS = ("nodeport", "socat")
METHODS = (*NODE_METHODS, "kubectl", "tunnel")

#: What is named -> target and port; the first three have a node port.
TARGETS: dict[str, tuple[str, int | str]] = {
    "by-number": ("service/web", 80),
    "by-name": ("service/web", "web"),
    "by-target-port": ("service/web", "http"),
    "deployment": ("deployment/web", "http"),
    "statefulset": ("statefulset/db", "postgres"),
    "pod": ("pod/single", 8080),
}
WAYS = [
    (what, method) for what, (to, _) in TARGETS.items() for method in METHODS
    if to.startswith("service/") or method not in NODE_METHODS
]  # fmt: skip


@pytest.fixture(scope="module")
def up(rig: Rig) -> Iterator[Program]:
    """All ways at once, and for each method the app's ports for bytes: echo, eof and greet."""
    wanted: dict[str, Entry] = {
        f"{what}-{method}": {"target": TARGETS[what][0], "targetPort": TARGETS[what][1], "method": method}
        for what, method in WAYS
    }
    for method in METHODS:
        for port in ("echo", "eof", "greet"):
            wanted[f"{port}-{method}"] = {"target": "service/multi", "targetPort": port, "method": method}
    for entry, local in zip(wanted.values(), talk.free_ports(len(wanted)), strict=True):
        entry |= {"localPort": local, "namespace": "demo"}
    program = Program(rig.kubeconfig)
    try:
        program.up(wanted)
        yield program
    finally:
        program.close()


def port_of(up: Program, name: str, method: str) -> int:
    row = up.status(f"{name}-{method}")
    assert (row["status"], row["method"]) == ("active", method), row
    return int(row["localPort"])


@pytest.mark.parametrize(("what", "method"), WAYS)
def test_A27_A28_each_kind_of_target_carries_by_each_method_what_it_is_named_for(
    up: Program, what: str, method: str
) -> None:
    port = port_of(up, what, method)
    endpoint = up.status(f"{what}-{method}")["endpoint"]
    if what == "statefulset":
        with connected(port) as connection:
            assert connection.recv(100) == b"hello from db-0\n"
    else:
        assert talk.pod_behind(port).startswith("single" if what == "pod" else "web-")
    if method in NODE_METHODS:
        assert (endpoint["kind"], endpoint["port"]) == ("node", 30080)
    else:
        assert (endpoint["kind"], endpoint["port"]) == ("pod", 9005 if what == "statefulset" else 8080)


@pytest.mark.parametrize("method", METHODS)
def test_64_MiB_come_back_whole_while_they_are_sent(up: Program, method: str) -> None:
    """The echo's answers flow against what is sent; nobody ends its side before all is there."""
    block = os.urandom(1 << 20)
    said, heard = hashlib.sha256(), hashlib.sha256()
    with connected(port_of(up, "echo", method)) as connection:
        connection.settimeout(60)
        sender = threading.Thread(target=_send, args=(connection, block, said))
        sender.start()
        left = SIZE
        while left and (data := connection.recv(min(left, 1 << 20))):
            heard.update(data)
            left -= len(data)
        sender.join(60)
    assert left == 0
    assert heard.hexdigest() == said.hexdigest()


def _send(connection: socket.socket, block: bytes, said: "hashlib._Hash") -> None:
    for _ in range(SIZE // len(block)):
        said.update(block)
        connection.sendall(block)


@pytest.mark.parametrize("method", NODE_METHODS)
def test_half_close_reaches_the_app_and_its_answer_comes_back(up: Program, method: str) -> None:
    """The app reads to the end and answers then: with its hash. By the API this cannot be, and `explain` says so."""
    data = os.urandom(1 << 20)
    answer = talk.exchange(port_of(up, "eof", method), data)
    assert answer.decode().strip().startswith(hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("method", ["kubectl", "tunnel"])
def test_where_half_close_is_lost_explain_says_so(up: Program, method: str) -> None:
    assert any("half-close" in limit for limit in up.json("explain", f"eof-{method}")["limits"])


def test_A1_connections_that_are_silent_for_a_minute_go_on_and_nothing_was_restarted(up: Program) -> None:
    seq = up.seq()
    silent = {}
    for method in METHODS:
        silent[method] = socket.create_connection(("127.0.0.1", port_of(up, "greet", method)), 10)
        assert silent[method].recv(100).startswith(b"hello from web-")
    time.sleep(60)
    for method, connection in silent.items():
        with connection:
            connection.sendall(b"still there")
            assert connection.recv(100) == b"still there", method
    rows = up.rows().values()
    assert {(row["status"], row["restarts"]) for row in rows} == {("active", 0)}
    assert [row for name in up.rows() for row in up.history(name, seq)] == []
    assert "reconnecting" not in up("logs", "-n", "9999").stdout
