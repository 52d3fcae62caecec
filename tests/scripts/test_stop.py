"""quick-start/stop.sh with a stub for kfw."""

import pytest

from tests.scripts.conftest import Machine

STOP = "quick-start/stop.sh"
DOWN = "kfw down amp-console amp-api amp-traces-observer data-prepper gateway-external"


def test_the_forwards_go_down_by_name_and_then_the_sandbox_stops(machine: Machine) -> None:
    machine.installed("")
    done = machine.run(STOP)
    assert done.returncode == 0
    assert machine.calls() == [DOWN, "kfw sandbox stop"]
    assert not done.stdout


def test_A18_a_second_stop_is_harmless(machine: Machine) -> None:
    machine.installed('[ "$1" != down ] || exit 3')
    assert machine.run(STOP).returncode == 0
    assert machine.calls()[-1] == "kfw sandbox stop"


def test_before_anything_was_set_up_there_is_nothing_to_stop(machine: Machine) -> None:
    done = machine.run(STOP)
    assert done.returncode == 0
    assert "nothing was set up" in done.stderr


@pytest.mark.parametrize("arguments", [["--nope"], ["--config"], ["now"]])
def test_bad_usage_exits_2(machine: Machine, arguments: list[str]) -> None:
    machine.installed("")
    done = machine.run(STOP, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("stop: ")
    assert machine.calls() == []
