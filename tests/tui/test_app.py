"""The app over a daemon: what it says stands on the screen, at once, and what is gone is gone."""

import pytest

from tests.client.fake_daemon import row
from tests.tui.live_daemon import LiveDaemon
from tests.tui.screens import window
from tests.tui.test_rows import traffic

pytestmark = pytest.mark.asyncio


async def test_K23_each_forward_has_a_line_with_its_sign_address_target_and_method(
    daemon: LiveDaemon,
) -> None:
    daemon.forwards = [row("api"), row("db", "error", reason="port-in-use", message="nginx (pid 41) has it")]
    async with window(size=(170, 20)) as shown:
        await shown.wait_for("● active", "✗ error")
        api, db = (line for line in shown.lines() if "shop/service" in line)
        assert api.split()[:6] == [
            "api",
            "●",
            "active",
            "http://localhost:8080",
            "shop/service/api:80",
            "nodeport",
        ]
        assert db.endswith("port-in-use: nginx (pid 41) has it")
        assert shown.lines()[0] == " 2 forwards: 1 active, 1 error"


async def test_a_change_is_shown_when_it_is_said_and_nothing_is_asked_for_it(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("api", "starting")]
    async with window() as shown:
        await shown.wait_for("○ starting")
        asked = len(daemon.asked)
        daemon.say(row("api", "active", connections=3))
        await shown.wait_for("● active")
        daemon.say(row("db", "reconnecting", reason="no-ready-pod"))
        await shown.wait_for("◐ reconnecting")
        daemon.say(row("api"), "removed")
        await shown.wait_without("● active")
        assert len(daemon.asked) == asked


async def test_after_a_gap_in_the_events_it_shows_what_there_is_now(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("api"), row("gone")]
    async with window() as shown:
        await shown.wait_for("gone")
        daemon.drop_followers()
        daemon.forwards = [row("api", "error", reason="unhealthy")]
        await shown.wait_for("✗ error")
        assert shown.names() == ["api"]


async def test_a_daemon_that_is_gone_is_said_and_its_return_is_seen(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("api")]
    async with window() as shown:
        await shown.wait_for("● active")
        daemon.close()
        await shown.wait_for("the daemon is not running; `kfw up` starts it", "no daemon", "? unknown")
        assert "active" not in shown.text()
        again = LiveDaemon(daemon.path)
        again.forwards = [row("api", "degraded", reason="unhealthy")]
        await shown.wait_for("▲ degraded")
        await shown.wait_without("the daemon is not running")
        again.close()


async def test_a_daemon_that_falls_silent_is_asked_again(
    daemon: LiveDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfw.tui.feed._SILENCE", -0.5)
    daemon.forwards = [row("api")]
    async with window() as shown:
        await shown.wait_for("● active")
        daemon.forwards = [row("api", "error")]
        daemon.send(traffic(0))
        await shown.wait_for("✗ error")


async def test_without_a_daemon_it_says_how_to_start_one(home: object) -> None:
    async with window() as shown:
        await shown.wait_for("the daemon is not running")


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("ctrl+c", 130)])
async def test_a_key_ends_it_with_its_exit_code(daemon: LiveDaemon, key: str, code: int) -> None:
    async with window() as shown:
        await shown.press(key)
        assert shown.app.return_value == code


async def test_a_text_with_markup_and_control_characters_is_shown_as_it_is(daemon: LiveDaemon) -> None:
    daemon.forwards = [
        row("api", "error", reason="unhealthy", message="[red]no[/red] \x1b[2J end", context="[b]x[/b]"),
        row("db", context="other"),
    ]
    async with window(size=(160, 20)) as shown:
        await shown.wait_for("[red]no[/red] \\x1b[2J end", "[b]x[/b]")


async def test_forwards_that_wait_for_one_cluster_are_one_line(daemon: LiveDaemon) -> None:
    waiting = {"reason": "cluster-unreachable", "message": "connection refused"}
    daemon.forwards = [row(name, "suspended", **waiting) for name in ("api", "db", "web")]
    async with window() as shown:
        await shown.wait_for("kind-dev: cannot be reached for", "3 forwards wait: connection refused")
        assert shown.text().count("connection refused") == 1
        assert shown.text().count("waits for kind-dev") >= 3


async def test_the_selected_forward_stays_selected_where_sorting_moves_it(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("c"), row("a", "error"), row("b", "starting")]
    async with window() as shown:
        await shown.wait_for("✗ error")
        await shown.press("down")
        assert shown.app.selected == "a"
        await shown.press("f2")
        assert (shown.names(), shown.app.selected) == (["a", "b", "c"], "a")
        daemon.say(row("c", "suspended"))
        await shown.wait_for("‖ suspended")
        assert (shown.names(), shown.app.selected) == (["a", "c", "b"], "a")
        await shown.press("R")
        assert (shown.names(), shown.app.selected) == (["b", "c", "a"], "a")
        daemon.say(row("a"), "removed")
        await shown.wait_without("✗ error")
        assert shown.app.selected in ("b", "c")
