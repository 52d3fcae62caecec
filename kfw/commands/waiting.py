"""Waiting for forwards: follow the daemon's events until each is where it should be, or time is over."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from kfw import client
from kfw.protocol import Event

#: A ForwardStatus as it is on the wire.
Row = dict[str, Any]


def settled(row: Row) -> bool:
    """Ready, or failed; what is starting or reconnecting may still become ready."""
    return row["status"] not in ("starting", "reconnecting")


def follow_until(
    done: Callable[[Row], bool], names: Iterable[str], *, timeout: float, on_change: Callable[[Row], None]
) -> list[Row]:
    """The last status of each forward, `timeout` seconds later at most; one that is removed meanwhile is left out."""
    stream = client.follow(timeout=timeout)
    rows = {row.name: msgspec.to_builtins(row) for row in client.status().forwards}
    rows = {name: rows[name] for name in dict.fromkeys(names) if name in rows}
    for row in rows.values():
        on_change(row)
    while not all(done(row) for row in rows.values()):
        event = next(stream, None)
        if event is None:
            break
        if event.name in rows:
            _apply(event, rows, on_change)
    return list(rows.values())


def _apply(event: Event, rows: dict[str, Row], on_change: Callable[[Row], None]) -> None:
    row: Row = msgspec.to_builtins(event.forward) if event.forward else {}
    if event.type == "removed":
        del rows[str(event.name)]
    elif row and row["since"] >= rows[row["name"]]["since"]:  # else it happened before `status` was asked
        rows[row["name"]] = row
        on_change(row)
