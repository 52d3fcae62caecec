"""usage: python -m tests.bench [AREA...] [--short] [--minutes N] [--beside PROGRAM]

`daemon` is also daemon_many and what else begins so. `web --minutes 60` keeps the page open for an hour, and measures its
heap. `tunnel_beside --beside CHECKOUT/.venv/bin/kfw` compares with the kfw of another checkout, where `make setup` was run.

Measures on this machine and the rig, prints a table, writes build/bench.json (and build/bench-run.json: where, when, how
long). Exit code 1 when a bound is missed; with --short (fewer rounds, for CI) only when one is missed by more than twice.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.machine import about
from tests.bench.row import Config, Row, clearly_broken, closing, table
from tests.real.rig import ROOT, Rig, RigMissing

#: From the quickest to those that make a cluster of their own.
AREAS = (
    "startup",
    "tui",
    "web",
    "daemon",
    "daemon_many",
    "daemon_changes",
    "daemon_crashes",
    "recovery",
    "extras",
    "relay",
    "tunnel_speed",
    "tunnel_far",
    "tunnel_memory",
    "tunnel_rough",
    "tunnel_pods",
    "tunnel_silent",
)
#: Asked for by its whole name only.
BESIDE = "tunnel_beside"
BUILD = ROOT / "build"


def main(argv: list[str]) -> int:
    asked = _arguments(argv)
    place = about(asked.config.rig)
    began, rows, seconds, failed = time.monotonic(), list[Row](), dict[str, float](), list[str]()
    for area in asked.areas:
        began_area = time.monotonic()
        try:
            rows += _measured(area, asked.config)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            failed.append(area)
            print(f"   {area} has failed: {error}", file=sys.stderr, flush=True)
        seconds[area] = round(time.monotonic() - began_area, 1)
        _write("bench.json", rows)  # each time: a run that is broken off has measured something, too
        _write("bench-run.json", place | {"short": asked.config.short, "seconds": seconds})
    print(table(rows))
    print(closing(rows, failed, time.monotonic() - began))
    return _verdict(rows, failed, short=asked.config.short)


def _verdict(rows: Sequence[Row], failed: Sequence[str], *, short: bool) -> int:
    missed = any(clearly_broken(row) if short else not row["holds"] for row in rows)
    return int(missed or bool(failed))


def _arguments(argv: list[str]) -> argparse.Namespace:
    """`areas`, and `config` of the rig that the environment names."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measures; writes build/bench.json."
    )
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"{', '.join(AREAS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="fewer rounds, for CI")
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="web: only the page's heap, daemon_changes: its memory, over so long",
    )
    parser.add_argument(
        "--beside", type=Path, metavar="PROGRAM", help=f"{BESIDE}: the other kfw, CHECKOUT/.venv/bin/kfw"
    )
    asked = parser.parse_args(argv)
    if (asked.beside is not None) != (asked.areas == [BESIDE]):
        parser.error(f"--beside is for {BESIDE} alone, which needs it")
    if asked.minutes and asked.areas not in (["web"], ["daemon_changes"]):
        parser.error("--minutes is for web or for daemon_changes alone")
    if unknown := [word for word in asked.areas if not areas_of([word])]:
        parser.error(f"no area {', '.join(unknown)}; there are {', '.join(AREAS)}")
    asked.areas = areas_of(asked.areas) or AREAS
    try:
        asked.config = Config(asked.short, Rig.from_environment(os.environ), asked.minutes, asked.beside)
    except RigMissing as missing:
        parser.error(str(missing))
    return asked


def areas_of(words: Sequence[str]) -> list[str]:
    """`daemon` is also daemon_many and the others that begin so, `tunnel` all of the tunnel's."""
    if list(words) == [BESIDE]:
        return [BESIDE]
    return [area for area in AREAS if any(area == word or area.startswith(f"{word}_") for word in words)]


def _measured(area: str, config: Config) -> list[Row]:
    print(f"-- {area}", file=sys.stderr, flush=True)
    rows: list[Row] = importlib.import_module(f"tests.bench.{area}").rows(config)
    return rows


def _write(name: str, what: object) -> None:
    BUILD.mkdir(exist_ok=True)
    (BUILD / name).write_text(json.dumps(what, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
