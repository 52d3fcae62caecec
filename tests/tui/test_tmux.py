"""The program whole, in a real terminal: what a user does in a day, and what is left on the screen afterwards."""

import asyncio
import os
import re
from pathlib import Path

import pytest

from tests.client.fake_daemon import row
from tests.tui.live_daemon import LiveDaemon
from tests.tui.tmux import KFW, LIMIT, terminal
from tests.until import until

pytestmark = pytest.mark.sandbox


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_A17_a_day_in_a_window_of_80_by_24_with_40_services(services: LiveDaemon) -> None:
    with terminal(services.path.parent) as shown:
        shown.type(f"echo before; {KFW} tui; echo code $?")
        shown.wait_for("40 forwards: 39 active, 1 error", "svc-00", "? help  q quit")
        seen = set(re.findall(r"svc-\d\d", shown.screen()))
        shown.keys("PageDown", "PageDown", "PageDown")
        seen |= set(re.findall(r"svc-\d\d", shown.wait_for("svc-39")))
        assert len(seen) == 40
        shown.keys("Home", "F2")
        shown.wait_for("STATUS▲")
        assert re.findall(r"svc-\d\d", shown.screen())[0] in ("svc-07", "svc-00")
        shown.keys("Home")
        shown.wait_for("nginx (pid 41) has it")
        services.say(row("svc-39", "reconnecting", localPort=9039, url=None))
        shown.wait_for("◐ reconnecting", "nginx (pid 41) has it")
        shown.keys("Enter")
        shown.wait_for("[explain]")
        shown.keys("Escape")
        shown.wait_without("[explain]")
        shown.keys("q")
        assert shown.wait_for("code 0").split("\n")[:3] == [
            f"ready> echo before; {KFW} tui; echo code $?", "before", "code 0",
        ]  # fmt: skip


def test_a_window_of_60_by_15_is_enough_and_may_change_its_size(services: LiveDaemon) -> None:
    with terminal(services.path.parent, size=(120, 40)) as shown:
        shown.type(f"{KFW} tui")
        shown.wait_for("svc-30", "TARGET", "METHOD")
        shown.resize(60, 15)
        shown.until(lambda screen: "METHOD" not in screen and "? help  q quit" in screen, "not narrow")
        lines = shown.screen().splitlines()
        assert len(lines) <= 15
        assert all("localhost:90" in line and "active" in line for line in lines if "svc-00" in line)
        shown.keys("a")
        shown.wait_for("Add a forward", "Target", "Namespace")
        shown.keys("Escape")
        shown.wait_without("Add a forward")
        shown.keys("X")
        shown.wait_for("Stop & Close", "Cancel")
        shown.keys("Escape")
        shown.wait_without("Stop & Close")
        shown.keys("?")
        shown.wait_for("Retry now")
        shown.keys("Escape")
        shown.wait_without("Retry now")
        shown.keys("C-c")
        shown.wait_for("ready> ")


def test_without_colours_it_has_none_and_the_selected_line_can_be_seen(services: LiveDaemon) -> None:
    with terminal(services.path.parent, NO_COLOR="1") as shown:
        shown.type(f"{KFW} tui")
        shown.wait_for("svc-00", "? help")
        with_escapes = shown.screen(escapes=True)
        colours = re.findall(r"[34]8;2;(\d+);(\d+);(\d+)", with_escapes)
        assert [colour for colour in colours if len(set(colour)) > 1] == []
        assert not re.search(r"\x1b\[(?:[0-9;]*;)?(?:3[1-6]|4[1-6]|9[1-6])m", with_escapes)
        (selected,) = (line for line in with_escapes.splitlines() if "svc-00" in line)
        (other,) = (line for line in with_escapes.splitlines() if "svc-01" in line)
        assert selected.split("svc-00")[0] != other.split("svc-01")[0]


def test_it_ends_with_ctrl_c_and_with_its_terminal(services: LiveDaemon, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with terminal(services.path.parent) as shown:
        shown.type(f"{KFW} tui; echo code $?")
        shown.wait_for("svc-00", "? help")
        shown.keys("C-c")
        shown.wait_for("code 130")
        shown.type(f"clear; sh -c 'echo $$ >{pid}; exec {KFW} tui'")
        shown.wait_for("svc-00", "? help")
    asyncio.run(until(lambda: not is_running(int(pid.read_text())), LIMIT))


def test_kfw_alone_on_a_terminal_offers_it(services: LiveDaemon) -> None:
    with terminal(services.path.parent, size=(100, 60)) as shown:
        shown.type(f"{KFW}")
        shown.wait_for("svc-39", "`kfw tui` shows it live")
