"""usage: python -m tests.real.chaos [--list] [--only FAULT]... [--again] [--methods M,M] [--short] [--seed N] [--write-docs]

Breaks a cluster of its own in every way of the list, each under load, and judges. A line for each cell, and one for each
thing that does not hold; build/chaos/whole.json (part.json with --only or --methods) has the figures, build/chaos/logs the
daemon's logs. Exit code 1 when something does not hold. Ctrl+C takes all back.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence

from tests.bench.machine import about
from tests.real import rig as rigs
from tests.real.chaos import cell as cells
from tests.real.chaos import report, rounds
from tests.real.chaos.cell import METHODS, Cell
from tests.real.chaos.faults import FAULTS, Fault
from tests.real.chaos.judge import judge
from tests.real.chaos.rounds import Options
from tests.real.chaos.scene import Cluster
from tests.real.rig import ROOT

BUILD = ROOT / "build" / "chaos"
WHOLE, PART, RUN = BUILD / "whole.json", BUILD / "part.json", BUILD / "whole-run.json"


def main(argv: Sequence[str]) -> int:
    be_interruptible()
    asked = _arguments(argv)
    if asked.list:
        for fault in FAULTS.values():
            print(f"{fault.name:32} {fault.title} ({', '.join(fault.methods)})")
        return 0
    if asked.write_docs:
        titles = {fault.name: fault.title for fault in FAULTS.values()}
        report.write_page(cells.read(WHOLE), json.loads(RUN.read_text()), titles)
        return 0
    kept = cells.read(WHOLE) if asked.again else []
    chosen = _not_held(kept) if asked.again else _chosen(asked.only)
    whole = asked.again or (
        len(chosen) == len(FAULTS) and len(asked.methods) == len(METHODS) and not asked.short
    )
    cluster = Cluster(rigs.up(asked.cluster))
    try:
        return _run(cluster, chosen, asked, kept, whole=whole)
    except KeyboardInterrupt:
        print("interrupted: all faults are taken back", file=sys.stderr)
        return 130
    finally:
        if asked.keep:
            rigs.up(asked.cluster)
        else:
            rigs.cluster("down", asked.cluster)


def _run(
    cluster: Cluster, chosen: Sequence[Fault], asked: argparse.Namespace, kept: Sequence[Cell], *, whole: bool
) -> int:
    """`kept`: of the run before, whose rounds of the chosen faults are made again."""
    options = Options(asked.methods, asked.short, asked.rate, asked.seed, BUILD / "logs")
    place, began = about(cluster.rig), time.monotonic()
    done, broken = list[Cell](), 0
    cluster.prepare()
    for n, fault in enumerate(chosen, 1):
        print(f"-- {n} of {len(chosen)}: {fault.name}, {time.monotonic() - began:.0f} s", flush=True)
        try:
            made = rounds.run(cluster, fault, options)
        except (AssertionError, OSError, ValueError) as error:
            broken += 1
            print(f"   BROKEN: {fault.name}: {error}", flush=True)
            cluster = Cluster(rigs.up(cluster.rig.name))
            cluster.prepare()
            continue
        done += made
        again = [cell for cell in kept if cell.fault not in {one.fault for one in done}]
        cells.write(WHOLE if whole else PART, [*again, *done])
        for cell in made:
            print("  ", rounds.line(cell), flush=True)
            for said in judge(cell):
                print(f"   NOT SO: {cell.fault}, {cell.method}: {said}", flush=True)
    wrong = sum(bool(judge(cell)) for cell in done)
    seconds = time.monotonic() - began
    if whole:
        place |= {"seconds": round(seconds), "seed": asked.seed, "rate": asked.rate}
        if asked.again:
            first = json.loads(RUN.read_text())
            place = first | {"again": [*first.get("again", []), *(fault.name for fault in chosen)]}
        RUN.write_text(json.dumps(place))
    ours = sum(cell.ours for cell in done)
    print(
        f"{ours - wrong} of {ours} cells hold, {broken} faults could not be tried; {seconds / 60:.0f} minutes"
    )
    return int(bool(wrong or broken))


def be_interruptible() -> None:
    """Also in the background of a shell, where Ctrl+C is ignored, and by TERM: what was broken is taken back."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def _chosen(names: Sequence[str]) -> list[Fault]:
    return [FAULTS[name] for name in names] if names else list(FAULTS.values())


def _not_held(whole: Sequence[Cell]) -> list[Fault]:
    """Of a whole run: what has a cell that does not hold, or none at all."""
    held = {cell.fault for cell in whole} - {cell.fault for cell in whole if judge(cell)}
    return [fault for name, fault in FAULTS.items() if name not in held]


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.real.chaos", description="Faults under load.")
    parser.add_argument("--list", action="store_true", help="the faults, and nothing else")
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help="this fault; repeatable")
    parser.add_argument(
        "--again", action="store_true", help="of the last whole run, what did not hold; the page names it"
    )
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS), metavar="M,M")
    parser.add_argument("--short", action="store_true", help="go on as soon as all is well again")
    parser.add_argument("--rate", type=float, default=30.0, help="new connections a second, each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cluster", default="kfw-chaos", help="a cluster of the rig that is made for it")
    parser.add_argument("--keep", action="store_true", help="do not take the cluster down at the end")
    parser.add_argument(
        "--write-docs", action="store_true", help="docs/reliability.md from the last whole run"
    )
    asked = parser.parse_args(argv)
    if unknown := [name for name in asked.only if name not in FAULTS]:
        parser.error(f"no fault {', '.join(unknown)}; --list shows them")
    if asked.again and (asked.only or asked.short or asked.methods != list(METHODS)):
        parser.error("--again is about a whole run: it takes no --only, --short or --methods")
    if unknown := [name for name in asked.methods if name not in METHODS]:
        parser.error(f"no method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
