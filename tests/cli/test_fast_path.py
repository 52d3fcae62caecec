"""`kfw status` is a whole process in less than three times `python -c pass`: it imports next to nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kfw import cli
from kfw.commands import _status
from tests.cli.running import kfw
from tests.client.fake_daemon import FakeDaemon, row

_RUN = "import sys; from kfw import cli; cli.run(sys.argv[1:]); print(*sys.modules)"
#: Each costs milliseconds, or imports what does.
SLOW = {
    "typer",
    "rich",
    "yaml",
    "msgspec",
    "pathlib",
    "typing",
    "dataclasses",
    "asyncio",
    "subprocess",
    "shutil",
    "ssl",
}


def modules(*arguments: str) -> set[str]:
    """What is loaded after `kfw ARGUMENTS`."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments], capture_output=True, text=True, check=True, env=os.environ
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["status", "api"], ["status", "--json", "api"]]
)
def test_status_imports_nothing_slow(daemon: FakeDaemon, arguments: list[str]) -> None:
    daemon.forwards = [row("api"), row("db")]
    assert not modules(*arguments) & SLOW


def test_status_for_people_imports_not_even_re_json_and_socket(daemon: FakeDaemon) -> None:
    """Each takes as long as half of Python's own start."""
    daemon.forwards = [row("api"), row("db")]
    before = {
        *subprocess.check_output([sys.executable, "-c", "import sys; print(*sys.modules)"], text=True).split()
    }
    assert not (modules("status") - before) & {
        "re",
        "json",
        "socket",
        "enum",
        "collections",
        "functools",
        "contextlib",
    }


def test_the_fast_path_and_typer_say_the_same(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    from kfw.commands._group import run_command

    daemon.forwards = [row("api"), row("db", "error", reason="port-in-use", message="nginx (pid 41) has it")]
    for argv, code in (
        (["status"], 1),
        (["status", "--json"], 1),
        (["status", "db", "api"], 1),
        (["status", "api"], 0),
    ):
        assert cli.run(argv) == run_command(argv) == code
        said = capsys.readouterr().out
        assert said[: len(said) // 2] == said[len(said) // 2 :]


@pytest.mark.parametrize(
    "text",
    [
        '{"forwards": [{"a": 1, "b": -2.5e3, "c": "\\u20ac\\n", "d": [true, false, null, {}]}]}',
        "[]",
        '"ü"',
        "17",
        '{"a": {"b": 0.1}}',
    ],
)
def test_what_the_daemon_says_is_read_as_json_does(text: str) -> None:
    assert _status.decoded(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", ["", "{", '{"a": 1} x', '{"a"}', "nothing", '["\n"]', '{"a": "b'])
def test_what_is_no_json_is_an_error_as_ever(text: str) -> None:
    with pytest.raises(ValueError) as told:
        _status.decoded(text.encode())
    with pytest.raises(ValueError, match=re.escape(str(told.value))):
        json.loads(text)


def test_without_a_daemon_status_is_3_and_still_json(home: Path) -> None:
    done = kfw("status", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {
        "daemon": {
            "running": False,
            "pid": None,
            "version": None,
            "uptimeSeconds": None,
            "rssBytes": None,
            "socket": str(home / "run" / "kfw.sock"),
            "warnings": [],
        },
        "forwards": [],
    }


def test_the_way_of_serve_loads_no_typer() -> None:
    """The daemon must not carry it: tested here up to where the daemon's own code begins."""
    assert not modules("serve", "--log-level=loud") & {"typer", "rich"}
