"""Every command explains itself with an example."""

import subprocess
import sys

import pytest

from kfw import __version__, cli
from kfw.commands.group import COMMANDS
from tests.cli.running import kfw
from tests.client.fake_daemon import FakeDaemon, row


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


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
