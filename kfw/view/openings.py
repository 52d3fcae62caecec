"""The table of `kfw perf`: how long each stage of an opening takes, and which one is to blame. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from kfw.view import DIM, clean, paint

#: Stage -> what it waits for.
_STAGES: Mapping[str, str] = {
    "accept": "this machine",
    "wait": "a pod that takes it",
    "dial": "the way to the pod",
    "firstByte": "the app",
}
_HEADER = ("FORWARD", "OPENED", "LOST", "ACCEPT", "WAIT", "DIAL", "FIRST BYTE", "MOSTLY FOR")


def opening_lines(rows: Sequence[Mapping[str, Any]], *, colour: bool) -> list[str]:
    """Medians, and behind them what one of a hundred takes longer than."""
    if not rows:
        return ["no connection was opened"]
    cells = [_HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return [paint(lines[0], DIM, colour), *lines[1:]]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = clean(row.get("displayName") or row["forward"])
    times = [_spread(row[stage]) for stage in _STAGES]
    return name, str(row["connections"]), str(row["lost"]), *times, slowest(row)


def slowest(row: Mapping[str, Any]) -> str:
    """What most connections waited for longest."""
    medians = {stage: row[stage]["median"] for stage in _STAGES if row[stage]}
    return _STAGES[max(medians, key=lambda stage: medians[stage])] if medians else "-"


def _spread(spread: Mapping[str, Any] | None) -> str:
    return "-" if spread is None else f"{shown(spread['median'])} / {shown(spread['p99'])}"


def shown(seconds: float) -> str:
    """0.07 ms, 3.4 ms, 12 ms, 3.4 s"""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    ms = seconds * 1000
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms" if ms >= 0.1 else f"{ms:.2f} ms"
