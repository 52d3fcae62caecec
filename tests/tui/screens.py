"""The app in a window of a test: what stands on it, and how to wait until something does."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual.pilot import Pilot

from kfw.commands._tui_caller import caller
from kfw.tui.app import TuiApp

#: Seconds until what must come has come.
LIMIT = 10.0


@dataclass
class Window:
    """An app that runs, and a person at its keyboard."""

    app: TuiApp
    pilot: Pilot[int]

    def lines(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    def text(self) -> str:
        return "\n".join(self.lines())

    def names(self) -> list[str]:
        """Of the forwards in the table, from the top."""
        signs = "○●▲◐‖✗·"
        return [
            line.split()[0] for line in self.lines() if len(line.split()) > 1 and line.split()[1] in signs
        ]

    async def wait_for(self, *texts: str) -> None:
        """Until all of them stand on the screen."""
        await self.until(lambda: all(text in self.text() for text in texts), f"no {texts}")

    async def wait_without(self, text: str) -> None:
        await self.until(lambda: text not in self.text(), f"still {text!r}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < end, f"{what} on the screen:\n{self.text()}"
            await self.pilot.pause(0.02)


@asynccontextmanager
async def window(app: TuiApp | None = None, *, size: tuple[int, int] = (120, 24)) -> AsyncIterator[Window]:
    """`size`: columns and lines."""
    app = app or TuiApp(caller())
    async with app.run_test(size=size, notifications=True) as pilot:
        yield Window(app, pilot)
