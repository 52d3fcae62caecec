"""How fast: opens, round trips and streams through kfw's tunnel beside kubectl's, in paired rounds of one run."""

import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median, quantiles

from tests.bench.row import Config, Row, row
from tests.bench.tunnel_ways import KFW, KUBECTL, Way, both, in_turn, pods

MIB = 1 << 20
AT_ONCE = 16
ECHO, SOURCE, HTTP = 9000, 9002, 8080
BUFFER = bytearray(MIB)


@dataclass(frozen=True)
class Size:
    """What one round does."""

    opens: int
    echoes: int
    stream: int  # bytes


@dataclass(frozen=True)
class Sample:
    """Milliseconds, opens per second, MB/s, processor seconds of the tool per GB."""

    open: float
    open_p95: float
    at_once: float
    echo: float
    down: float
    up: float
    down_cpu: float
    up_cpu: float


def rows(config: Config) -> list[Row]:
    rounds, size = (3, Size(150, 500, 64 * MIB)) if config.short else (7, Size(300, 1000, 256 * MIB))
    target = f"pod/{pods(config.rig, 'app=web')[0]}"
    samples: dict[str, list[Sample]] = {KFW: [], KUBECTL: []}
    for number in range(rounds):
        with both(config.rig, target, (ECHO, SOURCE, HTTP)) as ways:  # kubectl does not live long
            for way in in_turn(ways, number):
                samples[way.name].append(_sample(way, size))
    return list(_rows(samples))


def _rows(samples: dict[str, list[Sample]]) -> Iterator[Row]:
    for what, unit, bound, figure in (
        ("open + first byte, p50", "ms", "<= 0.6x", lambda s: s.open),
        ("open + first byte, p95", "ms", "", lambda s: s.open_p95),
        (f"{AT_ONCE} at once", "opens/s", ">= 1.7x", lambda s: s.at_once),
        ("echo of 64 bytes, p50", "ms", "<= 0.9x", lambda s: s.echo),
        ("one stream down", "MB/s", ">= 1.1x", lambda s: s.down),
        ("one stream up", "MB/s", ">= 1.3x", lambda s: s.up),
        ("processor, down", "s/GB", "<= 0.75x", lambda s: s.down_cpu),
        ("processor, up", "s/GB", "<= 0.55x", lambda s: s.up_cpu),
    ):
        yield _row(what, unit, bound, figure, samples)


def _row(
    what: str, unit: str, bound: str, figure: Callable[[Sample], float], samples: dict[str, list[Sample]]
) -> Row:
    """The ratio is the median of the rounds' ratios: both sides of a round saw the same noise."""
    ours, theirs = ([figure(sample) for sample in samples[name]] for name in (KFW, KUBECTL))
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    return row(f"tunnel: {what}, than kubectl", median(ours), unit, bound, than=median(ours) / ratio)


def _sample(way: Way, size: Size) -> Sample:
    opens = [_open_and_echo(way.ports[ECHO]) * 1000 for _ in range(size.opens)]
    at_once = _many_at_once(way.ports[ECHO], size.opens)
    down, down_cpu = _costs(way, size, lambda: download(way.ports[SOURCE], size.stream))
    up, up_cpu = _costs(way, size, lambda: upload(way.ports[HTTP], size.stream))
    echo = _echo(way.ports[ECHO], size.echoes)
    p95 = quantiles(opens, n=20)[-1]
    return Sample(median(opens), p95, at_once, echo, down, up, down_cpu, up_cpu)


def _costs(way: Way, size: Size, carry: Callable[[], float]) -> tuple[float, float]:
    """MB/s, and the tool's processor seconds per GB."""
    before = way.processor()
    took = carry()
    return size.stream / 1e6 / took, (way.processor() - before) / (size.stream / 1e9)


def _open_and_echo(port: int) -> float:
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(b"x" * 64)
        assert client.recv(64), "no echo"
        return time.perf_counter() - began


def _many_at_once(port: int, count: int) -> float:
    began = time.perf_counter()
    for _ in range(0, count, AT_ONCE):
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(AT_ONCE)
            ]
            for client in clients:
                client.sendall(b"x" * 64)
            for client in clients:
                assert client.recv(64), "no echo"
    return count / (time.perf_counter() - began)


def _echo(port: int, count: int) -> float:
    took = []
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            client.sendall(b"x" * 64)
            client.recv(64)
            took.append(time.perf_counter() - began)
    return median(took) * 1000


def download(port: int, size: int, *, check: bool = False) -> float:
    """Seconds. `check`: compare each byte with what the app sends: byte i is i % 251."""
    pattern = bytes(i % 251 for i in range(251 * 4200))
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        began = time.perf_counter()
        client.sendall(b"%d\n" % size)
        at = 0
        while at < size:
            got = client.recv_into(BUFFER, min(size - at, MIB), 0 if check else socket.MSG_TRUNC)
            assert got, f"the download ended after {at} of {size} bytes"
            assert not check or BUFFER[:got] == pattern[at % 251 : at % 251 + got], f"wrong bytes after {at}"
            at += got
        return time.perf_counter() - began


def upload(port: int, size: int, *, block: bytes = bytes(MIB)) -> float:
    """Seconds, until the app has answered with the right length and checksum."""
    digest = hashlib.sha256()
    for _ in range(size // MIB):
        digest.update(block)
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        began = time.perf_counter()
        client.sendall(b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            client.sendall(block)
        answer = client.recv(65536)
        took = time.perf_counter() - began
    assert digest.hexdigest().encode() in answer, f"wrong bytes arrived: {answer!r}"
    return took
