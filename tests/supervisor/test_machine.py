"""Histories played through the pure machine: what is done, and what people see."""

import pytest

from kfw.model import Health, Problem, Reason, Retry, Status
from kfw.supervisor.machine import (
    Action,
    Broke,
    ConnectionWaiting,
    DelayOver,
    Event,
    Found,
    Missing,
    Opened,
    OpenFailed,
    Phase,
    ProbeFailed,
    ProbeOk,
    Refused,
    RetryAsked,
    Settled,
    Slow,
    Snapshot,
    status_of,
    step,
)
from tests.supervisor.draw import PAGE, page


def problem(reason: Reason) -> Problem:
    return Problem(reason, f"because of {reason.value}")


NO_POD = problem(Reason.NO_READY_POD)
GONE = problem(Reason.TARGET_NOT_FOUND)
AWAY = problem(Reason.CLUSTER_UNREACHABLE)
EXITED = problem(Reason.CHILD_EXITED)
ILL = problem(Reason.UNHEALTHY)
REFUSES = problem(Reason.APP_REFUSES)
LATE = problem(Reason.TIMED_OUT)


def play(
    *events: Event, now: Snapshot | None = None, retry: Retry | None = None
) -> tuple[Snapshot, list[Action]]:
    now, done = now or Snapshot(), []
    for event in events:
        now, do = step(now, event, retry or Retry(), Health())
        done.append(do)
    return now, done


UP = play(Found(), Opened())[0]


def test_found_and_opened_is_active() -> None:
    now, done = play(Found(), Opened())
    assert (status_of(now), done) == (Status.ACTIVE, [Action.OPEN, Action.NOTHING])


def test_before_anything_is_known_it_is_starting() -> None:
    assert status_of(Snapshot()) is Status.STARTING


def test_an_attempt_that_takes_long_says_so_until_it_is_over_and_hides_no_better_reason() -> None:
    now, done = play(Found(), Slow(LATE))
    assert (status_of(now), now.problem, done[-1]) == (Status.STARTING, LATE, Action.NOTHING)
    assert play(Opened(), now=now)[0].problem is None
    assert play(OpenFailed(ILL), now=now)[0].problem == ILL
    assert play(Broke(EXITED), Found(), Slow(LATE), now=UP)[0].problem == EXITED
    assert play(Slow(LATE), now=UP)[0] == UP


def test_a_dead_child_is_tried_again_at_once_and_says_why() -> None:
    now, done = play(Broke(EXITED), now=UP)
    assert (status_of(now), now.problem, now.delay, done) == (Status.RECONNECTING, EXITED, 0.0, [Action.WAIT])
    assert play(DelayOver(), now=now)[1] == [Action.OPEN]


def test_A2_a_missing_target_is_an_error_and_comes_back_by_itself() -> None:
    now, _ = play(Missing(GONE))
    assert status_of(now) is Status.ERROR
    now, done = play(Found(), Opened(), now=now)
    assert (status_of(now), done[0]) == (Status.ACTIVE, Action.OPEN)


def test_A31_a_deleted_target_is_an_error_at_once_without_attempts() -> None:
    now, done = play(Missing(GONE), now=UP)
    assert (status_of(now), done) == (Status.ERROR, [Action.HOLD])


def test_no_ready_pod_holds_and_the_first_ready_one_is_opened_without_waiting() -> None:
    now, done = play(Missing(NO_POD), Found(), now=UP)
    assert done == [Action.HOLD, Action.OPEN]
    assert now.delay == 0


def test_A32_without_pods_it_gives_up_after_max_attempts_with_the_last_cause_and_retry_brings_it_back() -> (
    None
):
    retry = Retry(max_attempts=5)
    now, waits = play(Missing(NO_POD), now=UP, retry=retry)[0], []
    while now.phase is not Phase.PARKED:
        waits.append(now.delay)
        now, _ = play(DelayOver(), now=now, retry=retry)
    assert waits == [1, 2, 4, 8, 16]
    assert (status_of(now), now.problem) == (Status.ERROR, NO_POD)
    now, _ = play(Found(), now=now, retry=retry)
    assert status_of(now) is Status.ERROR
    now, done = play(RetryAsked(), Opened(), now=now, retry=retry)
    assert (status_of(now), done[0]) == (Status.ACTIVE, Action.OPEN)


def test_an_unreachable_cluster_suspends_what_has_no_way() -> None:
    now, _ = play(Missing(AWAY))
    assert status_of(now) is Status.SUSPENDED
    assert play(Found(), now=now)[1] == [Action.OPEN]


