"""Lines that change where they stand, on a terminal, never more than its window has; elsewhere a line per change."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from kfw import view
from kfw.commands import _output as output
from kfw.commands._names import id_of
from kfw.names import RowId
from kfw.printable import encodable, in_ascii, printable
from kfw.reasons import Reason

if TYPE_CHECKING:
    from rich.text import Text


#: With more lines than a window has they are drawn only so often, in seconds: each of 1,600 changes would draw 1,600 lines.
_MANY, _PAUSE = 60, 0.25


def can_draw(stream: TextIO | None) -> bool:
    return output.is_terminal(stream) and os.environ.get("TERM") != "dumb"


class Live:
    """On `stream`, for which `can_draw` is true. `screen`: on a screen of its own, as `top` has it, and the last lines are
    left behind; else below what is there, and nothing is."""

    def __init__(self, stream: TextIO, *, screen: bool) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._colour = output.colours(stream)
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._screen = screen
        self._last: Sequence[str] = ()
        self._live = RichLive(
            console=self._console, screen=screen, auto_refresh=False, transient=True, redirect_stdout=False,
            redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Live:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._screen:
            for line in self._last:
                self._console.print(self._text(line), soft_wrap=True)

    def draw(self, lines: Sequence[str]) -> None:
        from rich.console import Group

        self._last = lines
        shown = cropped(lines, self._console.height)
        self._live.update(Group(*map(self._text, shown)), refresh=True)

    def say(self, text: str) -> None:
        """Above the lines, whole, and there to stay."""
        self._console.print(self._fitting(printable(text)), soft_wrap=True)

    def _fitting(self, text: str) -> str:
        return encodable(in_ascii(text) if output.has_only_ascii() else text, self._console.encoding)

    def _text(self, line: str) -> Text:
        from rich.text import Text

        text = Text.from_ansi(self._fitting(printable(line, colours=self._colour)))
        text.no_wrap = True
        text.overflow = "ellipsis" if self._fitting("…") == "…" else "crop"
        return text


def cropped(lines: Sequence[str], height: int) -> list[str]:
    """As many as the window has lines, the last of them saying how many are missing."""
    if len(lines) <= height:
        return list(lines)
    shown = max(height - 1, 0)
    return [*lines[:shown], f"… {len(lines) - shown} more lines, the window is too small for them"][:height]


class Progress:
    """On stderr: on a terminal a live line per forward, elsewhere a line per change."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names`: what those that will come are called."""
        self._width = max(map(len, names), default=0)
        self._rows: dict[RowId, dict[str, Any]] = {}
        self._live = Live(sys.stderr, screen=False) if can_draw(sys.stderr) else None
        self._asked = set[str]()
        self._drawn_at = 0.0
        self._outages: dict[tuple[str, str | None, str], str] = {}

    def __enter__(self) -> Progress:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Make room for the table that says the same."""
        if self._live:
            self._live.__exit__(*error)

    def change(self, row: dict[str, Any]) -> None:
        before = self._rows.get(id_of(row))
        self._rows[id_of(row)] = row
        if self._live:
            self._ask(row, self._live)
            self._draw(self._live)
        elif before is None or _said(before) != _said(row):
            output.say(self._change_line(row))

    def _change_line(self, row: dict[str, Any]) -> str:
        """A sentence about a cluster is said of the first forward that waits for it."""
        if row["status"] == "suspended" and row["message"]:
            first = self._outages.setdefault((row["context"], row["reason"], row["message"]), view.shown(row))
            if first != view.shown(row):
                return f"{view.clean(view.shown(row))}: suspended: {row['reason']}, as {view.clean(first)}"
        return view.change_line(row, time.time())

    def _ask(self, row: dict[str, Any], live: Live) -> None:
        """What a login plugin wants of a person stays on the screen, whole: a URL that is cut cannot be opened. Once,
        although several forwards may wait for the same login."""
        if needs_person(row) and row["message"] not in self._asked:
            self._asked.add(row["message"])
            live.say(view.clean(row["message"]))

    def _draw(self, live: Live) -> None:
        if len(self._rows) > _MANY and time.monotonic() - self._drawn_at < _PAUSE:
            return
        self._drawn_at = time.monotonic()
        width, colour = output.width(), output.colours(sys.stderr)
        rows = list(self._rows.values())
        live.draw(view.live_lines(rows, names=self._width, width=width, colour=colour, now=time.time()))


def needs_person(row: dict[str, Any]) -> bool:
    """Its message says what a person has to do."""
    return row["reason"] is not None and Reason(row["reason"]).traits.needs_person


def _said(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["status"], row["reason"], row["message"]
