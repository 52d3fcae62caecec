"""Rough use of kfw's tunnel: resets, downloads left early, one who does not read, five hundred at once, memory."""

import select
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import memory
from tests.bench.row import Config, Row, row
from tests.bench.traffic import AT_ONCE
from tests.bench.tunnel_ways import LOCAL, Way, kfw_tunnel, kubectl_forward, pods
from tests.real.running import Kfw

ECHO, SOURCE, RESETS = 9000, 9002, 9004
DOWNLOADS, NOT_READ, MANY = 200, 20, 500


@dataclass(frozen=True)
class Left:
    """Downloads left early: how many, in how many seconds."""

    count: int
    took: float


def rows(config: Config) -> list[Row]:
    target, kubeconfig = f"pod/{pods(config.rig, 'app=web')[0]}", config.rig.kubeconfig
    seconds = 1.0 if config.short else 4.0
    theirs = _kubectl(kubeconfig, target, seconds)
    with kfw_tunnel(kubeconfig, target, (ECHO, SOURCE, RESETS), health={"type": "none"}) as (kfw, way):
        return [
            *_reset_rows(kfw, way, 50 if config.short else 200, theirs),
            _left_row(_left_early(way, DOWNLOADS, 60), theirs.left),
            _share_row(_not_read(way, NOT_READ, seconds), theirs.share),
            *_at_once_rows(way, theirs.at_once),
        ]


@dataclass(frozen=True)
class Share:
    """Requests per second of all but one: before that one stopped reading, and after."""

    before: float
    after: float


@dataclass(frozen=True)
class Many:
    """How many of so many at once were answered, after how many seconds the last one, and the tool's RSS then in MB."""

    answered: int
    took: float
    memory: float


@dataclass(frozen=True)
class Rival:
    """What kubectl makes of the same: how many resets until its port is gone, and so on."""

    resets: int
    left: Left
    share: Share
    at_once: Many


def _kubectl(kubeconfig: Path, target: str, seconds: float) -> Rival:
    """A process for each: none of them survives what is done to it."""
    with kubectl_forward(kubeconfig, target, (RESETS,)) as way:
        resets = _resets_survived(way, 50)
    with kubectl_forward(kubeconfig, target, (SOURCE,)) as way:
        left = _left_early(way, DOWNLOADS, 5 * seconds / 4)
    with kubectl_forward(kubeconfig, target, (ECHO, SOURCE)) as way:
        share = _not_read(way, NOT_READ, seconds)
    with kubectl_forward(kubeconfig, target, (ECHO,)) as way:
        at_once = _at_once(way, MANY)
    return Rival(resets, left, share, at_once)


def _resets_survived(way: Way, most: int) -> int:
    """Connections that the app resets, until the port takes no more."""
    for count in range(most):
        try:
            _is_reset(way.ports[RESETS])
        except OSError:
            return count
        time.sleep(0.1)  # it ends after it has said so
    return most


def _reset_rows(kfw: Kfw, way: Way, count: int, theirs: Rival) -> list[Row]:
    with _connection(way.ports[ECHO]) as neighbour:
        with ThreadPoolExecutor(AT_ONCE) as pool:  # the runtime takes a second for each
            resets = sum(pool.map(_is_reset, [way.ports[RESETS]] * count))
        alive = _echoes(neighbour)
    status = kfw.status(f"p{RESETS}")
    untouched = alive and status["status"] == "active" and status["restarts"] == 0
    return [
        row(
            f"tunnel: {count} connections that the app resets, resets seen, than kubectl until its port is gone",
            resets,
            "resets",
            f"== {count}",
            than=theirs.resets,
        ),
        row("tunnel: after them port, neighbour and status as before", int(untouched), "yes", "== 1"),
    ]


def _is_reset(port: int) -> bool:
    """Or the end of input, which is not a reset."""
    try:
        with _connection(port) as client:
            client.recv(1)
            return False
    except ConnectionResetError:
        return True


def _left_early(way: Way, count: int, patience: float) -> Left:
    """Until all of them have been begun and left, or for so many seconds."""
    began = time.monotonic()
    for done in range(count):
        left = patience - (time.monotonic() - began)
        try:
            with socket.create_connection(way.at(SOURCE), max(left, 0.001)) as client:
                client.sendall(b"endless\n")
                assert client.recv(65536), "the download ended at once"
        except TimeoutError:
            return Left(done, time.monotonic() - began)
    return Left(count, time.monotonic() - began)


def _left_row(ours: Left, theirs: Left) -> Row:
    assert ours.count == DOWNLOADS, f"only {ours.count} in {ours.took:.0f} s"
    name = f"tunnel: {DOWNLOADS} downloads left early"
    if theirs.count < DOWNLOADS:
        name += f" (kubectl: {theirs.count} of them in {theirs.took:.0f} s)"
        return row(name, ours.took, "s", "< 5")
    return row(f"{name}, than kubectl", ours.took, "s", "< 5", than=theirs.took)


def _not_read(way: Way, count: int, seconds: float) -> Share:
    """While one connection does not read, and one more that is an echo."""
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
        return Share(before, _requests(others, seconds))


def _share_row(ours: Share, theirs: Share) -> Row:
    kept = 100 * theirs.after / theirs.before
    name = f"tunnel: one of {NOT_READ} does not read, requests of the others, than before (kubectl keeps {kept:.0f} %)"
    return row(name, ours.after, "/s", ">= 0.8x", than=ours.before)


def _requests(clients: Sequence[socket.socket], seconds: float) -> float:
    """Per second."""
    counts = [0] * len(clients)
    end = time.monotonic() + seconds

    def ask(number: int) -> None:
        clients[number].settimeout(seconds)
        while time.monotonic() < end and _echoes(clients[number]):
            counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def _at_once(way: Way, count: int) -> Many:
    """Connections that stay, opened one after the other without waiting for their answers."""
    with ExitStack() as stack:
        began = time.monotonic()
        clients = [stack.enter_context(_connection(way.ports[ECHO])) for _ in range(count)]
        for client in clients:
            client.sendall(b"x" * 64)
        answered = sum(len(client.recv(64)) == 64 for client in clients)
        return Many(answered, time.monotonic() - began, memory(way.pid))


def _at_once_rows(way: Way, theirs: Many) -> list[Row]:
    ours = _at_once(way, MANY)
    name = f"tunnel: {MANY} at once"
    return [
        row(f"{name}, all have answered after, than kubectl", ours.took, "s", "< 0.6", than=theirs.took),
        row(
            f"{name}, answered, than kubectl",
            ours.answered,
            "connections",
            f"== {MANY}",
            than=theirs.answered,
        ),
        row(f"{name}, memory, than kubectl", ours.memory, "MB", than=theirs.memory),
    ]


def _connection(port: int) -> socket.socket:
    return socket.create_connection((LOCAL, port), 20)


def _echoes(client: socket.socket) -> bool:
    try:
        client.sendall(b"y" * 64)
        return len(client.recv(64)) == 64
    except OSError:
        return False
