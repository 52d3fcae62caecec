"""Commands that are one request: what is asked, what is said."""

import json
from pathlib import Path

import pytest

from kfw import cli
from tests.client.fake_daemon import FakeDaemon, answer, event, row

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("argv", "asked", "said"),
    [
        (["down"], {"names": []}, "stopped: api, db\n"),
        (["down", "db"], {"names": ["db"]}, "stopped: db\n"),
        (["restart"], {"names": []}, "restarted: api, db\n"),
        (["restart", "api"], {"names": ["api"]}, "restarted: api\n"),
        (["retry", "db"], {"names": ["db"]}, "trying again: db\n"),
        (["remove", "api", "db"], {"names": ["api", "db"]}, "removed: api, db\n"),
    ],
)
def test_a_verb_passes_the_names_on_and_says_what_was_done(
    daemon: FakeDaemon, argv: list[str], asked: object, said: str, capsys: Captured
) -> None:
    daemon.forwards = [row("api"), row("db")]
    assert cli.run(argv) == 0
    assert daemon.asked == [(f"POST /v1/{argv[0]}", asked)]
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["down", "--json"], {"stopped": ["api"]}),
        (["restart", "--json"], {"restarted": ["api"]}),
        (["retry", "--json"], {"retried": ["api"]}),
        (["remove", "api", "--json"], {"removed": ["api"]}),
        (["reload", "--json"], {"started": ["api"], "restarted": [], "stopped": [], "unchanged": []}),
        (["version", "--json"], {"version": "0.1.0", "daemon": "0.1.0"}),
        (["events", "--json"], [event(1, row("api"))]),
    ],
)
def test_FR_CLI_09_with_json_stdout_is_exactly_one_value(
    daemon: FakeDaemon, argv: list[str], value: object, capsys: Captured
) -> None:
    daemon.forwards = [row("api")]
    daemon.events = [event(1, row("api"))]
    assert cli.run(argv) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == value or {**said, **value} == said  # type: ignore[dict-item]  # a dict where it is not equal


def test_what_is_stopped_cannot_be_restarted_and_it_says_what_can(
    daemon: FakeDaemon, capsys: Captured
) -> None:
    daemon.replies["POST /v1/restart"] = answer({"names": ["api"]})
    assert cli.run(["restart", "api", "db"]) == 0
    assert capsys.readouterr().err == "restarted: api; not up: db (`kfw up db` starts)\n"


def test_down_without_a_daemon_is_what_was_asked_for(home: Path, capsys: Captured) -> None:
    assert cli.run(["down"]) == 0
    assert capsys.readouterr() == ("", "nothing was up\n")


def test_reload_says_only_what_there_is(daemon: FakeDaemon, capsys: Captured) -> None:
    reply = {"started": ["a"], "restarted": [], "stopped": ["b", "c"], "unchanged": ["d"]}
    daemon.replies["POST /v1/reload"] = answer(reply)
    assert cli.run(["reload"]) == 0
    assert capsys.readouterr().err == "started: a\nstopped: b, c\nunchanged: d\n"


def test_FR_CLI_start_twice_says_already_running(daemon: FakeDaemon, capsys: Captured) -> None:
    assert cli.run(["start"]) == 0
    assert capsys.readouterr() == ("", "already running (pid 4711)\n")


def test_FR_CLI_stop_when_stopped_is_no_error(home: Path, capsys: Captured) -> None:
    assert cli.run(["stop"]) == 0
    assert cli.run(["stop", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"stopped": False, "pid": None}
    assert err == "the daemon was not running\n" * 2


def test_stop_returns_when_the_daemon_is_gone(daemon: FakeDaemon, capsys: Captured) -> None:
    assert cli.run(["stop"]) == 0
    assert daemon.requests() == ["GET /v1/ping", "POST /v1/stop"]
    assert capsys.readouterr().err == "stopped (pid 4711)\n"


def test_version_tells_of_a_daemon_that_is_older(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.info["version"] = "0.0.1"
    assert cli.run(["version"]) == 0
    assert "the daemon is 0.0.1" in capsys.readouterr().err


def test_explain_shows_the_ways(daemon: FakeDaemon, capsys: Captured) -> None:
    explanation = {
        "forward": row("api"),
        "candidates": [{"method": "nodeport", "chosen": True, "why": "goes to node a:30080"}],
        "limits": [],
        "roundTripMs": None,
        "wanted": "up, by its name",
        "origins": [{"key": "target", "value": "service/api", "origin": "project kfw.yaml:3"}],
    }
    daemon.replies["GET /v1/forwards/api/explain"] = answer(explanation)
    assert cli.run(["explain", "api"]) == 0
    said = capsys.readouterr().out
    assert "> nodeport goes to node a:30080" in said
    assert "wanted: up, by its name\n  target: service/api (project kfw.yaml:3)\n" in said
    assert cli.run(["explain", "api", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == explanation


def test_events_are_lines(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.events = [event(1, row("api", "starting")), event(2, row("api"))]
    assert cli.run(["events", "--since", "0"]) == 0
    assert [line[27:] for line in capsys.readouterr().out.splitlines()] == [
        "api: starting",
        "api: active on http://localhost:8080",
    ]


def test_events_of_a_name_are_those_of_the_forward_that_it_means(
    project: Path, daemon: FakeDaemon, capsys: Captured
) -> None:
    shop, blog = (
        row("api", project=str(folder / "kfw.yaml"), displayName=f"{folder.name}/api")
        for folder in (project / "shop", project)
    )
    (project / "kfw.yaml").write_text("portForwards: {}\n")
    daemon.forwards = [shop, blog]
    daemon.events = [event(1, shop), event(2, blog), event(3, row("other"))]
    assert cli.run(["events", "api", "--json"]) == 0
    assert [one["seq"] for one in json.loads(capsys.readouterr().out)] == [2]
    assert cli.run(["events", "shop/api", "--json"]) == 0
    assert [one["seq"] for one in json.loads(capsys.readouterr().out)] == [1]


def test_followed_events_are_a_value_per_line_and_go_on_where_they_were_cut(
    daemon: FakeDaemon, capsys: Captured
) -> None:
    """The fake ends each stream, as the daemon does with a reader that is too slow; then it is gone."""
    daemon.events = [event(1, row("api", "starting")), event(2, row("api"))]
    daemon.replies["GET /v1/events?follow=true&since=2"] = b""
    assert cli.run(["events", "--follow", "--json"]) == 1
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    assert daemon.requests() == ["GET /v1/events?follow=true", "GET /v1/events?follow=true&since=2"]
