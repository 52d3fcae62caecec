"""kfw verify: real sockets on loopback."""

import json

import pytest

from kfw import cli
from tests.client.fake_daemon import FakeDaemon, row
from tests.system.test_port_answer import OK, answers, closes, server


def test_B25_verify_says_what_answered_and_fails_if_one_does_not(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(answers(OK)) as good, server(closes) as bad:
        daemon.forwards = [
            row("api", localPort=good, url=f"http://localhost:{good}"),
            row("db", localPort=bad, url=f"localhost:{bad}"),
            row("late", "reconnecting", reason="no-ready-pod", message="late has no ready pod"),
            row("off", "disabled"),
            row("down", "stopped", reason="user-stopped"),
        ]
        assert cli.run(["verify"]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"✓ api   http://localhost:{good}  http 200 OK"
        assert lines[1].startswith("✗ db ")
        assert lines[2] == "✗ late  localhost:8080          reconnecting: late has no ready pod"
        assert len(lines) == 3
        assert cli.run(["verify", "api", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "api",
            "project": "",
            "displayName": "api",
            "ok": True,
            "local": f"http://localhost:{good}",
            "protocol": "http",
            "answer": "200 OK",
        }
    ]
