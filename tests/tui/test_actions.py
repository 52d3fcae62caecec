"""Keys and palette entries: what each asks of the daemon, and what it says of the answer."""

from pathlib import Path
from typing import Any

import pytest

from kfw.tui import user_actions
from kfw.tui.app import TuiApp
from kfw.tui.palette import entries
from tests.client.fake_daemon import answer, connection, refusal, row
from tests.tui.live_daemon import LiveDaemon
from tests.tui.screens import Window, window

pytestmark = pytest.mark.asyncio


async def asked(shown: Window, daemon: LiveDaemon, line: str) -> Any:
    """The body of the request, as soon as it was made."""
    await shown.until(lambda: line in daemon.requests(), f"no {line}")
    return daemon.body_of(line)


@pytest.mark.parametrize(
    ("status", "keys", "verb", "said"),
    [
        ("active", ["s"], "restart", "reconnecting: db"),
        ("error", ["r"], "retry", "trying again: db"),
        ("active", ["d"], "down", "stopped: db"),
        ("active", ["e"], "disable", "disabled: db"),
        ("stopped", ["e"], "enable", "enabled: db"),
        ("disabled", ["e"], "enable", "enabled: db"),
        ("active", ["x", "y"], "remove", "removed: db"),
        ("active", ["x", "left", "enter"], "remove", "removed: db"),
    ],
)
async def test_a_key_asks_for_the_selected_forward_only_and_says_what_was_done(
    daemon: LiveDaemon, status: str, keys: list[str], verb: str, said: str
) -> None:
    daemon.forwards = [row("api"), row("db", status)]
    async with window() as shown:
        await shown.wait_for("db")
        await shown.press("down", *keys)
        assert (await asked(shown, daemon, f"POST /v1/{verb}"))["names"] == ["db"]
        await shown.wait_for(said)


@pytest.mark.parametrize(
    "keys", [["x", "escape"], ["x", "enter"], ["X", "n"], ["X", "enter"], ["a", "escape"]]
)
async def test_a_question_that_is_not_answered_with_yes_does_nothing(
    daemon: LiveDaemon, keys: list[str]
) -> None:
    daemon.forwards = [row("api")]
    async with window() as shown:
        await shown.wait_for("● active")
        await shown.press(*keys, "down")
        await shown.wait_for("● active")
        assert [line for line in daemon.requests() if line.startswith("POST")] == []


async def test_A35_closing_a_cluster_asks_and_then_stops_what_is_in_it_only(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("api"), row("db"), row("web", context="prod")]
    async with window() as shown:
        await shown.wait_for("prod")
        await shown.press("X")
        await shown.wait_for("Stop all 2 forwards of kind-dev?", "Stop & Close", "Cancel")
        await shown.press("y")
        assert (await asked(shown, daemon, "POST /v1/down")) == {"names": [], "context": "kind-dev"}


async def test_a_refusal_is_said_with_its_fix_and_nothing_ends(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("api")]
    daemon.replies["POST /v1/retry"] = refusal("cannot [b]do[/b] that", fix="do this")
    async with window() as shown:
        await shown.wait_for("● active")
        await shown.press("r")
        await shown.wait_for("cannot [b]do[/b] that; do this")


async def test_A17_K27_the_details_have_port_pid_restarts_url_and_error_and_follow_the_selection(
    daemon: LiveDaemon,
) -> None:
    facts = {"localPort": 18080, "pid": 4242, "restarts": 3, "message": "the pod is gone", "url": None}
    daemon.forwards = [row("api"), row("db", "error", **facts)]
    for one in daemon.forwards:
        daemon.replies[f"GET /v1/forwards/{one['name']}/explain"] = answer(
            {
                "forward": one,
                "candidates": [{"method": "tunnel", "chosen": True, "why": f"goes to pod {one['name']}-7"}],
                "limits": [], "roundTripMs": 1.5, "wanted": "", "origins": [],
            }
        )  # fmt: skip
    daemon.replies["GET /v1/connections"] = answer(
        {
            "connections": [
                connection("db", process="psql (pid 99)"),
                connection("api", process="curl (pid 98)"),
            ]
        }
    )
    daemon.events = []
    async with window() as shown:
        await shown.wait_for("db")
        await shown.press("enter")
        await shown.wait_for("goes to pod api-7")
        await shown.press("down")
        await shown.wait_for("goes to pod db-7", "18080", "pid: 4242", "restarts: 3", "the pod is gone")
        await shown.press("2")
        await shown.wait_for("psql (pid 99)")
        assert "curl" not in shown.text()
        await shown.press("3")
        await shown.wait_for("no events yet")
        await shown.press("4")
        await shown.wait_for("the log has no lines about it")
        await shown.press("escape")
        await shown.wait_without("the log has no line")


