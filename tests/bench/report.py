"""Rows of build/bench.json as people read them: tables in Markdown, between two markers of a page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.row import Row, times

BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"

#: What the README shows, by the beginnings of the rows' names.
CHOSEN = (
    "tunnel: open + first byte, p50",
    "tunnel: 50 ms away, open + first byte",
    "tunnel: 16 at once",
    "tunnel: one stream down",
    "tunnel: one stream up",
    "tunnel: memory with 100 forwards and",
    "tunnel: memory per forward, than",
    "tunnel: rolling restart",
    "tunnel: the pod in use killed",
    "tunnel: all pods killed",
    "tunnel: API silent for 20 s, from",
    "node port: one stream down, than socat -b",
    "node port: one stream up, than socat -b",
    "node port: new connections",
    "daemon: processor",
    "socat: killed child until active",
    "kfw start",
    "kfw status",
)

_FAILED = re.compile(r"(?P<what>.*failed) of (?P<tried>\d+)(?:, than (?P<rival>.*) of (?P<rivals>\d+))?")


@dataclass(frozen=True)
class Spoken:
    """A row in words: what was measured, kfw's figure, that of whom it is compared with, and how many times."""

    what: str
    ours: str
    theirs: str
    times: str


def spoken(row: Row) -> Spoken:
    if failed := _FAILED.fullmatch(row["name"]):
        return _of_so_many(row, failed)
    what, _, rival = row["name"].partition(", than ")
    theirs = "" if row["than"] is None else f"{rival}: {_figure(row['than'], row['unit'])}"
    return Spoken(what, _figure(row["value"], row["unit"]), theirs, _times(row))


def _of_so_many(row: Row, failed: re.Match[str]) -> Spoken:
    theirs = f"{failed['rival']}: {row['than']:g} of {failed['rivals']}" if failed["rival"] else ""
    return Spoken(f"{failed['what']}", f"{row['value']:g} of {failed['tried']}", theirs, "")


def _figure(value: float, unit: str) -> str:
    """Three digits: more is noise."""
    number = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return f"{number} {unit}".replace(" %", " %")


def _times(row: Row) -> str:
    return "" if row["ratio"] is None else times(row["ratio"])


def short_table(rows: Sequence[Row]) -> str:
    """The chosen ones. AssertionError names those that are missing: build/bench.json is of a part of the bench."""
    found = {name: [row for row in rows if row["name"].startswith(name)] for name in CHOSEN}
    missing = [name for name, some in found.items() if not some]
    assert not missing, f"no such rows, run make bench: {'; '.join(missing)}"
    lines = (spoken(row) for some in found.values() for row in some)
    return _table(("what", "kfw", "compared with", ""), ((x.what, x.ours, x.theirs, x.times) for x in lines))


def long_table(rows: Sequence[Row]) -> str:
    """All of them, with what they must be."""
    lines = ((spoken(row), row) for row in rows)
    cells = ((x.what, x.ours, x.theirs, x.times, row["bound"], _holds(row)) for x, row in lines)
    return _table(("what", "value", "compared with", "", "must be", "holds"), cells)


def _holds(row: Row) -> str:
    return "" if not row["bound"] else "yes" if row["holds"] else "**no**"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(line)} |") for line in lines)


def verdict(rows: Sequence[Row]) -> str:
    """How many figures hold, in half a sentence."""
    bound = [row for row in rows if row["bound"]]
    return f"{sum(row['holds'] for row in bound)} of {len(bound)} figures that have a bound hold"


def missed(rows: Sequence[Row]) -> str:
    """A line for each figure that does not hold."""
    lines = [f"- {row['name']}: must be `{row['bound']}`" for row in rows if not row["holds"]]
    return "\n".join(["These do not hold:", "", *lines]) if lines else "All of them hold."


def where(run: Mapping[str, Any]) -> str:
    """One sentence of build/bench-run.json: the machine and the versions."""
    minutes = sum(run["seconds"].values()) / 60
    return (
        f"Measured on {run['day']} in {minutes:.0f} minutes, commit {run['commit']}: {run['processor']}, "
        f"{run['cores']} cores, {run['memory_gb']} GB, {run['system']}, Python {run['python']}, "
        f"Kubernetes {run['kubernetes']}, kubectl {run['kubectl']}; load of the last 15 minutes {run['load']}."
    )


def put(page: Path, text: str, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """Between the page's markers."""
    before, begin, rest = page.read_text().partition(markers[0])
    _, end, after = rest.partition(markers[1])
    assert begin and end, f"{page} has no {markers[0]} and {markers[1]}"
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")
