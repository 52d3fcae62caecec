"""kfw restart --daemon, and what `up` of another version offers: what is asked of the daemon, and what is said."""

import json
import os
import sys
from pathlib import Path

import pytest

from kfw import __version__, cli
from kfw.commands import _output as output
from tests.client.fake_daemon import FakeDaemon, answer, refusal, row
from tests.commands.project import configure

Captured = pytest.CaptureFixture[str]
API = {"target": "service/api", "targetPort": "http", "localPort": 9080}
REPLY = {"pid": 50, "version": "9.9.9", "before": 4711, "connections": 0, "drain": 600.0, "moved": []}


def test_it_names_this_python_and_how_long_connections_have(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.replies["POST /v1/handover"] = answer(REPLY)
    assert cli.run(["restart", "--daemon", "--drain", "1h"]) == 0
    asked = daemon.body_of("POST /v1/handover")
    assert asked["python"] == sys.executable
    assert asked["folder"] == "" or os.path.isdir(asked["folder"])  # noqa: PTH112
    assert asked["drain"] == 3600.0
    assert capsys.readouterr().err == "kfw: kfw 9.9.9 (pid 50) has taken over from pid 4711\n"


def test_it_says_what_lives_on_and_what_was_closed(daemon: FakeDaemon, capsys: Captured) -> None:
    reply = REPLY | {"connections": 3, "moved": ["db", "mq"]}
    daemon.replies["POST /v1/handover"] = answer(reply)
    assert cli.run(["restart", "--daemon", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == reply
    assert "pid 4711 still carries 3 connections, for 600 s at most, and ends with the last" in err
    assert "closed for a moment, as a child process has the port: db, mq" in err


@pytest.mark.parametrize("words", (["api"], ["--context", "dev"]))
def test_the_daemon_is_one_for_all(daemon: FakeDaemon, capsys: Captured, words: list[str]) -> None:
    assert cli.run(["restart", "--daemon", *words]) == 2
    assert "--daemon is for all forwards" in capsys.readouterr().err
    assert daemon.requests() == []


def test_a_refusal_says_why_and_that_the_daemon_goes_on(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.replies["POST /v1/handover"] = refusal("the new daemon did not take over: no", fix="it goes on")
    assert cli.run(["restart", "--daemon"]) == 1
    assert capsys.readouterr().err.startswith("kfw: the new daemon did not take over: no\n     it goes on")


def test_a_daemon_that_knows_no_handover_is_stopped_and_started(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.replies["POST /v1/handover"] = refusal("there is no /v1/handover", exit_code=2, code=404)
    assert cli.run(["restart", "--daemon"]) == 1
    assert "`kfw stop`, then `kfw start`" in capsys.readouterr().err


@pytest.fixture
def older(project: Path, daemon: FakeDaemon) -> FakeDaemon:
    configure(project, {"api": API})
    daemon.forwards = [row("api")]
    daemon.info["version"] = "0.0.9"
    daemon.replies["POST /v1/handover"] = answer(REPLY)
    return daemon


def test_without_a_terminal_up_of_another_version_names_the_command(
    older: FakeDaemon, capsys: Captured
) -> None:
    assert cli.run(["up"]) == 0
    said = capsys.readouterr().err
    assert f"(pid 4711) is kfw 0.0.9, this is kfw {__version__}: `kfw restart --daemon` replaces it" in said
    assert "POST /v1/handover" not in older.requests()


@pytest.mark.parametrize(("typed", "hands_over"), [("y", True), ("YES", True), ("", False), ("n", False)])
def test_on_a_terminal_up_of_another_version_asks_first(
    older: FakeDaemon, monkeypatch: pytest.MonkeyPatch, typed: str, hands_over: bool
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream: True)
    monkeypatch.setattr("builtins.input", lambda: typed)
    assert cli.run(["up"]) == 0
    assert ("POST /v1/handover" in older.requests()) is hands_over
    assert "POST /v1/up" in older.requests()


def test_up_of_the_same_version_says_nothing_of_it(older: FakeDaemon, capsys: Captured) -> None:
    older.info["version"] = __version__
    assert cli.run(["up"]) == 0
    assert "restart --daemon" not in capsys.readouterr().err
