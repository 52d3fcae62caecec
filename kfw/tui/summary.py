"""The lines above and below the table: how many are well, what is out, what the selected one needs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kfw import view
from kfw.tui.rows import LiveForward
from kfw.tui.sparkline import rate

#: Statuses that are worth a count of their own, in this order.
_COUNTED = ("active", "degraded", "starting", "reconnecting", "suspended", "error", "stopped", "disabled")


def summary_line(forwards: Sequence[LiveForward], shown: int, daemon: dict[str, Any] | None) -> str:
    """`12 forwards: 9 active, 1 error  3 connections  1.2 MB/s`, and how many of them are in the list."""
    if daemon is None:
        return "no daemon"
    counts = Counter(forward.row["status"] for forward in forwards)
    said = ", ".join(f"{counts[status]} {status}" for status in _COUNTED if counts[status])
    noun = "forward" if len(forwards) == 1 else "forwards"
    parts = [f"{len(forwards)} {noun}" + (f": {said}" if said else "")]
    if shown != len(forwards):
        parts.insert(0, f"{shown} of")
        parts = [" ".join(parts)]
    if open_now := sum(forward.row["connections"] for forward in forwards):
        parts.append(f"{open_now} connection{'' if open_now == 1 else 's'}")
    if speed := rate(sum(forward.rate_in + forward.rate_out for forward in forwards)):
        parts.append(speed)
    return "  ".join(parts)


def empty_line(known: int, problem: str, search: str) -> str:
    """What stands in a list without lines."""
    if known and search:
        return f"nothing matches '{search}'; Esc shows all"
    return (
        ""
        if known or problem
        else "nothing is forwarded; a adds a forward, `kfw up` starts the configured ones"
    )


def outage_lines(forwards: Sequence[LiveForward], now: float) -> list[str]:
    """A line for each cluster that several forwards wait for."""
    return [view.outage_line(outage, now) for outage in view.outages_of([one.row for one in forwards])]


def notes(forwards: Sequence[LiveForward], now: float) -> dict[str, str]:
    """What is to be said of each, by name. What an outage says is not said again for each that waits."""
    told = view.told_of(view.outages_of([one.row for one in forwards]))
    said = {
        one.name: f"waits for {view.clean(one.row['context'])}"
        if view.shown(one.row) in told
        else view.remark(one.row, now)
        for one in forwards
    }
    return {name: note for name, note in said.items() if note}
