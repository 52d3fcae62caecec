"""Beside another kfw, that of an earlier commit: the same work in turn, both daemons up all the time.

Two runs one after the other do not compare: within minutes this kind of machine becomes slower or quicker by a tenth, which
is more than what is looked for. A ratio is the median of the rounds' ratios, and its bound is 1 plus its own noise.
"""

import random
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TypeVar

from tests.bench import traffic
from tests.bench.processes import memory
from tests.bench.row import Config, Row, paired, row
from tests.bench.traffic import AT_ONCE, MIB
from tests.bench.tunnel_ways import Way, kfw_tunnel, pods
from tests.real.running import KFW, Kfw

ECHO, SOURCE, HTTP = 9000, 9002, 8080
OPENS, STREAM, STATUSES = 10 * AT_ONCE, 64 * MIB, 4
#: In the first rounds both warm up.
WARM_UP = 2
#: The noise of a median: the rounds' ratios are drawn again so often, and so much is left out at each end.
DRAWS, LEFT_OUT = 2000, 0.025
#: So little more counts as the same.
THE_SAME = 0.01

T = TypeVar("T")
Sample = Mapping[str, float]
#: What is measured, and its unit; less is better.
FIGURES = {
    "open + first byte, p50": "ms",
    "processor for an open": "ms",
    f"{AT_ONCE} at once, each": "ms",
    f"processor for one of {AT_ONCE} at once": "ms",
    "echo of 64 bytes, p50": "ms",
    "one stream down": "s/GB",
    "processor, down": "s/GB",
    "one stream up": "s/GB",
    "processor, up": "s/GB",
    "kfw status, whole process": "ms",
}


def rows(config: Config) -> list[Row]:
    assert config.beside, "which other kfw? --beside CHECKOUT/.venv/bin/kfw"
    pod = pods(config.rig, "app=web")[0]
    with ExitStack() as stack:
        both = [
            stack.enter_context(
                kfw_tunnel(config.rig.kubeconfig, f"pod/{pod}", (ECHO, SOURCE, HTTP), program=program)
            )
            for program in (KFW, config.beside)
        ]
        rounds = [_round(both, number) for number in range(WARM_UP + (6 if config.short else 40))][WARM_UP:]
        sizes = [memory(way.pid) for _, way in both]
    name = f"beside {_checkout(config.beside)}"
    found = [
        _compared(f"{name}: {what}", unit, [_pair(one, what) for one in rounds])
        for what, unit in FIGURES.items()
    ]
    return [*found, row(f"{name}: memory with 3 forwards", sizes[0], "MB", than=sizes[1])]


def noise(ratios: Sequence[float]) -> float:
    """So far their median may be from the true one, with 95 % certainty: by drawing from them again and again."""
    draw = random.Random(len(ratios))
    medians = sorted(median(draw.choices(ratios, k=len(ratios))) for _ in range(DRAWS))
    left_out = round(DRAWS * LEFT_OUT)
    return (medians[-1 - left_out] - medians[left_out]) / 2


def _compared(name: str, unit: str, pairs: Sequence[tuple[float, float]]) -> Row:
    bound = 1 + max(THE_SAME, noise([ours / other for ours, other in pairs]))
    return paired(name, unit, f"<= {bound:.3f}x", pairs)


def _pair(one: Sequence[Sample], what: str) -> tuple[float, float]:
    return one[0][what], one[1][what]


def _round(both: Sequence[tuple[Kfw, Way]], number: int) -> list[Sample]:
    """Of both, in their order; who is first changes."""
    turn = range(len(both)) if number % 2 else reversed(range(len(both)))
    samples = {index: _measured(*both[index]) for index in turn}
    return [samples[index] for index in sorted(samples)]


def _measured(kfw: Kfw, way: Way) -> Sample:
    times, opens = _costs(way, lambda: [traffic.open_and_echo(way.at(ECHO)) for _ in range(OPENS)])
    rate, at_once = _costs(way, lambda: traffic.opens(way.at(ECHO), 2 * OPENS))
    echo = traffic.echo(way.at(ECHO), 300)
    down, down_cost = _costs(way, lambda: traffic.download(way.at(SOURCE), STREAM))
    up, up_cost = _costs(way, lambda: traffic.upload(way.at(HTTP), STREAM))
    status = [_seconds(lambda: kfw("status")) for _ in range(STATUSES)]
    thousand, billion = 1000.0, 1e9 / STREAM
    values = (
        median(times) * thousand,
        opens / OPENS * thousand,
        thousand / rate,
        at_once / (2 * OPENS) * thousand,
        echo * thousand,
        down * billion,
        down_cost * billion,
        up * billion,
        up_cost * billion,
        median(status) * thousand,
    )
    return dict(zip(FIGURES, values, strict=True))


def _costs(way: Way, act: Callable[[], T]) -> tuple[T, float]:
    """What it returns, and the seconds of the daemon's processor that it has cost."""
    before = way.processor()
    done = act()
    return done, way.processor() - before


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _checkout(program: Path) -> str:
    """Its commit."""
    argv = ["git", "-C", str(program.resolve().parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "another kfw"
