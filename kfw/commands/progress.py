"""Progress on stderr: on a terminal a live line per forward, elsewhere a line per change."""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from kfw import view
from kfw.commands import output


class Progress:
    def __init__(self, names: Sequence[str]) -> None:
        """`names`: those that will come; more than the terminal has lines cannot be drawn in place."""
        self._width = max(map(len, names), default=0)
        self._rows: dict[str, dict[str, Any]] = {}
        self._live = (
            output.is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb" and len(names) < _height()
        )
        self._drawn = 0
        self._asked = set[str]()

    def change(self, row: dict[str, Any]) -> None:
        before = self._rows.get(row["name"])
        self._rows[row["name"]] = row
        if self._live:
            self._ask(row)
            self._draw()
        elif before is None or _said(before) != _said(row):
            output.say(view.change_line(row, time.time()))

    def _ask(self, row: dict[str, Any]) -> None:
        """What a login plugin wants of a person stays on the screen, whole: a URL that is cut cannot be opened. Once,
        although several forwards may wait for the same login."""
        if row["reason"] == "login-pending" and row["message"] not in self._asked:
            self._asked.add(row["message"])
            self.clear()
            output.say(view.clean(row["message"]))

    def clear(self) -> None:
        """Make room for the table that says the same."""
        if self._drawn:
            sys.stderr.write(f"\x1b[{self._drawn}F\x1b[J")
            sys.stderr.flush()
            self._drawn = 0

    def _draw(self) -> None:
        width, colour = output.width(), output.colours(sys.stderr)
        rows = list(self._rows.values())
        lines = view.live_lines(rows, names=self._width, width=width, colour=colour, now=time.time())
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        sys.stderr.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        sys.stderr.flush()
        self._drawn = len(lines)


def _said(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["status"], row["reason"], row["message"]


def _height() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).lines or 24
    except (OSError, ValueError):
        return 24
