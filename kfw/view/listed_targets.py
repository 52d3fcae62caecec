"""What can be forwarded -> lines of text."""

from collections.abc import Mapping, Sequence
from typing import Any

from kfw.view import DIM, MIN_WIDTH, clean, cut, cut_apart, paint

Row = Mapping[str, Any]
_GAP = "  "
#: Columns that give up room, in this order, and how much is left of each.
_LEAST = {"PORTS": 12, "NAMESPACE": 10, "TARGET": 20}


def target_lines(rows: Sequence[Row], *, namespaces: bool, width: int, colour: bool) -> list[str]:
    """A table. `namespaces`: with a column for them; FORWARD has one only where it is not all yes."""
    columns = {"TARGET": [clean(row["target"]) for row in rows]}
    if namespaces:
        columns = {"NAMESPACE": [clean(row["namespace"]) for row in rows], **columns}
    columns["READY"] = [_ready(row) for row in rows]
    if any(row["mayForward"] is not True for row in rows):
        columns["FORWARD"] = [
            {True: "yes", False: "not permitted"}.get(row["mayForward"], "?") for row in rows
        ]
    columns["PORTS"] = [", ".join(map(_port, row["ports"])) or "-" for row in rows]
    widths = _fit({name: max(map(len, (name, *texts))) for name, texts in columns.items()}, width)
    if namespaces:
        columns["NAMESPACE"] = cut_apart(columns["NAMESPACE"], widths["NAMESPACE"])
    head, *lines = [
        _GAP.join(
            cut(text, room).ljust(room) for text, room in zip(texts, widths.values(), strict=True)
        ).rstrip()
        for texts in (tuple(columns), *zip(*columns.values(), strict=True))
    ]
    return [
        paint(head, DIM, colour),
        *(_painted(line, row, colour) for line, row in zip(lines, rows, strict=True)),
    ]


def _painted(line: str, row: Row, colour: bool) -> str:
    """What cannot be forwarded to now stands back."""
    return paint(line, DIM, colour and (row["ready"] == 0 or row["mayForward"] is False))


def _ready(row: Row) -> str:
    return "-" if row["pods"] is None else f"{row['ready']}/{row['pods']}"


def _port(port: Row) -> str:
    """`80 http (node 30080)`"""
    named = f"{port['number']} {clean(port['name'])}".rstrip()
    return f"{named} (node {port['nodePort']})" if port["nodePort"] else named


def _fit(widths: dict[str, int], width: int) -> dict[str, int]:
    excess = sum(widths.values()) + len(_GAP) * (len(widths) - 1) - max(width, MIN_WIDTH)
    for name, least in _LEAST.items():
        less = min(max(excess, 0), max(widths.get(name, 0) - least, 0))
        if less:
            widths[name] -= less
            excess -= less
    return widths