def test_a_way_that_still_carries_stays_active_while_the_api_is_away() -> None:
    now, done = play(Missing(AWAY, stale=True), now=UP)
    assert (status_of(now), done) == (Status.ACTIVE, [Action.NOTHING])


def test_a_way_that_breaks_while_the_api_is_away_is_suspended_with_the_api_as_cause() -> None:
    now, _ = play(Missing(AWAY, stale=True), Broke(EXITED), now=UP)
    assert (status_of(now), now.problem) == (Status.SUSPENDED, AWAY)


def test_A8_one_failed_check_is_degraded_three_reopen_and_two_good_ones_heal() -> None:
    now, _ = play(ProbeFailed(ILL), now=UP)
    assert status_of(now) is Status.DEGRADED
    healing, _ = play(ProbeOk(), now=now)
    assert status_of(healing) is Status.DEGRADED
    assert status_of(play(ProbeOk(), now=healing)[0]) is Status.ACTIVE
    broken, done = play(ProbeFailed(ILL), ProbeFailed(ILL), now=now)
    assert (status_of(broken), done[-1]) == (Status.RECONNECTING, Action.WAIT)


def test_a_good_check_between_bad_ones_does_not_forget_the_bad_ones() -> None:
    now, _ = play(ProbeFailed(ILL), ProbeOk(), ProbeFailed(ILL), ProbeOk(), ProbeFailed(ILL), now=UP)
    assert status_of(now) is Status.RECONNECTING


def test_A30_another_pod_is_opened_when_the_one_in_use_is_gone() -> None:
    now, done = play(Found(same=False), now=UP)
    assert (status_of(now), done) == (Status.RECONNECTING, [Action.OPEN])
    assert status_of(play(Opened(), now=now)[0]) is Status.ACTIVE


def test_news_about_other_endpoints_disturb_nothing() -> None:
    assert play(Found(same=True), now=UP)[1] == [Action.NOTHING]
    assert play(Found(), Found(same=True))[1] == [Action.OPEN, Action.NOTHING]


def test_failures_add_up_until_the_way_has_settled() -> None:
    now, _ = play(
        Broke(EXITED), DelayOver(), Opened(), Broke(EXITED), DelayOver(), Opened(), Broke(EXITED), now=UP
    )
    assert now.delay == 1
    now, _ = play(DelayOver(), Opened(), Settled(), Broke(EXITED), now=now)
    assert now.delay == 0


def test_a_change_in_the_cluster_ends_an_old_delay() -> None:
    now, _ = play(Found(), OpenFailed(ILL), DelayOver(), OpenFailed(ILL))
    assert now.delay == 2
    now, done = play(Found(), now=now)
    assert (now.failures, done) == (0, [Action.OPEN])


def test_a_new_local_connection_brings_the_next_attempt_forward() -> None:
    now, _ = play(Found(), OpenFailed(ILL))
    assert play(ConnectionWaiting(), now=now)[1] == [Action.OPEN]
    assert play(ConnectionWaiting(), now=play(Missing(AWAY))[0])[1] == [Action.ASK]
    assert play(ConnectionWaiting(), now=UP)[1] == [Action.NOTHING]


def test_A33_a_busy_port_is_an_error_that_only_retry_leaves() -> None:
    now, done = play(Found(), OpenFailed(problem(Reason.PORT_IN_USE)))
    assert (status_of(now), done[-1]) == (Status.ERROR, Action.HOLD)
    assert play(DelayOver(), Found(), ConnectionWaiting(), Missing(NO_POD), now=now)[0].phase is Phase.PARKED
    assert play(RetryAsked(), now=now)[1] == [Action.OPEN]


def test_a_missing_tool_is_an_error_with_a_next_attempt() -> None:
    now, done = play(Found(), OpenFailed(problem(Reason.TOOL_MISSING)))
    assert (status_of(now), done[-1], now.delay) == (Status.ERROR, Action.WAIT, 1)


# -- refused by the app


def refused(times: int, *, now: Snapshot | None = None, awaited: bool = False) -> Snapshot:
    now = now or play(Found())[0]
    for _ in range(times):
        now, _ = play(OpenFailed(REFUSES, awaited=awaited), DelayOver(), now=now)
    return now


