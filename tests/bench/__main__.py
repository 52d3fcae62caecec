"""usage: python -m tests.bench [AREA...] [--short]

Measures on this machine and the rig, prints a table, writes build/bench.json. Exit code 1 when a bound is missed; with
--short (fewer rounds, for CI) only when one is missed by more than twice.
"""

import argparse
import importlib
import json
import os
import sys

from tests.bench.row import Config, Row, clearly_broken, table
from tests.real.rig import ROOT, Rig, RigMissing

AREAS = (
    "startup",
    "daemon",
    "recovery",
    "relay",
    "tunnel_speed",
    "tunnel_rough",
    "tunnel_pods",
)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measures; writes build/bench.json."
    )
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"{', '.join(AREAS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="fewer rounds, for CI")
    asked = parser.parse_args(argv)
    if unknown := set(asked.areas) - set(AREAS):
        parser.error(f"no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    try:
        config = Config(short=asked.short, rig=Rig.from_environment(os.environ))
    except RigMissing as missing:
        parser.error(str(missing))
    rows = [row for area in asked.areas or AREAS for row in _measured(area, config)]
    _write(rows)
    print(table(rows))
    return int(any(clearly_broken(row) if asked.short else not row["holds"] for row in rows))


def _measured(area: str, config: Config) -> list[Row]:
    print(f"-- {area}", file=sys.stderr, flush=True)
    rows: list[Row] = importlib.import_module(f"tests.bench.{area}").rows(config)
    return rows


def _write(rows: list[Row]) -> None:
    file = ROOT / "build" / "bench.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
