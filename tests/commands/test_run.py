"""kfw run with a daemon that only answers: what is asked of it, what the command is given, and every end of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kfw import cli
from kfw.commands.run import own_variables, places
from tests.client.fake_daemon import FakeDaemon, answer, row
from tests.commands.project import configure

Captured = pytest.CaptureFixture[str]
API = {"target": "service/api", "targetPort": "http", "localPort": 9080}
DB = {"target": "statefulset/db", "targetPort": 5432, "localPort": 5432}


def starts(daemon: FakeDaemon, *names: str, unchanged: tuple[str, ...] = ()) -> None:
    reply = {"started": list(names), "restarted": [], "stopped": [], "unchanged": list(unchanged)}
    daemon.replies["POST /v1/up"] = answer(reply)


def shows(what: str) -> list[str]:
    return [sys.executable, "-c", f"import os; {what}"]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["run"], 2, "write it behind --"),
        (["run", "api"], 2, "write it behind --"),
        (["run", "--"], 2, "write it behind --"),
        (["run", "apu", "--", "true"], 2, "did you mean api?"),
        (["run", "--", "no-such-command-here"], 127, "command not found"),
        (["run", "--", "/etc/passwd"], 126, "it is not executable"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_starts(
    project: Path, home: Path, argv: list[str], code: int, words: str, capsys: Captured
) -> None:
    configure(project, {"api": API})
    assert cli.run(argv) == code
    assert words in capsys.readouterr().err
    assert not (home / "run").exists()


@pytest.mark.parametrize(
    ("code", "before", "taken_back"),
    [(0, [], "remove"), (1, [], "remove"), (42, [row("api", "stopped", reason="user-stopped")], "down")],
)
def test_the_exit_code_is_the_commands_and_what_it_needed_is_taken_back(
    project: Path, daemon: FakeDaemon, code: int, before: list[dict[str, Any]], taken_back: str
) -> None:
    configure(project, {"api": API, "db": DB})
    daemon.forwards = [row("db"), *before]
    daemon.after_up = [row("db"), row("api")]
    starts(daemon, "api", unchanged=("db",))
    assert cli.run(["run", "--", *shows(f"raise SystemExit({code})")]) == code
    assert daemon.body_of("POST /v1/up")["replace"] is False
    assert daemon.body_of(f"POST /v1/{taken_back}") == {"names": ["api"]}


def test_what_was_up_before_stays_up(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api")]
    starts(daemon, unchanged=("api",))
    assert cli.run(["run", "--", *shows("pass")]) == 0
    assert not [each for each in daemon.requests() if each in ("POST /v1/down", "POST /v1/remove")]


def test_the_command_is_given_where_each_forward_is(project: Path, daemon: FakeDaemon) -> None:
    configure(
        project, {"my-api": API, "db": DB | {"env": {"DATABASE_URL": "postgres://{host}:{port}/{name}"}}}
    )
    daemon.forwards = [row("my-api"), row("db", localPort=5433, url=None)]
    starts(daemon, unchanged=("my-api", "db"))
    file = project / "seen"
    what = f"import json; open({str(file)!r}, 'w').write(json.dumps(dict(os.environ)))"
    assert cli.run(["run", "--", *shows(what), "--json", "--", "-h"]) == 0
    seen = json.loads(file.read_text())
    assert seen["KFW_MY_API_URL"] == "http://localhost:8080"
    assert (seen["KFW_MY_API_HOST"], seen["KFW_MY_API_PORT"]) == ("localhost", "8080")
    assert seen["KFW_DB_URL"] == "tcp://localhost:5433"
    assert seen["DATABASE_URL"] == "postgres://localhost:5433/db"
    assert "DATABASE_URL" not in json.dumps(daemon.body_of("POST /v1/up"))


def test_one_variable_of_two_forwards_is_refused(project: Path, home: Path, capsys: Captured) -> None:
    configure(project, {"api": API | {"env": {"URL": "{url}"}}, "db": DB | {"env": {"URL": "{url}"}}})
    assert cli.run(["run", "--", "true"]) == 2
    assert "two forwards set the variable URL: api and db" in capsys.readouterr().err
    assert not (home / "run").exists()


@pytest.mark.parametrize(
    ("reason", "code"), [("port-in-use", 6), ("target-not-found", 1), ("not-permitted", 5)]
)
def test_a_forward_that_does_not_come_up_ends_it_and_the_command_is_not_run(
    project: Path, daemon: FakeDaemon, reason: str, code: int, capsys: Captured
) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api", "error", reason=reason)]
    starts(daemon, unchanged=("api",))
    file = project / "ran"
    assert cli.run(["run", "--", "touch", str(file)]) == code
    assert not file.exists()
    assert "touch was not run" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_goes_to_the_command_and_its_end_is_the_end(
    project: Path, daemon: FakeDaemon, number: signal.Signals
) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api")]
    starts(daemon, unchanged=("api",))
    says = (
        "import signal, sys, time; signal.signal(int(sys.argv[1]), lambda n, f: sys.exit(40)); "
        "print('on', flush=True); time.sleep(30)"
    )
    child = popen(project, "run", "--", sys.executable, "-c", says, str(int(number)))
    assert child.stdout
    assert child.stdout.readline() == "on\n"
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode == 40


def test_the_kill_of_the_command_is_128_and_the_signal(project: Path, daemon: FakeDaemon) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api")]
    starts(daemon, unchanged=("api",))
    assert cli.run(["run", "--", "sh", "-c", "kill -9 $$"]) == 137


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_it_waits_takes_back_what_was_begun(
    project: Path, daemon: FakeDaemon, number: signal.Signals, code: int
) -> None:
    configure(project, {"api": API})
    daemon.forwards = [row("api", "stopped", reason="user-stopped")]
    daemon.after_up = [row("api", "starting")]
    starts(daemon, "api")
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    daemon.replies["GET /v1/events?follow=true"] = begun
    daemon.hold = 60.0
    file = project / "ran"
    child = popen(project, "run", "--", "touch", str(file))
    deadline = time.monotonic() + 60
    while "POST /v1/up" not in daemon.requests() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == code
    assert "Traceback" not in said
    assert daemon.body_of("POST /v1/down") == {"names": ["api"]}
    assert not file.exists()


def popen(project: Path, *arguments: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    argv = [sys.executable, "-m", "kfw", *arguments]
    return subprocess.Popen(argv, cwd=project, env=dict(os.environ), stdout=pipe, stderr=pipe, text=True)


def test_names_become_variables() -> None:
    assert own_variables(places(row("a-1", url=None, localAddresses=["fd00::1"]))) == {
        "KFW_A_1_HOST": "fd00::1",
        "KFW_A_1_PORT": "8080",
        "KFW_A_1_URL": "tcp://[fd00::1]:8080",
    }


@pytest.mark.parametrize("addresses", [["0.0.0.0"], ["::"], ["0.0.0.0", "::"], ["127.0.0.1", "::1"]])
def test_a_forward_on_all_addresses_is_reached_as_localhost(addresses: list[str]) -> None:
    found = own_variables(places(row("api", url=None, localAddresses=addresses)))
    assert (found["KFW_API_HOST"], found["KFW_API_URL"]) == ("localhost", "tcp://localhost:8080")
