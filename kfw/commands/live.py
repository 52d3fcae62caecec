"""Lines that change where they stand, on a terminal, never more than its window has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from kfw.commands import output
from kfw.printable import printable

if TYPE_CHECKING:
    from rich.text import Text


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
        self._console.print(printable(text), soft_wrap=True)

    def _text(self, line: str) -> Text:
        from rich.text import Text

        text = Text.from_ansi(printable(line, colours=self._colour))
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def cropped(lines: Sequence[str], height: int) -> list[str]:
    """As many as the window has lines, the last of them saying how many are missing."""
    if len(lines) <= height:
        return list(lines)
    shown = max(height - 1, 0)
    return [*lines[:shown], f"… {len(lines) - shown} more lines, the window is too small for them"][:height]