def test_an_app_that_refuses_may_be_starting_and_soon_it_is_an_error_that_is_tried_on() -> None:
    seen = [(status_of(refused(n)), refused(n).phase) for n in (1, 2, 3, 4, 5)]
    starting, error = (Status.STARTING, Phase.OPENING), (Status.ERROR, Phase.OPENING)
    assert seen == [starting, starting, starting, error, error]


def test_the_attempts_until_then_take_between_1_and_2_seconds() -> None:
    for awaited in (False, True):
        now, pauses = play(Found())[0], []
        while status_of(now) is not Status.ERROR:
            now, _ = play(OpenFailed(REFUSES, awaited=awaited), now=now)
            pauses.append(now.delay)
            now, _ = play(DelayOver(), now=now)
        assert 1 <= sum(pauses[:-1]) <= 2


def test_a_way_whose_app_refuses_is_not_active_and_comes_back_as_the_same_one() -> None:
    now, done = play(Refused(REFUSES), now=UP)
    assert (status_of(now), now.problem, done) == (Status.RECONNECTING, REFUSES, [Action.WAIT])
    now, done = play(DelayOver(), Opened(), now=now)
    assert (status_of(now), now.problem, done) == (Status.ACTIVE, None, [Action.OPEN, Action.NOTHING])


@pytest.mark.parametrize("phase", [s for s in Phase if s is not Phase.UP])
def test_a_refusal_is_news_only_of_a_way_that_is_up(phase: Phase) -> None:
    now = Snapshot(phase=phase, problem=NO_POD, has_endpoints=True)
    assert step(now, Refused(REFUSES), Retry(), Health()) == (now, Action.NOTHING)


def test_a_client_starts_an_attempt_also_when_attempts_are_used_up() -> None:
    twice = Retry(max_attempts=2)
    now = play(Found())[0]
    for _ in range(3):
        now, _ = play(OpenFailed(REFUSES), DelayOver(), now=now, retry=twice)
    assert (now.phase, status_of(now)) == (Phase.PARKED, Status.ERROR)
    now, done = play(ConnectionWaiting(), now=now, retry=twice)
    assert done == [Action.OPEN]
    assert status_of(play(Opened(), now=now)[0]) is Status.ACTIVE


def test_a_pod_that_is_made_anew_ends_the_pause() -> None:
    now, done = play(Found(), now=play(OpenFailed(REFUSES), now=refused(5))[0])
    assert (now.failures, done) == (0, [Action.OPEN])


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize(
    "event",
    [
        Found(),
        Missing(NO_POD),
        Opened(),
        OpenFailed(ILL),
        OpenFailed(REFUSES, awaited=True),
        Slow(LATE),
        Broke(EXITED),
        Refused(REFUSES),
        ProbeOk(),
        ProbeFailed(ILL),
        Settled(),
        DelayOver(),
        ConnectionWaiting(),
        RetryAsked(),
    ],
)
def test_every_event_is_answered_in_every_state(phase: Phase, event: Event) -> None:
    now, do = step(Snapshot(phase=phase, problem=NO_POD, has_endpoints=True), event, Retry(), Health())
    assert now.phase in Phase
    assert do in Action


@pytest.mark.parametrize("phase", [s for s in Phase if s is not Phase.UP])
def test_no_state_needs_a_restart_to_be_left(phase: Phase) -> None:
    now = Snapshot(phase=phase, problem=NO_POD)
    now, _ = play(RetryAsked(), Found(), Opened(), now=now)
    assert status_of(now) is Status.ACTIVE


def test_the_picture_in_the_docs_is_the_machine() -> None:
    assert PAGE.read_text() == page()


# -- what failed behind the way, or for some only


def test_what_fails_behind_the_way_is_degraded_and_never_opened_again_for_it() -> None:
    now, done = play(*[ProbeFailed(ILL, apart=True)] * 10, now=UP)
    assert (status_of(now), now.problem, set(done)) == (Status.DEGRADED, ILL, {Action.NOTHING})
    assert status_of(play(ProbeOk(), ProbeOk(), now=now)[0]) is Status.ACTIVE


def test_failures_of_all_count_only_when_none_of_some_comes_between_them() -> None:
    apart = ProbeFailed(ILL, apart=True)
    assert (
        play(ProbeFailed(ILL), ProbeFailed(ILL), apart, ProbeFailed(ILL), now=UP)[1] == [Action.NOTHING] * 4
    )
    assert play(apart, ProbeFailed(ILL), ProbeFailed(ILL), now=UP)[1][-1] is Action.WAIT
