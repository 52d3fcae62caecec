"""Progress on stderr: on a terminal a live line per forward, elsewhere a line per change."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from kfw import view
from kfw.commands import output
from kfw.commands.live import Live, can_draw


class Progress:
    def __init__(self, names: Sequence[str]) -> None:
        """`names`: those that will come."""
        self._width = max(map(len, names), default=0)
        self._rows: dict[str, dict[str, Any]] = {}
        self._live = Live(sys.stderr, screen=False) if can_draw(sys.stderr) else None
        self._asked = set[str]()

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Make room for the table that says the same."""
        if self._live:
            self._live.__exit__(*error)

    def change(self, row: dict[str, Any]) -> None:
        before = self._rows.get(row["name"])
        self._rows[row["name"]] = row
        if self._live:
            self._ask(row, self._live)
            self._draw(self._live)
        elif before is None or _said(before) != _said(row):
            output.say(view.change_line(row, time.time()))

    def _ask(self, row: dict[str, Any], live: Live) -> None:
        """What a login plugin wants of a person stays on the screen, whole: a URL that is cut cannot be opened. Once,
        although several forwards may wait for the same login."""
        if row["reason"] == "login-pending" and row["message"] not in self._asked:
            self._asked.add(row["message"])
            live.say(view.clean(row["message"]))

    def _draw(self, live: Live) -> None:
        width, colour = output.width(), output.colours(sys.stderr)
        rows = list(self._rows.values())
        live.draw(view.live_lines(rows, names=self._width, width=width, colour=colour, now=time.time()))


def _said(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["status"], row["reason"], row["message"]
