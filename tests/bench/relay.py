"""usage: python -m tests.bench.relay [--short]

kfw's relay beside socat, in paired rounds of one run: throughput of one stream, new connections per second, memory of
idle connections. To servers on loopback, then to node ports of the rig (namespace demo, service multi). Who is measured
next to whom sees the same machine at the same time: ratios count, not absolutes.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.row import Config, Row, row
from tests.real import talk

MIB = 1 << 20
STREAM = 256 * MIB
OPENS = 600  # per relay and round: conntrack of a node port slows down after some 15,000 in two minutes
AT_ONCE = 16
IDLE = 200
SETTLE = 1.0  # seconds until socat's children of earlier connections are gone
BUFFER = bytearray(MIB)
BLOCK = bytes(MIB)

KFW, SOCAT, SOCAT_BIG = "kfw", "socat", "socat -b131072"


@dataclass(frozen=True)
class Far:
    """Where the relays lead to: what it is called, its address, and its ports that echo, send and count."""

    name: str
    host: str
    echo: int
    source: int
    sink: int


@dataclass(frozen=True)
class Sample:
    down: float  # MB/s
    up: float  # MB/s
    opens: float  # per second, each with an echo of 64 bytes


def rows(config: Config) -> list[Row]:
    return _all_rows(config.rig.node_ips, short=config.short)


def _all_rows(node_ips: Sequence[str], *, short: bool) -> list[Row]:
    with _loopback() as loopback:
        made = measured(loopback, short=short)
    for address in node_ips[:1]:
        made += measured(Far("node port", address, 30900, 30902, 30903), short=short)
    return made


def measured(far: Far, *, short: bool) -> list[Row]:
    rounds = 3 if short else 7
    samples: dict[str, list[Sample]] = {name: [] for name in (KFW, SOCAT, SOCAT_BIG)}
    for number in range(rounds):
        for name in _rotated(list(samples), number):
            samples[name].append(_sample(name, far))
    return [*_speed_rows(far.name, samples), *_memory_rows(far)]


def _speed_rows(far: str, samples: dict[str, list[Sample]]) -> Iterator[Row]:
    for what, unit, figure in (
        ("one stream down", "MB/s", lambda sample: sample.down),
        ("one stream up", "MB/s", lambda sample: sample.up),
    ):
        for rival, bound in ((SOCAT, ">= 1.5x"), (SOCAT_BIG, ">= 0.8x")):
            ours, theirs = (median(map(figure, samples[name])) for name in (KFW, rival))
            yield row(f"{far}: {what}, than {rival}", ours, unit, bound, than=theirs)
    ours, theirs = (median(sample.opens for sample in samples[name]) for name in (KFW, SOCAT))
    yield row(f"{far}: new connections, than {SOCAT}", ours, "/s", ">= 1.2x", than=theirs)


def _memory_rows(far: Far) -> Iterator[Row]:
    ours, theirs = (_idle(name, far) for name in (KFW, SOCAT))
    what = f"{far.name}: {IDLE} idle connections"
    yield row(f"{what}: growth of PSS, than {SOCAT}", ours.grown, "MB", "<= 0.1x", than=theirs.grown)
    yield row(f"{what}: RSS of all processes, than {SOCAT}", ours.rss, "MB", "<= 0.1x", than=theirs.rss)


def _sample(name: str, far: Far) -> Sample:
    with _relay(name, far.host, far.source) as (_, port):
        down = _down(port)
    with _relay(name, far.host, far.sink) as (_, port):
        up = _up(port)
    return Sample(down, up, _opens(name, far) if name in (KFW, SOCAT) else 0)


def _opens(name: str, far: Far) -> float:
    with _relay(name, far.host, far.echo) as (_, port):
        _open_and_echo(port, 2 * AT_ONCE)  # warm
        return _open_and_echo(port, OPENS)


def _down(port: int) -> float:
    with socket.create_connection(("127.0.0.1", port)) as client:
        began = time.perf_counter()
        client.sendall(b"%d\n" % STREAM)
        left = STREAM
        while left:
            left -= client.recv_into(BUFFER, min(left, MIB), socket.MSG_TRUNC) or _short("download")
        return STREAM / 1e6 / (time.perf_counter() - began)


def _up(port: int) -> float:
    """Until the far side has answered that it has counted all of it."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        began = time.perf_counter()
        for _ in range(STREAM // MIB):
            client.sendall(BLOCK)
        client.shutdown(socket.SHUT_WR)
        counted = int(client.makefile().readline() or 0)
        took = time.perf_counter() - began
    if counted != STREAM:
        _short("upload")
    return STREAM / 1e6 / took


def _open_and_echo(port: int, count: int) -> float:
    began = time.perf_counter()
    for _ in range(0, count, AT_ONCE):
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(AT_ONCE)
            ]
            for client in clients:
                client.sendall(b"x" * 64)
            for client in clients:
                client.recv(64) or _short("echo")
    return count / (time.perf_counter() - began)


def _short(what: str) -> int:
    raise AssertionError(f"the {what} ended early")


@dataclass(frozen=True)
class Memory:
    """MB. PSS counts shared pages once; its growth is what the connections take, not the interpreter."""

    grown: float
    rss: float


def _idle(name: str, far: Far) -> Memory:
    with _relay(name, far.host, far.echo) as (pid, port), ExitStack() as stack:
        _open_and_echo(port, 10 * AT_ONCE)
        time.sleep(SETTLE)
        before = _memory(pid, "Pss")
        for _ in range(IDLE):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"x")
            client.recv(1) or _short("echo")
        return Memory(_memory(pid, "Pss") - before, _memory(pid, "Rss"))


def _memory(pid: int, what: str) -> float:
    """Of a process and its children."""
    kilobytes = sum(_smaps(member, what) for member in (pid, *_children(pid)))
    return kilobytes * 1024 / 1e6


def _smaps(pid: int, what: str) -> int:
    found = re.search(rf"^{what}: +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found, f"no {what} of {pid}"
    return int(found[1])


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def _relay(name: str, host: str, to: int) -> Iterator[tuple[int, int]]:
    """Its pid and its port."""
    port = talk.free_ports(1)[0]
    with _process(_argv(name, port, host, to)) as process:
        _until_it_accepts(port)
        yield process.pid, port


def _argv(name: str, port: int, host: str, to: int) -> list[str]:
    if name == KFW:
        return [sys.executable, "-m", "tests.bench.relay_process", str(port), host, str(to)]
    socat, *flags = name.split()
    return [
        socat,
        *flags,
        f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=1024",
        f"TCP:{host}:{to}",
    ]


@contextmanager
def _loopback() -> Iterator[Far]:
    with _process([sys.executable, "-m", "tests.bench.relay_server"]) as server:
        assert server.stdout is not None
        echo, source, sink = map(int, server.stdout.readline().split())
        yield Far("loopback", "127.0.0.1", echo, source, sink)


@contextmanager
def _process(argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # socat's children, too: the group is ours alone
        process.communicate()


def _until_it_accepts(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError(f"nothing listens on {port}")


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


def main(argv: list[str]) -> None:
    made = _all_rows(os.environ.get("KFW_NODE_IPS", "").split(), short="--short" in argv)
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
