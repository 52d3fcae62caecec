"""When connections say that it is worth to look at the way behind them. Pure: the test tells the time."""

import pytest

from kfw.relay.suspicion import FAILURES, LATE, LATE_ONES, Hint, Suspicion


def answered_once(now: float = 0.0) -> Suspicion:
    suspicion = Suspicion()
    suspicion.waits("first", now)
    suspicion.answered("first", now, unasked=False)
    return suspicion


def test_one_that_is_late_is_a_hint_once_and_says_when_to_look_again() -> None:
    suspicion = answered_once()
    suspicion.waits("a", 1.0)
    suspicion.waits("b", 1.1)
    assert suspicion.look(1.0) == (Hint.NONE, pytest.approx(LATE))
    assert suspicion.look(1.0 + LATE) == (Hint.SOME, pytest.approx(0.1))
    suspicion.answered("b", 1.2 + LATE, unasked=False)
    assert suspicion.look(2.0 + LATE) == (Hint.NONE, None)


def test_several_late_ones_and_nobody_answered_since_suspect_the_whole_way() -> None:
    suspicion = answered_once()
    for one in range(LATE_ONES):
        suspicion.waits(one, 1.0)
    assert suspicion.look(1.0 + LATE)[0] is Hint.ALL


def test_while_others_are_answered_only_some_are_suspect() -> None:
    suspicion = answered_once()
    for one in range(LATE_ONES):
        suspicion.waits(one, 1.0)
    suspicion.waits("good", 1.0)
    suspicion.answered("good", 1.1, unasked=False)
    assert suspicion.look(1.0 + LATE)[0] is Hint.SOME


def test_an_app_that_has_never_answered_may_be_one_that_only_takes() -> None:
    suspicion = Suspicion()
    for one in range(3 * LATE_ONES):
        suspicion.waits(one, 1.0)
    assert suspicion.look(1.0 + LATE)[0] is Hint.SOME


def test_failures_in_a_row_are_a_hint_and_an_answer_ends_the_row() -> None:
    suspicion = Suspicion()
    hints = [suspicion.failed(one) for one in range(FAILURES)]
    assert hints == [Hint.NONE] * (FAILURES - 1) + [Hint.ALL]
    suspicion.answered("good", 1.0, unasked=False)
    assert suspicion.failed("again") is Hint.NONE


def test_who_has_left_or_waits_by_an_old_way_says_nothing() -> None:
    suspicion = answered_once()
    suspicion.waits("left", 1.0)
    suspicion.forget("left")
    assert suspicion.look(5.0) == (Hint.NONE, None)
    suspicion.waits("old", 5.0)
    suspicion.look(6.0)
    assert suspicion.now is Hint.SOME
    suspicion.start_over()
    assert suspicion.now is Hint.NONE


def test_who_has_been_late_for_long_is_no_new_hint() -> None:
    suspicion = answered_once()
    suspicion.waits("slow", 1.0)
    assert suspicion.look(2.0)[0] is Hint.SOME
    suspicion.waits("quick", 2.0)
    suspicion.answered("quick", 2.1, unasked=False)
    assert suspicion.look(9.0)[0] is Hint.NONE
