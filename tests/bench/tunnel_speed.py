"""How fast: opens, round trips and streams through kfw's tunnel and its rivals, in paired rounds of one run with kubectl."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from tests.bench import traffic
from tests.bench.row import Config, Row, paired
from tests.bench.traffic import AT_ONCE, MIB
from tests.bench.tunnel_rivals import ALL, SOCAT, asked, rivals
from tests.bench.tunnel_ways import KFW, KUBECTL, Way, both, in_turn, pods

ECHO, SOURCE, HTTP = 9000, 9002, 8080
STREAMS = 8
#: In the rounds after these only kfw and kubectl are measured.
RIVAL_ROUNDS = 2

#: What is measured, in which unit, and what kfw must reach beside kubectl.
FIGURES = (
    ("open + first byte, p50", "ms", "<= 0.6x"),
    ("open + first byte, p95", "ms", ""),
    ("open + first byte, p99", "ms", ""),
    (f"{AT_ONCE} at once", "opens/s", ">= 1.7x"),
    ("echo of 64 bytes, p50", "ms", "<= 0.9x"),
    ("one stream down", "MB/s", ">= 1.1x"),
    ("one stream up", "MB/s", ">= 1.3x"),
    (f"{STREAMS} streams down", "MB/s", ""),
    (f"{STREAMS} streams up", "MB/s", ""),
    ("processor, down", "s/GB", "<= 0.75x"),
    ("processor, up", "s/GB", "<= 0.55x"),
)

#: By what is measured.
Sample = Mapping[str, float]


@dataclass(frozen=True)
class Size:
    """What one round does."""

    opens: int
    echoes: int
    stream: int  # bytes


def rows(config: Config) -> list[Row]:
    count, size = (2, Size(100, 300, 64 * MIB)) if config.short else (4, Size(200, 1000, 128 * MIB))
    pod = pods(config.rig, "app=web")[0]
    ports = (ECHO, SOURCE, HTTP)
    rounds: list[dict[str, Sample]] = []
    for number in range(count):
        names = (SOCAT,) if config.short else ALL if number < RIVAL_ROUNDS else ()
        with (
            both(config.rig, f"pod/{pod}", ports) as ways,  # kubectl does not live long
            rivals(config.rig, pod, ports, names) as others,
        ):
            everybody = in_turn([*ways, *others], number)
            rounds.append(asked(everybody, lambda way: _measured(way, size)))
    return [row for name in (KFW, *ALL) for row in compared(name, rounds)]


def compared(name: str, rounds: Sequence[Mapping[str, Sample]]) -> Iterator[Row]:
    """Rows of this one beside kubectl; only kfw has bounds."""
    for what, unit, bound in FIGURES:
        pairs = [
            (one[name][what], one[KUBECTL][what])
            for one in rounds
            if KUBECTL in one and what in one.get(name, ())
        ]
        if pairs:
            who, bound = ("tunnel", bound) if name == KFW else (name, "")
            yield paired(f"{who}: {what}, than kubectl", unit, bound, pairs)


def _measured(way: Way, size: Size) -> Sample:
    echo = way.at(ECHO)
    times = [traffic.open_and_echo(echo) * 1000 for _ in range(size.opens)]
    part = quantiles(times, n=100)
    traffic.opens(echo, 2 * AT_ONCE)  # warm
    at_once = traffic.opens(echo, size.opens)
    down, down_cost = _costs(way, size, lambda: traffic.download(way.at(SOURCE), size.stream))
    up, up_cost = _costs(way, size, lambda: traffic.upload(way.at(HTTP), size.stream))
    downs = size.stream / 1e6 / traffic.download(way.at(SOURCE), size.stream, STREAMS)
    ups = size.stream / 1e6 / traffic.upload(way.at(HTTP), size.stream, STREAMS)
    trip = traffic.echo(echo, size.echoes) * 1000
    values = (part[49], part[94], part[98], at_once, trip, down, up, downs, ups, down_cost, up_cost)
    asked = FIGURES if way.pid else FIGURES[:-2]
    return {what: value for (what, _, _), value in zip(asked, values, strict=False)}


def _costs(way: Way, size: Size, carry: Callable[[], float]) -> tuple[float, float]:
    """MB/s, and the tool's processor seconds per GB."""
    before = way.processor() if way.pid else 0.0
    took = carry()
    cost = way.processor() - before if way.pid else 0.0
    return size.stream / 1e6 / took, cost / (size.stream / 1e9)
