"""`--context` narrows what is looked at to the forwards of one cluster's context, in every command that shows them."""

import json
from pathlib import Path

import pytest

from kfw import cli, paths
from tests.client.fake_daemon import FakeDaemon, answer, connection, event, row

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def two(daemon: FakeDaemon) -> FakeDaemon:
    """`api` and `db` are in kind-dev, `web` is in prod."""
    daemon.forwards = [row("api"), row("web", context="prod"), row("db")]
    told = [event(number, each) for number, each in enumerate(daemon.forwards, 1)]
    lost = event(4, row("web"), "connection") | {"forward": None, "connection": connection("web", "lost")}
    daemon.events = [*told, lost, event(5, row("gone", context="prod"), "removed")]
    connections = [connection(each["name"]) for each in daemon.forwards]
    daemon.replies["GET /v1/connections"] = answer({"connections": connections})
    return daemon


def names(line: str, capsys: Captured) -> list[str]:
    """The forwards in what the command shows."""
    cli.run(line.split())
    value = json.loads(capsys.readouterr().out)
    rows = (
        value
        if isinstance(value, list)
        else next(value[key] for key in ("forwards", "connections") if key in value)
    )
    return [each.get("name") or each.get("forward") for each in rows]


@pytest.mark.parametrize(
    ("line", "here", "there"),
    [
        ("status --json", ["api", "db"], ["web"]),
        ("status -o json", ["api", "db"], ["web"]),
        ("wait --timeout 0s --json", ["api", "db"], ["web"]),
        ("top --json", ["api", "db"], ["web"]),
        ("events --json", ["api", "db"], ["web", "web", "gone"]),
    ],
)
def test_only_forwards_of_the_context_are_shown(
    two: FakeDaemon, capsys: Captured, line: str, here: list[str], there: list[str]
) -> None:
    assert names(f"{line} --context kind-dev", capsys) == here
    assert names(f"{line} --context prod", capsys) == there
    assert set(names(line, capsys)) == {*here, *there}


@pytest.mark.parametrize("form", ["", "-o wide", "-o name", "-o yaml"])
def test_status_has_it_in_every_form(two: FakeDaemon, capsys: Captured, form: str) -> None:
    assert cli.run(f"status {form} --context prod".split()) == 0
    out = capsys.readouterr().out
    assert "web" in out
    assert "api" not in out and "db" not in out


def test_followed_events_are_those_of_the_context_too(two: FakeDaemon, capsys: Captured) -> None:
    two.replies["GET /v1/events?follow=true&since=5"] = b""  # which ends it
    cli.run(["events", "--follow", "--json", "--context", "prod"])
    shown = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["web", "web", "gone"]


def test_the_log_is_narrowed_to_lines_about_its_forwards(two: FakeDaemon, capsys: Captured) -> None:
    log = paths.log_file()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("t INFO api: active\nt INFO web: active\nt INFO the daemon is ready\nt INFO db: lost\n")
    assert cli.run(["logs", "--context", "kind-dev"]) == 0
    assert capsys.readouterr().out == "t INFO api: active\nt INFO db: lost\n"
    assert cli.run(["logs", "db", "--context", "kind-dev"]) == 0
    assert capsys.readouterr().out == "t INFO db: lost\n"
    assert cli.run(["logs", "db", "--context", "prod"]) == 0
    assert capsys.readouterr() == ("", "the log has no line about 'db' in the context prod\n")


@pytest.mark.parametrize("command", ["status", "status --json", "wait", "top", "status -o name"])
def test_a_context_that_no_forward_is_in_is_2_and_those_that_there_are_are_named(
    two: FakeDaemon, capsys: Captured, command: str
) -> None:
    assert cli.run([*command.split(), "--context", "kind-deb"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "kfw: no forward uses the context kind-deb" in said
    assert "did you mean kind-dev? forwards are in: kind-dev, prod" in said


@pytest.mark.parametrize("command", ["status", "wait", "top"])
def test_a_name_of_another_context_is_2_and_says_where_it_was_looked_for(
    two: FakeDaemon, capsys: Captured, command: str
) -> None:
    assert cli.run([command, "web", "--context", "kind-dev"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "cannot find a forward named 'web' in the context kind-dev" in said
    assert "known: api, db" in said


def test_reload_asks_for_the_context(project: Path, daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.replies["POST /v1/reload"] = answer(
        {"started": [], "restarted": ["api"], "stopped": [], "unchanged": []}
    )
    assert cli.run(["reload", "--context", "kind-dev"]) == 0
    assert daemon.body_of("POST /v1/reload")["context"] == "kind-dev"
    assert capsys.readouterr().err == "restarted: api\n"


@pytest.mark.parametrize(("typed", "found"), [("", "kind-dev\nprod\n"), ("p", "prod\n")])
def test_tab_completes_the_contexts_that_there_are(
    two: FakeDaemon, typed: str, found: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_KFW_COMPLETE", "lines")
    monkeypatch.setenv("COMP_LINE", f"kfw down --context {typed}")
    assert cli.run([]) == 0
    assert capsys.readouterr().out == found
