"""From wherever a history leaves it a forward comes back by itself. A failure is played and printed again by

python -m tests.supervisor.interleave --seed N [--shrink]
"""

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from kfw.model import Status
from kfw.supervisor.machine import Phase
from tests.supervisor.interleave.history import draw
from tests.supervisor.interleave.play import Outcome, play
from tests.supervisor.interleave.without import FIXES, without

#: So many histories. KFW_HISTORIES=FIRST-LAST plays others.
HISTORIES = range(*map(int, os.environ.get("KFW_HISTORIES", "0-20000").split("-")))
#: Beside the other workers of a run of tests two of them would have less than one core.
PROCESSES = 4
#: In so many of them the net must catch a fault that was there once.
CATCHES_WITHIN = 3000


def test_when_all_is_well_again_each_forward_is_active_within_seconds_and_nothing_is_left() -> None:
    seeds = ("--from", str(HISTORIES.start), "--to", str(HISTORIES.stop), "--jobs", str(PROCESSES))
    argv = (sys.executable, "-m", "tests.supervisor.interleave", *seeds)
    played = subprocess.run(argv, capture_output=True, text=True)
    assert played.returncode == 0, played.stdout + played.stderr


@pytest.fixture(scope="module")
def outcomes() -> Sequence[Outcome]:
    return [play(draw(seed), verbose=True) for seed in range(150)]


@pytest.mark.parametrize("phase", Phase)
def test_histories_reach_every_state(phase: Phase, outcomes: Sequence[Outcome]) -> None:
    assert any(phase in outcome.states for outcome in outcomes)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.STOPPED, Status.DISABLED}))
def test_histories_reach_every_status_of_a_runner(status: Status, outcomes: Sequence[Outcome]) -> None:
    assert any(status in outcome.statuses for outcome in outcomes)


def test_a_history_goes_the_same_way_each_time(outcomes: Sequence[Outcome]) -> None:
    again = [play(draw(seed), verbose=True) for seed in range(0, 150, 10)]
    assert [outcome.told for outcome in again] == [outcome.told for outcome in outcomes[::10]]


@pytest.mark.parametrize("fix", FIXES)
def test_the_net_catches_what_was_wrong_without(fix: str) -> None:
    expected = FIXES[fix].caught_by
    with without(fix):
        found = next((seed for seed in range(CATCHES_WITHIN) if expected in play(draw(seed)).wrong), None)
    assert found is not None
