"""The one place where an error becomes words and an exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kfw import cli
from kfw.errors import ClusterUnreachable, ConfigError, KfwError, PortInUse
from tests.cli.running import kfw
from tests.client.fake_daemon import FakeDaemon, event, refusal, row


def test_an_error_is_what_happened_and_below_it_the_fix(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.show_error(
        PortInUse("cannot listen on 8080: nginx (pid 41) has it", "stop it, or use another port")
    )
    assert code == 6
    assert capsys.readouterr().err == (
        "kfw: cannot listen on 8080: nginx (pid 41) has it\n     stop it, or use another port\n"
    )


def test_problems_of_files_stand_at_the_beginning_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.show_error(ConfigError(["kfw.yaml:3:5: unknown key 'tagret'", "kfw.yaml:9:1: duplicate key"]))
    assert code == 2
    assert capsys.readouterr().err == (
        "kfw: the configuration has 2 problems\nkfw.yaml:3:5: unknown key 'tagret'\nkfw.yaml:9:1: duplicate key\n"
    )


def test_a_refusal_of_the_daemon_keeps_its_exit_code(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.replies["POST /v1/restart"] = refusal("cannot reach it", exit_code=ClusterUnreachable.exit_code)
    assert cli.run(["restart", "api"]) == 4
    assert capsys.readouterr().err == "kfw: cannot reach it\n"


def test_a_mistake_in_kfw_leaves_a_report_and_no_traceback(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("kfw.client.status_raw", broken)
    monkeypatch.setenv("HOME", str(home))
    assert cli.run(["status", "api"]) == 1
    shown = capsys.readouterr().err
    report = next((home / "state" / "crashes").glob("*.log"))
    assert "ZeroDivisionError: oh" in shown
    assert str(report) in shown
    assert "Traceback" not in shown
    assert "Traceback" in report.read_text()
    assert str(home) not in report.read_text()
    assert report.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["staus"], "`kfw status`?"),
        (["frobnicate"], "`kfw --help`?"),
        (["--frob"], "`kfw --help` says how"),
        (["status", "--frob"], "`kfw status --help` says how"),
        (["remove"], "`kfw remove --help` says how"),
        (["wait", "--for", "sunshine"], "`kfw wait --help` says how"),
        (["up", "--timeout"], "`kfw up --help` says how"),
        (["wait", "--timeout", "soon"], "write for example 30s"),
        (["logs", "-n", "-3"], "`kfw logs --help` says how"),
        (["logs", "-n", "many"], "`kfw logs --help` says how"),
        (["explain"], "`kfw explain --help` says how"),
        (["add", "api"], "`kfw add --help` says how"),
        (["serve", "--log-level", "loud"], "debug, info, warn, error"),
        (["serve", "--log-level=loud"], "debug, info, warn, error"),
        (["status", "--watch", "--json"], "kfw events --follow --json"),
    ],
)
def test_bad_usage_is_2_and_says_where_to_read_on(
    home: Path, argv: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(argv) == 2
    out, err = capsys.readouterr()
    assert [bool(out), "--json" in argv] in ([False, False], [True, True])
    assert err.startswith("kfw: ")
    assert word in err


@pytest.mark.parametrize(
    "argv",
    [
        ["status"],
        ["status", "--json"],
        ["down", "api"],
        ["restart"],
        ["retry"],
        ["remove", "api"],
        ["reload"],
        ["events"],
        ["events", "-f"],
        ["wait", "api"],
        ["verify"],
        ["explain", "api"],
    ],
)
def test_without_a_daemon_it_is_3_and_says_how_to_start_it(
    home: Path, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(argv) == 3
    assert capsys.readouterr().err.startswith("kfw: the daemon is not running\n     `kfw up` starts it")


@pytest.mark.parametrize(
    "argv", [["status", "apo"], ["wait", "apo"], ["verify", "apo"], ["status", "apo", "--json"]]
)
def test_an_unknown_name_is_2_and_the_known_ones_are_named(
    daemon: FakeDaemon, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.forwards = [row("api"), row("db")]
    assert cli.run(argv) == 2
    out, err = capsys.readouterr()
    assert [bool(out), "--json" in argv] in ([False, False], [True, True])
    assert err == "kfw: cannot find a forward named 'apo'\n     did you mean api? known: api, db\n"


def test_with_json_an_error_is_one_json_value_on_stdout_too(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.forwards = [row("api")]
    assert cli.run(["explain", "apo", "--json"]) == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error["message"] == "there is no GET /v1/forwards/apo/explain"
    assert (error["exitCode"], error["fix"]) == (2, "")
    assert err.startswith("kfw: there is no ")


def test_what_was_shown_as_json_already_stays_the_only_value(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["daemon"]["running"] is False


@pytest.mark.parametrize("argv", [["wait"], ["verify"]])
def test_nothing_to_wait_for_is_bad_usage(
    daemon: FakeDaemon, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(argv) == 2
    assert "kfw up" in capsys.readouterr().err


def test_a_daemon_of_another_version_is_no_traceback(daemon: FakeDaemon) -> None:
    daemon.replies["GET /v1/status"] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"
    done = kfw("wait", "api")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "another version" in done.stderr


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["events"]])
def test_a_reader_that_left_is_no_error(daemon: FakeDaemon, arguments: list[str]) -> None:
    """As `kfw status | head -1`, with a head that is gone before the first word."""
    daemon.forwards = [row("api")]
    daemon.events = [event(1, row("api"))]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "kfw", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        cwd="/",
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize("arguments", ["status", "status --json", "explain api", "version", "--help"])
def test_a_closed_stdout_is_no_traceback(daemon: FakeDaemon, arguments: str) -> None:
    daemon.forwards = [row("api")]
    shell = f"{sys.executable} -m kfw {arguments} >&-"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, cwd="/")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", ["status", "status --json", "version", "--help"])
def test_a_full_disk_is_said(daemon: FakeDaemon, arguments: str, unbuffered: str) -> None:
    """Also by Python's buffer, which tries what was refused once more at exit, and has a code of its own for that."""
    daemon.forwards = [row("api")]
    shell = f"PYTHONUNBUFFERED={unbuffered} {sys.executable} -m kfw {arguments} >/dev/full"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    assert done.stderr == "kfw: cannot continue: No space left on device\n"


def test_ctrl_c_is_130_and_quiet(daemon: FakeDaemon) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "kfw", "status", "--watch"],
        cwd="/",
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (130, "")


def test_an_error_s_words_are_not_an_exit_code_of_their_own() -> None:
    assert KfwError("x").exit_code == 1
