"""usage: python -m tests.mutants [MODULE...] [--sample N] [--seed N] [--minutes M] [--list]

Changes a module in one small way, runs its folder's tests, and says whether one of them saw it: killed, or lived. Ends with
a table, and with each change that lived. Exit code 1 when less than 90 % were killed.
"""

import argparse
import ast
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.mutants.changes import Change, changes_of
from tests.mutants.run import Outcome, run_tests

ROOT = Path(__file__).parents[2]
#: What must be killed.
SHARE = 0.9


@dataclass(frozen=True)
class Area:
    """A module, and the tests that are its own, those first that most often see a change."""

    module: str
    tests: tuple[str, ...]

    @property
    def file(self) -> Path:
        return ROOT / f"{self.module.replace('.', '/')}.py"


_TUNNEL = ("tests/methods/tunnel",)
_POOL = ("tests/methods/tunnel/test_pool.py", "tests/methods/tunnel/test_pool_waiting.py", *_TUNNEL)
AREAS = {
    "machine": Area(
        "kfw.supervisor.machine", ("tests/supervisor/test_machine.py", "tests/supervisor/test_runner.py")
    ),
    "resolve": Area(
        "kfw.target.resolve",
        tuple(f"tests/target/test_{name}.py" for name in ("resolve", "services", "readiness", "decode")),
    ),
    "connection": Area("kfw.relay.local_connection", ("tests/relay",)),
    "pool": Area("kfw.methods.tunnel.pool", _POOL),
    "pool_state": Area("kfw.methods.tunnel.pool_state", _POOL),
    "stream": Area("kfw.methods.tunnel.stream", _TUNNEL),
    "spdy": Area("kfw.wire.spdy", ("tests/wire",)),
    "merge": Area("kfw.config.merge", ("tests/config/test_merge.py", "tests/config")),
}


@dataclass
class Row:
    name: str
    found: int
    killed: int = 0
    lived: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        return self.killed + len(self.lived)


def main(argv: Sequence[str]) -> int:
    options = parse(argv)
    end = time.monotonic() + options.minutes * 60
    rows = [try_area(name, options, end) for name in options.modules or AREAS]
    print("\n".join(table(rows)))
    return 0 if all(row.killed >= SHARE * row.tried for row in rows) else 1


def try_area(name: str, options: argparse.Namespace, end: float) -> Row:
    area = AREAS[name]
    changes = changes_of(ast.parse(area.file.read_text()))
    chosen = sample(len(changes), options.sample, options.seed)
    row = Row(name, len(changes))
    if options.list:
        print("\n".join(f"{number}: {said(area, changes[number])}" for number in chosen))
        return row
    began = time.monotonic()
    if (outcome := run_tests(area.module, area.file, None, area.tests, 600)) is not Outcome.LIVED:
        raise SystemExit(f"{name}: its tests do not pass without a change ({outcome.value})")
    patience = 10 + 5 * (time.monotonic() - began)
    for number in chosen:
        if time.monotonic() > end:
            break
        outcome = run_tests(area.module, area.file, number, area.tests, patience)
        print(f"{outcome.value:8} {number}: {said(area, changes[number])}", flush=True)
        if outcome is Outcome.LIVED:
            row.lived.append(f"{number}: {said(area, changes[number])}")
        else:
            row.killed += 1
    return row


def sample(count: int, size: int, seed: int) -> list[int]:
    """All where `size` is 0 or more than there are."""
    numbers = list(range(count))
    return sorted(Random(seed).sample(numbers, size)) if 0 < size < count else numbers


def said(area: Area, change: Change) -> str:
    return f"{area.file.relative_to(ROOT)}:{change.line} {change.what}"


def table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{'module':12}{'changes':>8}{'tried':>7}{'killed':>8}{'lived':>7}"
    for row in rows:
        share = f"{100 * row.killed / row.tried:5.0f} %" if row.tried else ""
        yield f"{row.name:12}{row.found:8}{row.tried:7}{row.killed:8}{len(row.lived):7}{share}"
    for row in rows:
        yield from (f"lived {one}" for one in row.lived)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", choices=[*AREAS, []], metavar="MODULE", help=f"of {', '.join(AREAS)}; else all"
    )
    parser.add_argument(
        "--sample", type=int, default=0, help="so many changes of each module, drawn by --seed; else all"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=24 * 60, help="begin no change after so long")
    parser.add_argument("--list", action="store_true", help="only say what would be changed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
