"""The other scripts of the quick start with a stub for kfw: help, usage, and what they hand to `kfw bootstrap`."""

import pytest

from tests.scripts.conftest import Machine

SCRIPTS = ("port-forward", "stop-port-forward", "uninstall", "start-colima")


@pytest.fixture
def ready(machine: Machine) -> Machine:
    machine.installed("exit ${CODE:-0}")
    return machine


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_the_options_and_does_nothing(ready: Machine, script: str) -> None:
    done = ready.run(f"quick-start/{script}.sh", "--help")
    assert done.returncode == 0
    assert f"usage: quick-start/{script}.sh" in done.stdout and "--dry-run" in done.stdout
    assert ready.calls() == []


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("arguments", [["--nope"], ["now"], ["--config"]])
def test_bad_usage_exits_2_with_one_line_and_does_nothing(
    ready: Machine, script: str, arguments: list[str]
) -> None:
    done = ready.run(f"quick-start/{script}.sh", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{script}: ") and done.stderr.count("\n") == 1
    assert ready.calls() == []


@pytest.mark.parametrize(
    ("script", "arguments", "handed"),
    [
        ("port-forward", [], "all --skip-kind --skip-openchoreo --no-services --foreground"),
        ("port-forward", ["--detach"], "all --skip-kind --skip-openchoreo --no-services"),
        (
            "port-forward",
            ["--cluster-name", "mine", "-d", "--verbose"],
            "all --skip-kind --skip-openchoreo --no-services --cluster-name mine --verbose",
        ),
        ("stop-port-forward", [], "stop"),
        ("stop-port-forward", ["--config", "own.yaml"], "stop --config own.yaml"),
        ("uninstall", ["--yes", "--keep-cluster"], "uninstall --yes --keep-cluster"),
        ("start-colima", ["--profile", "dev", "--yes"], "colima --profile dev --yes"),
    ],
)
def test_kfw_bootstrap_does_the_work(ready: Machine, script: str, arguments: list[str], handed: str) -> None:
    done = ready.run(f"quick-start/{script}.sh", *arguments, CODE="6")
    assert done.returncode == 6
    assert ready.calls() == [f"kfw bootstrap {handed}"]


@pytest.mark.parametrize("script", ["stop-port-forward", "uninstall"])
def test_before_anything_was_set_up_there_is_nothing_to_end(machine: Machine, script: str) -> None:
    done = machine.run(f"quick-start/{script}.sh")
    assert done.returncode == 0
    assert "nothing was set up" in done.stderr
