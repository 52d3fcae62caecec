"""kfw top: who is connected, and how it ended."""

import json

import pytest

from kfw import cli
from tests.client.fake_daemon import FakeDaemon, answer, connection, row

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def busy(daemon: FakeDaemon) -> FakeDaemon:
    daemon.forwards = [row("api"), row("db")]
    rows = [
        connection("api", process="curl (pid 41)", bytesIn=38_200_000, bytesOut=81),
        connection("db", process="psql (pid 7)", firstByteSeconds=None),
        connection("api", "waiting", endpoint=None, firstByteSeconds=None, why="no pod is ready"),
        connection("api", "lost", why="the pod reset the connection: Connection reset by peer"),
        connection("db", "closed", seconds=720.0),
    ]
    daemon.replies["GET /v1/connections"] = answer({"connections": rows})
    return daemon


def test_open_connections_are_shown_those_that_wait_first(busy: FakeDaemon, capsys: Captured) -> None:
    assert cli.run(["top"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["FORWARD", "CLIENT", "POD", "AGE", "FIRST", "BYTE", "IN", "OUT"]
    assert out[1].split() == ["api", "127.0.0.1:51744", "-", "3s", "-", "0", "B", "0", "B"]
    assert out[2].strip() == "waiting: no pod is ready"
    assert out[3].split() == [
        "api",
        "curl",
        "(pid",
        "41)",
        "api-1",
        "3s",
        "1.4",
        "ms",
        "38.2",
        "MB",
        "81",
        "B",
    ]
    assert out[4].startswith("db")
    assert out[5:] == ["", "1 of the last 2 that ended were lost, `kfw top --ended 20` shows them"]


def test_what_has_ended_is_shown_with_why_when_it_is_asked_for(busy: FakeDaemon, capsys: Captured) -> None:
    assert cli.run(["top", "--ended", "1"]) == 0
    out = capsys.readouterr().out
    assert "lost: the pod reset the connection: Connection reset by peer" in out
    assert "12m" not in out
    cli.run(["top", "--ended", "2"])
    assert "12m" in capsys.readouterr().out


def test_names_choose_forwards(busy: FakeDaemon, capsys: Captured) -> None:
    assert cli.run(["top", "db"]) == 0
    out = capsys.readouterr().out
    assert "psql (pid 7)" in out
    assert "curl" not in out


def test_an_unknown_name_is_bad_usage(busy: FakeDaemon, capsys: Captured) -> None:
    assert cli.run(["top", "dbx"]) == 2
    assert "did you mean db?" in capsys.readouterr().err


def test_json_is_one_value_with_all_of_them(busy: FakeDaemon, capsys: Captured) -> None:
    assert cli.run(["top", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in said["connections"]] == ["open", "open", "waiting", "lost", "closed"]
    assert said["connections"][0]["firstByteSeconds"] == 0.0014


def test_nobody_connected_is_said(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.replies["GET /v1/connections"] = answer({"connections": []})
    assert cli.run(["top"]) == 0
    assert capsys.readouterr().out == "nobody is connected\n"


def test_a_table_fits_80_columns(busy: FakeDaemon, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    long = connection(
        "a-forward-with-a-long-name", process="java (pid 4194304)", endpoint="web-5d8f9c6b7-x2x4q" * 2
    )
    busy.replies["GET /v1/connections"] = answer({"connections": [long]})
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["top"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "1.4 ms" in lines[1]
