"""Figures from what was seen: a fault from 10 to 20 s, a connection every half second, a sample every 0.2 s."""

from collections.abc import Callable

import pytest

from tests.real.chaos.cell import BARE
from tests.real.chaos.load import CLOSED, OK, REFUSED, RESET, SILENT, Attempt, Records
from tests.real.chaos.measure import Sample, Times, Told, active_in_vain, measure

TIMES = Times(start=0.0, begin=10.0, end=20.0, settled=35.0, over=40.0)


def new(began: float, outcome: str = OK, took: float = 0.01, method: str = "tunnel") -> Attempt:
    return Attempt(method, began, began + took, outcome, int(outcome == OK))


def live(began: float, ended: float, outcome: str, words: int = 9) -> Attempt:
    return Attempt("tunnel", began, ended, outcome, words, live=True)


def attempts(outcome: Callable[[float], str] = lambda _: OK) -> list[Attempt]:
    """One each half second."""
    return [new(n / 2, outcome(n / 2)) for n in range(80)]


def failing(since: float, until: float, outcome: str = RESET) -> list[Attempt]:
    return attempts(lambda began: outcome if since <= began < until else OK)


def samples(status: Callable[[float], str | None] = lambda _: "active", lost: int = 0) -> list[Sample]:
    """None: no answer."""

    def one(at: float) -> Sample:
        said = status(at)
        return Sample(at, None if said is None else {"tunnel": Told(said, "", lost if at > 20 else 0)})

    return [one(n / 5) for n in range(200)]


def test_without_a_failure_there_is_nothing_to_tell() -> None:
    cell = measure("tunnel", Records(attempts()), samples(), TIMES)
    assert (cell.tried, cell.failed, cell.lost, cell.live_lost, cell.hand) == (80, 0, 0, 0, "")
    assert (cell.back, cell.clean, cell.active_in_vain) == (0.0, 0.0, 0.0)
    assert cell.quiet == pytest.approx(0.5)


def test_a_gap_lasts_from_one_answer_to_the_next() -> None:
    cell = measure("tunnel", Records(failing(10, 22)), samples(), TIMES)
    assert cell.failed == 24
    assert cell.quiet == pytest.approx(12.5)
    assert cell.back == pytest.approx(2.01)
    assert cell.clean == pytest.approx(1.5)


def test_a_gap_that_was_over_before_the_fault_was_is_not_its_end() -> None:
    cell = measure("tunnel", Records(failing(10, 15)), samples(), TIMES)
    assert cell.quiet == pytest.approx(5.5)
    assert (cell.back, cell.clean) == (0.0, 0.0)


def test_one_that_is_held_and_then_answered_has_not_failed() -> None:
    held = [new(n / 2, took=20.1 - n / 2 if 10 <= n / 2 < 20 else 0.01) for n in range(80)]
    cell = measure("tunnel", Records(held), samples(), TIMES)
    assert cell.failed == 0
    assert cell.quiet == pytest.approx(20.0 - 9.51, abs=0.2)
    assert cell.active_in_vain == 0.0


def test_active_is_said_in_vain_as_long_as_all_fail_and_it_is_told() -> None:
    told = samples(lambda at: "active" if at < 13 or at > 19 else "reconnecting")
    assert active_in_vain("tunnel", failing(10, 18), told) == pytest.approx(2.8, abs=0.21)


def test_one_answer_in_between_is_no_vain() -> None:
    one_in_two = attempts(lambda began: OK if began % 1 else RESET)
    assert active_in_vain("tunnel", one_in_two, samples()) == pytest.approx(0.5, abs=0.21)


@pytest.mark.parametrize("status", ["reconnecting", "suspended", "error", "degraded", "starting"])
def test_another_status_is_honest(status: str) -> None:
    assert active_in_vain("tunnel", failing(10, 18), samples(lambda _: status)) == 0.0


def test_a_daemon_that_does_not_answer_says_nothing() -> None:
    stopped = samples(lambda at: None if 10 <= at < 20 else "active")
    assert active_in_vain("tunnel", failing(10, 20), stopped) <= 0.4


def test_failures_at_the_very_end_count_too() -> None:
    assert active_in_vain("tunnel", failing(30, 99), samples()) == pytest.approx(9.5, abs=0.21)


def test_how_connections_failed_is_kept_apart() -> None:
    seen = [new(11, RESET), new(11.5, CLOSED), new(12, REFUSED), new(13, SILENT), new(14)]
    cell = measure("tunnel", Records([*attempts(), *seen]), samples(lost=2), TIMES)
    assert (cell.failed, cell.refused, cell.late) == (4, 1, 1)
    assert (cell.lost, cell.counted) == (2, 2)


def test_live_ones_are_lost_when_they_had_worked_before() -> None:
    seen = [live(1, 11, RESET), live(1, 12, CLOSED), live(11.3, 11.4, RESET, words=0), live(1, 31, SILENT)]
    cell = measure("tunnel", Records([*attempts(), *seen]), samples(), TIMES)
    assert (cell.live_lost, cell.lost) == (3, 3)


def test_a_live_one_that_its_app_has_closed_is_not_to_be_counted_but_a_new_one_without_an_answer_is() -> None:
    seen = [live(1, 12, CLOSED), live(1, 11, RESET), new(11, CLOSED)]
    cell = measure("tunnel", Records([*attempts(), *seen]), samples(), TIMES, pods_end=True)
    assert (cell.live_lost, cell.lost) == (2, 2)


@pytest.mark.parametrize(("method", "lost"), [("nodeport", 1), ("socat", 1), ("tunnel", 2), ("kubectl", 2)])
def test_a_new_one_that_a_pod_closes_as_it_ends_is_its_own_word_where_that_comes_through(
    method: str, lost: int
) -> None:
    seen = [new(11, CLOSED, method=method), new(11, RESET, method=method)]
    assert measure(method, Records(seen), samples(), TIMES, pods_end=True).lost == lost
    assert measure(method, Records(seen), samples(), TIMES).lost == 2


def test_what_does_not_work_long_after_the_fault_needs_a_hand() -> None:
    assert (
        measure("tunnel", Records(failing(10, 99)), samples(), TIMES).hand == "no new connection is answered"
    )
    assert measure(BARE, Records([]), samples(), TIMES).hand == "no new connection is answered"
    told = samples(lambda at: "reconnecting" if at > 10 else "active")
    assert measure("tunnel", Records(attempts()), told, TIMES).hand == "it says reconnecting ()"
    silent = samples(lambda at: None if at > 10 else "active")
    assert measure("tunnel", Records(attempts()), silent, TIMES).hand == "the daemon does not answer"


def test_some_that_fail_long_after_the_fault_are_counted() -> None:
    cell = measure(
        "tunnel", Records(attempts(lambda began: RESET if began % 5 == 0 else OK)), samples(), TIMES
    )
    assert (cell.failed_at_last, cell.tried_at_last, cell.hand) == (1, 10, "")


def test_a_second_daemon_counts_from_zero() -> None:
    told = [Sample(1, {"tunnel": Told("active", "", 7)}), Sample(30, {"tunnel": Told("active", "", 2)})]
    cell = measure("tunnel", Records(attempts()), told, TIMES, daemon_ended=True)
    assert (cell.counted, cell.daemon_ended) == (2, True)


def test_the_clients_own_lateness_during_the_fault_is_told() -> None:
    cell = measure("tunnel", Records(attempts(), [(2.0, 3.0), (12.0, 0.4)]), samples(), TIMES)
    assert cell.lag == 0.4
