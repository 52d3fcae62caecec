"""kfw wait and kfw status --watch."""

import json
import subprocess
import sys

import pytest

from kfw import cli
from tests.client.fake_daemon import FakeDaemon, event, row

Captured = pytest.CaptureFixture[str]


def test_what_is_there_already_needs_no_wait(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("api"), row("db", "error")]
    assert cli.run(["wait", "api"]) == 0


def test_wait_follows_until_each_is_active(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("api", "starting"), row("db", "error", reason="target-not-found")]
    daemon.events = [event(1, row("db")), event(2, row("api"))]
    assert cli.run(["wait", "--timeout", "5s"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "api: starting",
        "db: error: target-not-found",
        "db: active on http://localhost:8080",
        "api: active on http://localhost:8080",
    ]


def test_without_names_what_is_stopped_is_not_waited_for(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api"), row("db", "stopped", reason="user-stopped")]
    assert cli.run(["wait"]) == 0
    assert cli.run(["wait", "db", "--timeout", "0"]) == 1


def test_another_status_can_be_waited_for(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api")]
    daemon.events = [event(1, row("api", "stopped", reason="user-stopped"))]
    assert cli.run(["wait", "api", "--for", "stopped"]) == 0


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [("starting", None, 7), ("error", "port-in-use", 6), ("suspended", "cluster-unreachable", 4)],
)
def test_the_exit_code_says_why_it_did_not_come_about(
    daemon: FakeDaemon, status: str, reason: str | None, code: int, capsys: Captured
) -> None:
    daemon.forwards = [row("api", status, reason=reason)]
    daemon.hold = 5
    daemon.replies["GET /v1/events?follow=true"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert cli.run(["wait", "api", "--timeout", "100ms"]) == code
    assert "after 0.1 s not active: api" in capsys.readouterr().err


def test_a_timeout_of_nothing_looks_once(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api"), row("db", "starting")]
    assert cli.run(["wait", "api", "--timeout", "0"]) == 0
    assert cli.run(["wait", "db", "--timeout", "0"]) == 7


def test_what_is_removed_meanwhile_is_not_waited_for(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("api"), row("db", "starting")]
    daemon.events = [event(1, row("db", "starting"), kind="removed")]
    assert cli.run(["wait", "api", "db", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["forwards"]] == ["api"]


def test_watch_shows_it_again_only_when_something_changed(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api", "starting")]
    child = subprocess.Popen(
        [sys.executable, "-m", "kfw", "status", "--watch"], cwd="/", stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        first = [child.stdout.readline() for _ in range(4)]
        daemon.forwards = [row("api")]
        second = [child.stdout.readline() for _ in range(4)]
        daemon.close()
        assert "starting" in first[1]
        assert "active" in second[1]
        assert "the daemon is not running" in child.stdout.readline()
    finally:
        child.kill()
        child.communicate()
