"""A real mouse: what a terminal sends for it, as xterm's SGR sequences (xterm-control-sequences, "Extended coordinates")."""

import re
import time
from pathlib import Path

import pytest

from tests.client.fake_daemon import row
from tests.tui.live_daemon import LiveDaemon
from tests.tui.tmux import KFW, Terminal, terminal

pytestmark = pytest.mark.sandbox

LEFT, WHEEL_UP, WHEEL_DOWN = 0, 64, 65
ROWS = 300


class Mouse:
    """`at` places are columns and lines from 0."""

    def __init__(self, shown: Terminal) -> None:
        self._shown = shown

    def click(self, text: str, times: int = 1) -> None:
        """On the first place of the screen at which this stands."""
        at = self.place_of(text)
        for _ in range(times):
            self._send(LEFT, at, "M")
            self._send(LEFT, at, "m")

    def wheel(self, button: int, notches: int, at: tuple[int, int]) -> None:
        for _ in range(notches):
            self._send(button, at, "M")

    def place_of(self, text: str) -> tuple[int, int]:
        for number, line in enumerate(self._shown.screen().splitlines()):
            if (column := line.find(text)) >= 0:
                return column, number
        raise AssertionError(f"{text!r} is not on the screen:\n{self._shown.screen()}")

    def _send(self, button: int, at: tuple[int, int], end: str) -> None:
        self._shown.keys("-l", f"\x1b[<{button};{at[0] + 1};{at[1] + 1}{end}")


def names(screen: str) -> list[str]:
    return re.findall(r"^ ?(svc-\d{3}) ", screen, re.MULTILINE)


@pytest.fixture
def many(daemon: LiveDaemon) -> LiveDaemon:
    daemon.forwards = [row(f"svc-{number:03}", localPort=9999 - number, url=None) for number in range(ROWS)]
    return daemon


def test_a_click_selects_a_row_two_open_it_and_one_on_a_heading_sorts_and_turns_round(
    many: LiveDaemon,
) -> None:
    with terminal(many.path.parent, size=(120, 40)) as shown:
        mouse = Mouse(shown)
        shown.type(f"{KFW} tui")
        shown.wait_for("300 forwards: 300 active", "? help")
        mouse.click("svc-012")
        shown.keys("Enter")
        shown.wait_for("svc-012   1[explain]")
        mouse.click("svc-004")  # the details follow it
        shown.wait_for("svc-004   1[explain]")
        shown.keys("Escape")
        shown.wait_without("[explain]")
        mouse.click("svc-009", times=2)
        shown.wait_for("svc-009   1[explain]")
        shown.keys("Escape")
        shown.wait_without("[explain]")
        mouse.click("LOCAL")
        shown.wait_for("LOCAL▲")
        shown.keys("Home")
        shown.until(lambda screen: names(screen)[:2] == ["svc-299", "svc-298"], "not by port")
        mouse.click("LOCAL")
        shown.wait_for("LOCAL▼")
        shown.keys("Home")
        shown.until(lambda screen: names(screen)[:2] == ["svc-000", "svc-001"], "not the other way round")


def at_rest(shown: Terminal) -> str:
    """The screen when all that was sent has arrived, as far as that can be seen."""
    before = ""
    while before != (before := shown.screen()):
        time.sleep(0.1)
    return before


def test_the_wheel_goes_over_all_rows_and_back_and_leaves_the_selected_one(many: LiveDaemon) -> None:
    with terminal(many.path.parent, size=(120, 40)) as shown:
        mouse = Mouse(shown)
        shown.type(f"{KFW} tui")
        seen = set(names(shown.wait_for("300 forwards: 300 active", "? help")))
        at = mouse.place_of("svc-009")  # later another one is there
        mouse.click("svc-003")
        while "svc-299" not in seen:
            last = names(shown.screen())[-1]
            mouse.wheel(WHEEL_DOWN, 3, at)
            shown.until(lambda screen, last=last: names(screen)[-1] > last, "it stands")  # type: ignore[misc]
            seen |= set(names(at_rest(shown)))
        assert sorted(seen) == [f"svc-{number:03}" for number in range(ROWS)]
        while "svc-000" not in (screen := at_rest(shown)):
            mouse.wheel(WHEEL_UP, 20, at)
            first = names(screen)[0]
            shown.until(lambda screen, first=first: names(screen)[0] < first, "it stands")  # type: ignore[misc]
        shown.keys("Enter")
        shown.wait_for("svc-003   1[explain]")


def test_the_terminal_gets_its_mouse_back(many: LiveDaemon, tmp_path: Path) -> None:
    """Else each move of it would write into the shell."""
    with terminal(many.path.parent, size=(120, 40)) as shown:
        assert shown.asks("mouse_any_flag,mouse_sgr_flag,alternate_on") == "0,0,0"
        for key, code in (("q", 0), ("C-c", 130)):
            shown.type(f"{KFW} tui; echo code $?")
            shown.wait_for("300 forwards: 300 active", "? help")
            assert shown.asks("mouse_all_flag,mouse_sgr_flag,alternate_on") == "1,1,1"
            shown.keys(key)
            shown.wait_for(f"code {code}")
            assert shown.asks("mouse_any_flag,mouse_sgr_flag,alternate_on") == "0,0,0"
            shown.clear()
