"""Every command explains itself with an example."""

import re
import subprocess
import sys

import pytest

from kfw import __version__, cli
from kfw.commands._group import COMMANDS, GROUPS
from tests.cli.running import kfw
from tests.cli.terminal import on_a_terminal
from tests.client.fake_daemon import FakeDaemon, row


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("noun", ["", "config", "sandbox", "bootstrap"])
def test_each_line_about_a_command_is_whole(noun: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*noun.split(), "--help"]) == 0
    assert not [
        line for line in capsys.readouterr().out.splitlines() if line.endswith("...") and "Usage" not in line
    ]


def test_commands_stand_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["--help"])
    out = capsys.readouterr().out
    titles = [
        line.rstrip(":") for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")
    ]
    assert titles == ["Options", *GROUPS]


@pytest.mark.parametrize(
    "argv", [[], ["up"], ["config"], ["config", "check"], ["bootstrap", "release"], ["port-forward"]]
)
def test_on_a_terminal_help_fits_it(argv: list[str]) -> None:
    code, out = on_a_terminal([*argv, "--help"])
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in out.splitlines()]
    assert code == 0
    assert "╭─ Options ─" in out.replace("\x1b[0m", "").replace("\x1b[2m", "")
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.rstrip("│ ").endswith("…")]


def test_on_a_terminal_without_colours_help_has_none() -> None:
    assert "\x1b[3" not in on_a_terminal(["--help"], env={"NO_COLOR": "1"})[1]


def test_without_arguments_it_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    assert capsys.readouterr().out.startswith("Usage: kfw ")


#: These have verbs, each with a help of its own.
NOUNS = {
    "config": ["check", "show", "schema"],
    "sandbox": ["start", "stop", "status", "kubeconfig"],
    "bootstrap": ["all", "kind", "docker", "colima", "release", "attach", "stop", "uninstall"],
}
VERBS = [f"{name} {verb}".strip() for name in COMMANDS for verb in NOUNS.get(name, [""])]


@pytest.mark.parametrize("name", VERBS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*name.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: kfw {name}")
    assert err == ""


@pytest.mark.parametrize("name", [name for name in VERBS if not name.startswith("sandbox")])
def test_every_help_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run([*name.split(), "--help"])
    assert f"\n  kfw {name}" in capsys.readouterr().out


def test_version_is_said_both_ways(capsys: pytest.CaptureFixture[str], home: object) -> None:
    for argv in (["version"], ["--version"]):
        assert cli.run(argv) == 0
        assert capsys.readouterr().out == f"kfw {__version__}\n"


def test_names_are_completed_by_the_daemon(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api"), row("app"), row("db")]
    done = kfw(env={"_KFW_COMPLETE": "complete_bash", "COMP_WORDS": "kfw down ap", "COMP_CWORD": "2"})
    assert done.stdout.split() == ["api", "app"]


def test_commands_are_completed_too(home: object) -> None:
    done = kfw(env={"_KFW_COMPLETE": "complete_bash", "COMP_WORDS": "kfw sta", "COMP_CWORD": "1"})
    assert done.stdout.split() == ["status", "start"]


def test_without_a_daemon_names_complete_to_nothing(home: object) -> None:
    done = kfw(env={"_KFW_COMPLETE": "complete_bash", "COMP_WORDS": "kfw down ", "COMP_CWORD": "2"})
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_kfw_folder_in_the_working_directory_is_not_imported(tmp_path: object) -> None:
    """`kfw` the program takes what is installed; `python -m kfw` is for checkouts."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "kfw", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"kfw {__version__}\n"
