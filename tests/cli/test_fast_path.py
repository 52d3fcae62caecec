"""`kfw status` is a whole process in less than three times `python -c pass`: it imports next to nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kfw import cli
from tests.cli.running import kfw
from tests.client.fake_daemon import FakeDaemon, row

_RUN = "import json, sys; from kfw import cli; code = cli.run(sys.argv[1:]); print(json.dumps(list(sys.modules)))"
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
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["status", "api"], ["status", "--json", "api"]]
)
def test_status_imports_nothing_slow(daemon: FakeDaemon, arguments: list[str]) -> None:
    daemon.forwards = [row("api"), row("db")]
    assert not modules(*arguments) & SLOW


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