async def test_details_are_loaded_again_when_something_is_said_of_the_forward(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("api")]
    daemon.events = []
    async with window() as shown:
        await shown.wait_for("● active")
        await shown.press("3")
        await shown.wait_for("no events yet")
        daemon.replies["GET /v1/events?follow=false"] = answer(
            [
                {
                    "seq": 1,
                    "time": "2026-11-21T08:00:00.000Z",
                    "type": "log",
                    "name": "api",
                    "message": "look here",
                }
            ]
        )
        daemon.say(row("api", "degraded"))
        await shown.wait_for("look here")


async def test_a_search_narrows_the_list_while_it_is_typed_and_escape_ends_it(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("api"), row("db", "error"), row("web", context="prod")]
    async with window() as shown:
        await shown.wait_for("✗ error")
        await shown.press("slash", *"status:err")
        await shown.until(lambda: shown.names() == ["db"], "not narrowed")
        assert shown.lines()[0].startswith(" 1 of 3 forwards")
        await shown.press("enter", "escape")
        await shown.until(lambda: len(shown.names()) == 3, "not wide again")
        await shown.press("slash", *"qqq")
        await shown.wait_for("nothing matches 'qqq'")
        await shown.press("escape", "f")
        await shown.until(lambda: shown.names() == ["db"], "not only what is bad")


async def test_groups_come_in_turn_each_with_its_headings(daemon: LiveDaemon) -> None:
    of = {"project": "/home/ada/shop/kfw.yaml"}
    daemon.forwards = [
        row("api", profile="dev", **of),
        row("db", "error", context="prod", **of),
        row("web", **of),
    ]
    async with window() as shown:
        await shown.wait_for("✗ error")
        for heading in (
            "/home/ada/shop  3, 1 unhealthy",
            "no profile  2, 1 unhealthy",
            "prod  1, 1 unhealthy",
        ):
            await shown.press("g")
            await shown.wait_for(heading)
        await shown.press("g")
        await shown.wait_without("unhealthy")


async def test_a_palette_entry_does_what_its_key_does(daemon: LiveDaemon) -> None:
    daemon.forwards = [row("api")]
    async with window() as shown:
        await shown.wait_for("● active")
        await shown.press("colon")
        await shown.wait_for("Search for commands")
        await shown.press(*"restart")
        await shown.wait_for("reconnect; the local port stays open")
        await shown.press("enter")
        assert (await asked(shown, daemon, "POST /v1/restart"))["names"] == ["api"]


async def test_every_action_is_in_the_palette_and_in_the_help(daemon: LiveDaemon) -> None:
    titles = {entry.title for entry in entries(["error"], ["dev"], ["a"])}
    assert {action.title for action in user_actions.ALL} <= titles
    assert {"Show only status error", "Show only cluster dev", "Show only profile a", "Theme light"} <= titles
    daemon.forwards = [row("api")]
    async with window(size=(120, 60)) as shown:
        await shown.press("question_mark")
        await shown.wait_for(*(action.title for action in user_actions.ALL))


async def test_every_action_is_one_of_the_app_and_its_key_is_in_the_docs() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "tui.md").read_text()
    for action in user_actions.ALL:
        assert hasattr(TuiApp, f"action_{action.call.partition('(')[0]}"), action.call
        assert f"`{user_actions.key_label(action.keys)}`" in docs, action.keys


async def test_no_key_has_two_actions() -> None:
    keys = [key for action in user_actions.ALL for key in action.keys.split(",")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("width", range(40, 160, 10))
async def test_the_line_of_keys_fits_and_always_has_help_and_the_way_out(width: int) -> None:
    line = user_actions.keys_line(width)
    assert len(line) <= width
    assert line.endswith("? help  q quit")
