"""How often hints start a look, and what the look means. Pure: the test tells the time."""

import pytest

from kfw.errors import KfwError
from kfw.methods.base import Examination
from kfw.methods.probe import Unanswered
from kfw.model import Reason
from kfw.relay.suspicion import Hint
from kfw.supervisor.hints import (
    FIRST_PAUSE,
    FORGOTTEN_AFTER,
    LONGEST_PAUSE,
    HintPace,
    event_of,
    is_contradicted,
)
from kfw.supervisor.machine import ProbeFailed, ProbeOk

SILENT = Unanswered("no answer within 1.4 s", reason=Reason.UNHEALTHY)
REFUSED = KfwError("connection refused", "look at the pods", reason=Reason.APP_REFUSES)
STOPPED = KfwError("kubectl is stopped (SIGSTOP)", "kill -CONT 7", reason=Reason.UNHEALTHY)


def test_the_first_hint_is_looked_after_at_once_and_the_next_one_a_second_later() -> None:
    pace = HintPace()
    assert pace.wait(Hint.SOME, 100.0) <= 0
    pace.looked(100.0, passed=False)
    assert pace.wait(Hint.SOME, 100.2) == pytest.approx(FIRST_PAUSE - 0.2)


@pytest.mark.parametrize("hint", [Hint.SOME, Hint.ALL])
def test_looks_that_find_nothing_become_rare_up_to_a_limit(hint: Hint) -> None:
    pace, now, pauses = HintPace(), 0.0, []
    for _ in range(10):
        pace.looked(now, passed=True)
        pauses.append(pace.wait(hint, now))
        now += pauses[-1]
    assert pauses == sorted(pauses)
    assert pauses[0] == 2 * FIRST_PAUSE
    assert pauses[-1] == LONGEST_PAUSE[hint]


def test_after_a_look_that_found_something_or_a_long_rest_it_begins_again() -> None:
    pace = HintPace()
    for now in range(8):
        pace.looked(now, passed=True)
    pace.looked(8.0, passed=False)
    assert pace.wait(Hint.SOME, 8.0) == FIRST_PAUSE
    for now in range(8):
        pace.looked(now, passed=True)
    assert pace.wait(Hint.SOME, 7.0) > FIRST_PAUSE
    assert pace.wait(Hint.SOME, 8.0 + FORGOTTEN_AFTER) <= 0


@pytest.mark.parametrize(
    ("found", "apart", "message"),
    [
        (
            (SILENT, None, SILENT, None),
            True,
            "2 of 4 probes of node port 30080 of n1 got no answer within 1.4 s",
        ),
        ((SILENT,) * 4, False, "4 of 4 probes of node port 30080 of n1 got no answer within 1.4 s"),
        (
            (REFUSED, None, None, None),
            True,
            "1 of 4 probes of node port 30080 of n1 failed: connection refused",
        ),
        ((REFUSED,) * 4, False, "connection refused"),
        ((REFUSED, SILENT), False, "connection refused"),
        ((STOPPED,), False, "kubectl is stopped (SIGSTOP)"),
    ],
)
def test_what_a_look_has_found_is_said_in_a_sentence(
    found: tuple[KfwError | None, ...], apart: bool, message: str
) -> None:
    event = event_of(Examination(found, "node port 30080 of n1"))
    assert isinstance(event, ProbeFailed)
    assert (event.problem.message, event.apart) == (message, apart)


def test_all_well_is_well_and_what_is_behind_the_way_is_apart() -> None:
    assert event_of(Examination((None,) * 4, "x")) == ProbeOk()
    event = event_of(Examination((SILENT,) * 4, "x", apart=True))
    assert isinstance(event, ProbeFailed)
    assert event.apart


def test_silence_to_all_probes_proves_nothing_while_clients_are_answered() -> None:
    assert is_contradicted(Examination((SILENT,) * 4, "x"), answered=1)
    assert not is_contradicted(Examination((SILENT,) * 4, "x"), answered=0)
    assert not is_contradicted(Examination((SILENT, None), "x"), answered=5)
    assert not is_contradicted(Examination((REFUSED,) * 4, "x"), answered=5)
