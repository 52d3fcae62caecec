"""Rough use of kfw's tunnel: resets, downloads left early, one who does not read, five hundred at once, memory."""

import select
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from tests.bench.processes import memory
from tests.bench.row import Config, Row, row
from tests.bench.tunnel_ways import Way, kfw_tunnel, pods
from tests.real.running import Kfw

ECHO, SOURCE, RESETS = 9000, 9002, 9004
LOCAL = "127.0.0.1"


def rows(config: Config) -> list[Row]:
    target = f"pod/{pods(config.rig, 'app=web')[0]}"
    ports = (ECHO, SOURCE, RESETS)
    with kfw_tunnel(config.rig.kubeconfig, target, ports, health={"type": "none"}) as (kfw, way):
        return [
            *_reset_rows(kfw, way, 50 if config.short else 1000),
            _left_early(way, 200),
            _not_read(way, 20, 2.0 if config.short else 5.0),
            *_at_once(way, 500),
        ]


def _reset_rows(kfw: Kfw, way: Way, count: int) -> list[Row]:
    with _connection(way.ports[ECHO]) as neighbour:
        resets = sum(_is_reset(way.ports[RESETS]) for _ in range(count))
        alive = _echoes(neighbour)
    status = kfw.status(f"p{RESETS}")
    untouched = alive and status["status"] == "active" and status["restarts"] == 0
    return [
        row(f"tunnel: {count} connections that the app resets, resets seen", resets, "resets", f"== {count}"),
        row("tunnel: after them port, neighbour and status as before", int(untouched), "yes", "== 1"),
    ]


def _is_reset(port: int) -> bool:
    """Or the end of input, which is no reset."""
    try:
        with _connection(port) as client:
            client.recv(1)
            return False
    except ConnectionResetError:
        return True


def _left_early(way: Way, count: int) -> Row:
    began = time.monotonic()
    for _ in range(count):
        with _connection(way.ports[SOURCE]) as client:
            client.sendall(b"endless\n")
            assert client.recv(65536)
    return row(f"tunnel: {count} downloads left early", time.monotonic() - began, "s", "< 5")


def _not_read(way: Way, count: int, seconds: float) -> Row:
    """Requests per second of all but one, while that one does not read, as a share of what they were before."""
    with ExitStack() as stack:
        others = [stack.enter_context(_connection(way.ports[ECHO])) for _ in range(count - 1)]
        before = _requests(others, seconds)
        greedy = stack.enter_context(_connection(way.ports[SOURCE]))
        same = stack.enter_context(_connection(way.ports[ECHO]))
        greedy.sendall(b"endless\n")
        with suppress(BlockingIOError):  # an echo that is not read stalls, too
            same.setblocking(False)
            while select.select((), (same,), (), 0.5)[1]:
                same.send(bytes(65536))
        after = _requests(others, seconds)
    return row(
        f"tunnel: one of {count} does not read, requests of the others", after, "/s", ">= 0.8x", than=before
    )


def _requests(clients: Sequence[socket.socket], seconds: float) -> float:
    counts = [0] * len(clients)
    end = time.monotonic() + seconds

    def ask(number: int) -> None:
        while time.monotonic() < end:
            counts[number] += _echoes(clients[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def _at_once(way: Way, count: int) -> list[Row]:
    with ExitStack() as stack:
        began = time.monotonic()
        clients = [stack.enter_context(_connection(way.ports[ECHO])) for _ in range(count)]
        for client in clients:
            client.sendall(b"x" * 64)
        answered = sum(len(client.recv(64)) == 64 for client in clients)
        took = time.monotonic() - began
        rss = memory(way.pid)
    return [
        row(f"tunnel: {count} at once, all have answered after", took, "s", "< 0.6"),
        row(f"tunnel: {count} at once, answered", answered, "connections", f"== {count}"),
        row(f"tunnel: {count} at once, memory", rss, "MB"),
    ]


def _connection(port: int) -> socket.socket:
    return socket.create_connection((LOCAL, port), 20)


def _echoes(client: socket.socket) -> bool:
    try:
        client.sendall(b"y" * 64)
        return len(client.recv(64)) == 64
    except OSError:
        return False
