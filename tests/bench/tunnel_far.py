"""A cluster that is 50 ms away: all that goes to the API server comes 25 ms later, each way."""

import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.bench import traffic
from tests.bench.processes import started
from tests.bench.row import Config, Row, paired
from tests.bench.traffic import AT_ONCE
from tests.bench.tunnel_rivals import KR8S, KRELAY, KUBEFWD, asked, rivals
from tests.bench.tunnel_ways import KFW, KUBECTL, Way, both, in_turn, pods
from tests.real.rig import Rig, run

ECHO = 9000
DELAY = 0.025  # seconds each way
#: By who was measured.
Round = dict[str, tuple[float, float, float]]
AWAY = f"{DELAY * 2000:.0f} ms away"


def rows(config: Config) -> list[Row]:
    count, opens = (1, 15) if config.short else (2, 20)
    pod = pods(config.rig, "app=web")[0]
    rounds: list[Round] = []
    with far_away(config.rig) as rig:
        with rivals(rig, pod, (ECHO,), () if config.short else (KRELAY, KUBEFWD, KR8S)) as others:
            for number in range(count):
                with both(rig, f"pod/{pod}", (ECHO,)) as ways:
                    everybody = in_turn([*ways, *others], number)
                    rounds.append(asked(everybody, lambda way: _measured(way, opens)))
    return [row for name in rounds[0] if name != KUBECTL for row in _rows(name, rounds)]


def _rows(name: str, rounds: list[Round]) -> Iterator[Row]:
    who, bound = ("tunnel", "< 56") if name == KFW else (name, "")
    for index, (what, unit, wanted) in enumerate(
        (
            ("open + first byte, p50", "ms", bound),
            (f"the first {AT_ONCE} at once", "ms", ""),
            (f"{AT_ONCE} at once", "opens/s", ""),
        )
    ):
        pairs = [(one[name][index], one[KUBECTL][index]) for one in rounds if {name, KUBECTL} <= one.keys()]
        yield paired(f"{who}: {AWAY}, {what}, than kubectl", unit, wanted, pairs)


def _measured(way: Way, opens: int) -> tuple[float, float, float]:
    """The first many at once are not like the others: kfw may dial more links for them."""
    at = way.at(ECHO)
    times = [traffic.open_and_echo(at) * 1000 for _ in range(opens)]
    first = AT_ONCE / traffic.opens(at, AT_ONCE) * 1000
    traffic.opens(at, 2 * AT_ONCE)
    return median(times), first, traffic.opens(at, 4 * AT_ONCE)


@contextmanager
def far_away(rig: Rig) -> Iterator[Rig]:
    """The same cluster by a kubeconfig whose server is a relay that takes its time; TLS passes through it."""
    folder = Path(tempfile.mkdtemp(prefix="kfw-far-"))
    copy = folder / "kubeconfig"
    shutil.copyfile(rig.kubeconfig, copy)
    relay = [sys.executable, "-m", "tests.bench.delay_process", "127.0.0.1", str(rig.api_port), str(DELAY)]
    try:
        with started(relay) as process:
            assert process.stdout is not None
            server = f"https://127.0.0.1:{int(process.stdout.readline())}"
            kubectl = ("kubectl", "--kubeconfig", str(copy), "config")
            view = json.loads(run(*kubectl, "view", "--minify", "-o", "json", timeout=10))
            run(*kubectl, "set-cluster", view["clusters"][0]["name"], "--server", server, timeout=10)
            yield dataclasses.replace(rig, kubeconfig=copy)
    finally:
        shutil.rmtree(folder)
