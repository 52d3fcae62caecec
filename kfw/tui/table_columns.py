"""The columns of the table: what stands in them, and how wide each is in a window. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kfw import view
from kfw.tui.rows import LiveForward
from kfw.tui.sparkline import rate, sparkline

GAP = 2
#: Columns of numbers, which stand to the right.
RIGHT = frozenset({"CONN", "AGE"})
#: What tells these apart is at their end as well.
CUT_IN_THE_MIDDLE = frozenset({"NAME", "TARGET", "CLUSTER"})
_TITLES = ("NAME", "STATUS", "LOCAL", "TARGET", "METHOD", "CONN", "RATE", "AGE", "CLUSTER")
#: `1.2 MB/s`, then the sparkline where there is room for one.
_RATE, _SPARK = 10, 8
#: What is known without looking at a forward.
_FIXED = {"STATUS": 14, "CONN": 4, "RATE": _RATE + 1 + _SPARK, "AGE": 6}
#: What is given up, step by step, until all fits: a column down to a width, 0 is without it. The status and the address
#: are never cut.
_STEPS = (
    ("TARGET", 28), ("CLUSTER", 16), ("NAME", 24), ("NOTE", 20), ("RATE", _RATE), ("NOTE", 14), ("METHOD", 0),
    ("TARGET", 18), ("CLUSTER", 0), ("RATE", 0), ("NOTE", 0), ("AGE", 0), ("NAME", 14), ("CONN", 0), ("TARGET", 0),
    ("NAME", 4),
)  # fmt: skip
#: These are either whole or not there.
_IN_STEPS = frozenset({"RATE"})
#: Columns that a note should have; there is one below the table, too.
_NOTE = 30


class Column(NamedTuple):
    title: str
    width: int


def columns(forwards: Sequence[LiveForward], width: int, *, has_notes: bool) -> list[Column]:
    """Those that fit in `width`; the last, NOTE, has what is left. The cluster only where there are several."""
    widths = {title: _natural(title, forwards) for title in _TITLES}
    if has_notes:
        widths["NOTE"] = _NOTE
    if len({forward.row["context"] for forward in forwards}) < 2:
        del widths["CLUSTER"]
    for title, least in _STEPS:
        excess = _sum(widths) - width
        if excess <= 0:
            break
        if widths.get(title, 0) <= least:
            continue
        if least == 0:
            del widths[title]
        else:
            widths[title] = least if title in _IN_STEPS else max(least, widths[title] - excess)
    if "NOTE" in widths:
        widths["NOTE"] += width - _sum(widths)
    return [Column(title, size) for title, size in widths.items()]


def _natural(title: str, forwards: Sequence[LiveForward]) -> int:
    if title in _FIXED:
        return _FIXED[title]
    room_for_arrow = len(title) + 1
    return max([room_for_arrow, *(len(forward.cells[title]) for forward in forwards)])


def _sum(widths: dict[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def cell(forward: LiveForward, column: Column, now: float, note: str) -> str:
    """Not cut yet; numbers stand to the right already. `note`: what is to be said of it."""
    row = forward.row
    match column.title:
        case "CONN":
            text = str(row["connections"] or "")
        case "AGE":
            text = view.uptime(max(now - forward.since, 0))
        case "RATE":
            return _rate_cell(forward, column.width)
        case "NOTE":
            return note
        case title:
            text = forward.cells[title]
            if title in CUT_IN_THE_MIDDLE:
                text = middle_cut(text, column.width)
    return text.rjust(column.width) if column.title in RIGHT else text


def stale_cell(forward: LiveForward, column: Column) -> str:
    """While nobody says what it is: only what does not change by itself."""
    match column.title:
        case "STATUS":
            return "? unknown"
        case "CONN" | "RATE" | "AGE" | "NOTE":
            return ""
        case _:
            return cell(forward, column, 0.0, "")


def middle_cut(text: str, width: int) -> str:
    """`shop/ser…api:http`: the end is the longer part."""
    if len(text) <= width or width < 3:
        return text[:width]
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _rate_cell(forward: LiveForward, width: int) -> str:
    said = rate(forward.rate_in + forward.rate_out).rjust(_RATE)
    return said if width <= _RATE else f"{said} {sparkline(forward.history, width - _RATE - 1)}"


def column_at(shown: Sequence[Column], x: int) -> str:
    """The title of the column that a click at `x` means, "" for none."""
    start = 0
    for column in shown:
        if start <= x < start + column.width + GAP:
            return column.title
        start += column.width + GAP
    return ""
