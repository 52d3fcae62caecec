"""kfw's relay beside socat, in paired rounds of one run: throughput of one stream, new connections per second, memory of
idle connections. To servers on loopback, then to node ports of the rig (namespace demo, service multi). Who is measured
next to whom sees the same machine at the same time: ratios count, not absolutes.
"""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from tests.bench import traffic
from tests.bench.processes import children, memory, started
from tests.bench.row import Config, Row, paired, row
from tests.bench.traffic import AT_ONCE, MIB
from tests.real import talk

STREAM = 256 * MIB
OPENS = 600  # per relay and round: conntrack of a node port slows down after some 15,000 in two minutes
IDLE = 200
SETTLE = 1.0  # seconds until socat's children of earlier connections are gone
LOCAL = "127.0.0.1"

KFW, SOCAT, SOCAT_BIG = "kfw", "socat", "socat -b131072"
#: The relay as the daemon has it: with taps that nobody asks for, without their code, and tapped. See relay_process.
OFF, ABSENT, ON = "off", "absent", "on"


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
    with _loopback() as loopback:
        made = measured(loopback, short=config.short)
        made += tap_rows(loopback, short=config.short)
    for address in config.rig.node_ips[:1]:
        made += measured(Far("node port", address, 30900, 30902, 30903), short=config.short)
    return made


def measured(far: Far, *, short: bool) -> list[Row]:
    rounds = 3 if short else 5
    samples: dict[str, list[Sample]] = {name: [] for name in (KFW, SOCAT, SOCAT_BIG)}
    for number in range(rounds):
        for name in _rotated(list(samples), number):
            samples[name].append(_sample(name, far))
    return [*_speed_rows(far.name, samples), *_memory_rows(far)]


def tap_rows(far: Far, *, short: bool) -> Iterator[Row]:
    """What `kfw tap` costs while nobody asks, and while somebody does."""
    samples: dict[str, list[Sample]] = {name: [] for name in (OFF, ABSENT, ON)}
    for number in range(3 if short else 7):
        for name in _rotated(list(samples), number):
            samples[name].append(_sample(name, far))
    for what, unit, figure in (
        ("one stream down", "MB/s", lambda sample: sample.down),
        ("one stream up", "MB/s", lambda sample: sample.up),
        ("new connections", "/s", lambda sample: sample.opens),
    ):
        off, absent, on = (list(map(figure, samples[name])) for name in (OFF, ABSENT, ON))
        name = f"{far.name}: {what}"
        yield paired(
            f"{name}, nobody taps, than without the code",
            unit,
            ">= 0.95x",
            list(zip(off, absent, strict=True)),
        )
        yield paired(f"{name}, tapped, than not", unit, "", list(zip(on, off, strict=True)))


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
        down = STREAM / 1e6 / traffic.download((LOCAL, port), STREAM)
    with _relay(name, far.host, far.sink) as (_, port):
        up = _up(port)
    return Sample(down, up, 0 if name == SOCAT_BIG else _opens(name, far))


def _opens(name: str, far: Far) -> float:
    with _relay(name, far.host, far.echo) as (_, port):
        traffic.opens((LOCAL, port), 2 * AT_ONCE)  # warm
        return traffic.opens((LOCAL, port), OPENS)


def _up(port: int) -> float:
    """Until the far side has answered that it has counted all of it."""
    with socket.create_connection((LOCAL, port)) as client:
        began = time.perf_counter()
        for _ in range(STREAM // MIB):
            client.sendall(traffic.BLOCK)
        client.shutdown(socket.SHUT_WR)
        counted = int(client.makefile().readline() or 0)
        took = time.perf_counter() - began
    if counted != STREAM:
        _short("upload")
    return STREAM / 1e6 / took


def _short(what: str) -> int:
    raise AssertionError(f"the {what} ended early")


@dataclass(frozen=True)
class Memory:
    """MB. PSS counts shared pages once; its growth is what the connections take, not the interpreter."""

    grown: float
    rss: float


def _idle(name: str, far: Far) -> Memory:
    with _relay(name, far.host, far.echo) as (pid, port), ExitStack() as stack:
        traffic.opens((LOCAL, port), 10 * AT_ONCE)
        time.sleep(SETTLE)
        before = _memory(pid, "Pss")
        for _ in range(IDLE):
            client = stack.enter_context(socket.create_connection((LOCAL, port)))
            client.sendall(b"x")
            client.recv(1) or _short("echo")
        return Memory(_memory(pid, "Pss") - before, _memory(pid, "Rss"))


def _memory(pid: int, what: str) -> float:
    """Of a process and its children."""
    return sum(memory(member, what) for member in (pid, *children(pid)))


@contextmanager
def _relay(name: str, host: str, to: int) -> Iterator[tuple[int, int]]:
    """Its pid and its port."""
    port = talk.free_ports(1)[0]
    with started(_argv(name, port, host, to)) as process:
        _until_it_accepts(port)
        yield process.pid, port


def _argv(name: str, port: int, host: str, to: int) -> list[str]:
    if not name.startswith(SOCAT):
        how = [] if name == KFW else [name]
        return [sys.executable, "-m", "tests.bench.relay_process", str(port), host, str(to), *how]
    socat, *flags = name.split()
    return [
        socat,
        *flags,
        f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=1024",
        f"TCP:{host}:{to}",
    ]


@contextmanager
def _loopback() -> Iterator[Far]:
    with started([sys.executable, "-m", "tests.bench.relay_server"]) as server:
        assert server.stdout is not None
        echo, source, sink = map(int, server.stdout.readline().split())
        yield Far("loopback", "127.0.0.1", echo, source, sink)


def _until_it_accepts(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection((LOCAL, port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError(f"nothing listens on {port}")


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]
