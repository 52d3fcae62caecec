"""Histories played through the pure machine: what is done, and what people see."""

import pytest
from msgspec.structs import replace

from kfw.model import Health, Problem, Reason, Resolution, Retry, Status
from kfw.reasons import About
from kfw.supervisor.machine import Phase, Snapshot, is_refused, may_check, meaning_of, status_of, step
from kfw.supervisor.machine_events import (
    Action,
    Actions,
    Broke,
    ConnectionWaiting,
    ContextChanged,
    Crashed,
    DelayOver,
    Event,
    Found,
    Missing,
    Opened,
    OpenFailed,
    PortNotTaken,
    PortTaken,
    ProbeFailed,
    ProbeOk,
    RecheckAsked,
    Refused,
    RestartAsked,
    Retargeted,
    RetryAsked,
    Settled,
    Slow,
    Started,
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


BOUND = Snapshot(bound=True)
NOTHING: Actions = ()
OPEN: Actions = (Action.OPEN,)
HOLD: Actions = (Action.HOLD,)
WAIT: Actions = (Action.WAIT,)


def play(
    *events: Event, now: Snapshot | None = None, retry: Retry | None = None
) -> tuple[Snapshot, list[Actions]]:
    now, done = now or BOUND, []
    for event in events:
        now, actions = step(now, event, retry or Retry(), Health())
        done.append(actions)
    return now, done


UP = play(Found(), Opened())[0]
KEPT = Retargeted(goes_on=True)
OUTDATED = Retargeted(goes_on=False)


def test_found_and_opened_is_active() -> None:
    now, done = play(Found(), Opened())
    assert (status_of(now), done) == (Status.ACTIVE, [OPEN, (Action.ACTIVATE,)])


def test_before_anything_is_known_it_is_starting() -> None:
    assert status_of(Snapshot()) is Status.STARTING


def test_an_attempt_that_takes_long_says_so_until_it_is_over_and_hides_no_better_reason() -> None:
    now, done = play(Found(), Slow(LATE))
    assert (status_of(now), now.problem, done[-1]) == (Status.STARTING, LATE, NOTHING)
    assert play(Opened(), now=now)[0].problem is None
    assert play(OpenFailed(ILL), now=now)[0].problem == ILL
    assert play(Broke(EXITED), Found(), Slow(LATE), now=UP)[0].problem == EXITED
    assert play(Slow(LATE), now=UP)[0] == UP


def test_a_dead_child_is_tried_again_at_once_and_says_why() -> None:
    now, done = play(Broke(EXITED), now=UP)
    assert (status_of(now), now.problem, now.delay, done) == (
        Status.RECONNECTING,
        EXITED,
        0.0,
        [(Action.RETIRE, Action.WAIT)],
    )
    assert play(DelayOver(), now=now)[1] == [OPEN]


def test_A2_a_missing_target_is_an_error_and_comes_back_by_itself() -> None:
    now, _ = play(Missing(GONE))
    assert status_of(now) is Status.ERROR
    now, done = play(Found(), Opened(), now=now)
    assert (status_of(now), done[0]) == (Status.ACTIVE, OPEN)


def test_A31_a_deleted_target_is_an_error_at_once_without_attempts() -> None:
    now, done = play(Missing(GONE), now=UP)
    assert (status_of(now), done) == (Status.ERROR, [(Action.RETIRE, Action.HOLD)])


def test_no_ready_pod_holds_and_the_first_ready_one_is_opened_without_waiting() -> None:
    now, done = play(Missing(NO_POD), Found(), now=UP)
    assert done == [HOLD, OPEN]
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
    assert (status_of(now), done[0]) == (Status.ACTIVE, OPEN)


def test_an_unreachable_cluster_suspends_what_has_no_way() -> None:
    now, _ = play(Missing(AWAY))
    assert status_of(now) is Status.SUSPENDED
    assert play(Found(), now=now)[1] == [OPEN]


def test_a_way_that_still_carries_stays_active_while_the_api_is_away() -> None:
    now, done = play(Missing(AWAY, stale=True), now=UP)
    assert (status_of(now), done) == (Status.ACTIVE, [NOTHING])


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
    assert (status_of(broken), done[-1]) == (
        Status.RECONNECTING,
        (Action.AVOID, Action.RETIRE, Action.WAIT),
    )


def test_a_good_check_between_bad_ones_does_not_forget_the_bad_ones() -> None:
    now, _ = play(ProbeFailed(ILL), ProbeOk(), ProbeFailed(ILL), ProbeOk(), ProbeFailed(ILL), now=UP)
    assert status_of(now) is Status.RECONNECTING


def test_A30_another_pod_is_opened_when_the_one_in_use_is_gone() -> None:
    now, done = play(Found(), OUTDATED, now=UP)
    assert (status_of(now), done) == (Status.RECONNECTING, [(Action.RETARGET,), OPEN])
    assert now.problem and now.problem.message == "the endpoint in use is gone, moving to another one"
    assert status_of(play(Opened(), now=now)[0]) is Status.ACTIVE


def test_news_about_other_endpoints_disturb_nothing() -> None:
    assert play(Found(), KEPT, now=UP) == (UP, [(Action.RETARGET,), NOTHING])
    assert play(Found(), Found(), KEPT)[1] == [OPEN, (Action.RETARGET,), NOTHING]


def test_an_attempt_to_endpoints_that_are_all_gone_begins_again() -> None:
    assert play(Found(), Found(), OUTDATED)[1] == [OPEN, (Action.RETARGET,), OPEN]


def test_another_cluster_or_user_is_moved_to_without_asking_the_path() -> None:
    now, done = play(Found(moved=True), now=UP)
    assert (status_of(now), done) == (Status.RECONNECTING, [OPEN])
    assert now.problem and now.problem.message == "the kubeconfig names another cluster or user, moving to it"
    assert play(Found(moved=True), now=now)[1] == [OPEN]


def test_what_changed_while_a_path_was_opened_is_told_to_it_when_it_is_used() -> None:
    changed = play(Found(), Found(), KEPT)[0]
    now, done = play(Opened(), now=changed)
    assert done == [(Action.ACTIVATE, Action.RETARGET)]
    assert play(OUTDATED, now=now)[1] == [OPEN]
    assert play(Found(), Opened(), now=play(Broke(EXITED), now=now)[0])[1][-1] == (Action.ACTIVATE,)


def test_an_attempt_that_failed_without_knowing_of_a_change_is_made_again_without_a_pause() -> None:
    changed = play(Found(), OpenFailed(ILL), DelayOver(), Found(), KEPT)[0]
    now, done = play(OpenFailed(ILL), now=changed)
    assert (now.phase, now.failures, now.problem, done) == (Phase.OPENING, 0, ILL, [OPEN])
    assert play(OpenFailed(ILL), now=now)[1] == [WAIT]
    busy, done = play(OpenFailed(problem(Reason.PORT_IN_USE)), now=changed)
    assert (busy.phase, done) == (Phase.PARKED, [HOLD])


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
    assert (now.failures, done) == (0, [OPEN])


def test_a_new_local_connection_brings_the_next_attempt_forward() -> None:
    now, _ = play(Found(), OpenFailed(ILL))
    assert play(ConnectionWaiting(), now=now)[1] == [OPEN]
    assert play(ConnectionWaiting(), now=play(Missing(AWAY))[0])[1] == [(Action.ASK,)]
    assert play(ConnectionWaiting(), now=UP)[1] == [NOTHING]


def test_A33_a_busy_port_is_an_error_that_only_retry_leaves() -> None:
    now, done = play(Found(), OpenFailed(problem(Reason.PORT_IN_USE)))
    assert (status_of(now), done[-1]) == (Status.ERROR, HOLD)
    assert play(DelayOver(), Found(), ConnectionWaiting(), Missing(NO_POD), now=now)[0].phase is Phase.PARKED
    assert play(RetryAsked(), now=now)[1] == [OPEN]


def test_a_missing_tool_is_an_error_with_a_next_attempt() -> None:
    now, done = play(Found(), OpenFailed(problem(Reason.TOOL_MISSING)))
    assert (status_of(now), done[-1], now.delay) == (Status.ERROR, WAIT, 1)


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
    assert (status_of(now), now.problem, done) == (Status.RECONNECTING, REFUSES, [WAIT])
    now, done = play(DelayOver(), Opened(), now=now)
    assert (status_of(now), now.problem, done) == (
        Status.ACTIVE,
        None,
        [OPEN, (Action.ACTIVATE,)],
    )


@pytest.mark.parametrize("phase", [s for s in Phase if s is not Phase.UP])
def test_a_refusal_is_news_only_of_a_way_that_is_up(phase: Phase) -> None:
    now = Snapshot(phase=phase, problem=NO_POD, has_endpoints=True)
    assert step(now, Refused(REFUSES), Retry(), Health()) == (now, NOTHING)


def test_a_client_starts_an_attempt_also_when_attempts_are_used_up() -> None:
    twice = Retry(max_attempts=2)
    now = play(Found())[0]
    for _ in range(3):
        now, _ = play(OpenFailed(REFUSES), DelayOver(), now=now, retry=twice)
    assert (now.phase, status_of(now)) == (Phase.PARKED, Status.ERROR)
    now, done = play(ConnectionWaiting(), now=now, retry=twice)
    assert done == [OPEN]
    assert status_of(play(Opened(), now=now)[0]) is Status.ACTIVE


def test_a_pod_that_is_made_again_ends_the_pause() -> None:
    now, done = play(Found(), now=play(OpenFailed(REFUSES), now=refused(5))[0])
    assert (now.failures, done) == (0, [OPEN])


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize(
    "event",
    [
        Started(),
        PortTaken(),
        PortNotTaken(ILL),
        Found(),
        Missing(NO_POD),
        KEPT,
        OUTDATED,
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
        RestartAsked(),
        RecheckAsked(),
        Crashed(ILL),
    ],
)
def test_every_event_is_answered_in_every_state(phase: Phase, event: Event) -> None:
    now, actions = step(Snapshot(phase=phase, problem=NO_POD, has_endpoints=True), event, Retry(), Health())
    assert now.phase in Phase
    assert set(actions) <= set(Action)


@pytest.mark.parametrize("phase", [s for s in Phase if s is not Phase.UP])
def test_no_state_needs_a_restart_to_be_left(phase: Phase) -> None:
    now = Snapshot(phase=phase, problem=NO_POD, bound=True)
    now, _ = play(RetryAsked(), Found(), Opened(), now=now)
    assert status_of(now) is Status.ACTIVE


def test_the_picture_in_the_docs_is_the_machine() -> None:
    assert PAGE.read_text() == page()


# -- what failed behind the way, or for some only


def test_what_fails_behind_the_way_is_degraded_and_never_opened_again_for_it() -> None:
    now, done = play(*[ProbeFailed(ILL, apart=True)] * 10, now=UP)
    assert (status_of(now), now.problem, set(done)) == (Status.DEGRADED, ILL, {NOTHING})
    assert status_of(play(ProbeOk(), ProbeOk(), now=now)[0]) is Status.ACTIVE


def test_failures_of_all_count_only_when_none_of_some_comes_between_them() -> None:
    apart = ProbeFailed(ILL, apart=True)
    assert play(ProbeFailed(ILL), ProbeFailed(ILL), apart, ProbeFailed(ILL), now=UP)[1] == [NOTHING] * 4
    assert play(apart, ProbeFailed(ILL), ProbeFailed(ILL), now=UP)[1][-1][-1] is Action.WAIT


# -- the port


def test_the_port_is_taken_first_and_then_the_target_is_followed() -> None:
    now, done = play(Started(), PortTaken(), now=Snapshot())
    assert (status_of(now), now.bound, done) == (Status.STARTING, True, [(Action.BIND,), (Action.FOLLOW,)])


@pytest.mark.parametrize(
    "reason",
    [Reason.PORT_IN_USE, Reason.BAD_CONFIG, Reason.INTERNAL, Reason.NOT_PERMITTED, Reason.TIMED_OUT],
)
def test_a_port_that_cannot_be_taken_is_an_error_that_only_retry_leaves(reason: Reason) -> None:
    now, _ = play(Started(), PortNotTaken(problem(reason)), now=Snapshot())
    assert (status_of(now), now.problem) == (Status.ERROR, problem(reason))
    assert play(ConnectionWaiting(), DelayOver(), RecheckAsked(), now=now)[0] == now
    tried, done = play(RetryAsked(), now=now)
    assert done == [(Action.BIND,)]
    assert play(PortTaken(), now=tried) == (BOUND, [(Action.FOLLOW,)])
    assert play(PortNotTaken(problem(reason)), now=tried)[0] == now


# -- a mistake in kfw

BUG = problem(Reason.INTERNAL)


@pytest.mark.parametrize("phase", Phase)
def test_after_a_mistake_all_begins_again_after_a_delay_that_grows(phase: Phase) -> None:
    now = Snapshot(phase, bound=True, has_endpoints=True, has_path=True, was_active=True, api_problem=AWAY)
    now, done = play(Crashed(BUG), now=now)
    assert done == [(Action.RESET, Action.WAIT)]
    assert now == Snapshot(Phase.CRASHED, BUG, bound=True, was_active=True, failures=1, delay=1)
    assert status_of(now) is Status.RECONNECTING
    again, done = play(DelayOver(), now=now)
    assert (again.phase, again.problem, done) == (Phase.LOOKING, BUG, [(Action.FOLLOW,)])
    assert [play(*[Crashed(BUG)] * n)[0].delay for n in (1, 2, 3, 9)] == [1, 2, 4, 30]
    assert play(Found(), Opened(), now=again)[0] == replace(UP, failures=0)


def test_what_is_heard_of_the_time_before_a_mistake_counts_no_more() -> None:
    now, _ = play(Crashed(BUG), now=UP)
    for event in (
        Found(),
        Missing(GONE),
        Opened(),
        OpenFailed(ILL),
        Broke(EXITED),
        ProbeFailed(ILL),
        KEPT,
        Settled(),
    ):
        assert play(event, now=now) == (now, [NOTHING]), event


@pytest.mark.parametrize("ask", [ConnectionWaiting(), RetryAsked(), RecheckAsked(), RestartAsked()])
@pytest.mark.parametrize("bound", [True, False])
def test_who_asks_does_not_wait_for_the_delay_after_a_mistake(ask: Event, bound: bool) -> None:
    now, _ = play(Crashed(BUG), now=Snapshot(bound=bound))
    now, done = play(ask, now=now)
    assert (now.phase, done[0][-1]) == (Phase.LOOKING, Action.FOLLOW if bound else Action.BIND)


def test_that_the_cluster_was_asked_for_the_pods_is_known_also_after_a_mistake() -> None:
    now, done = play(Found(), OpenFailed(REFUSES))
    assert done[-1] == (Action.ASK, Action.WAIT)
    now, done = play(Crashed(BUG), DelayOver(), Found(), OpenFailed(REFUSES), now=now)
    assert done[-1] == WAIT


# -- the path in use


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.UP, Phase.CRASHED)])
def test_a_path_that_broke_is_given_up_in_every_state_and_is_no_failure_of_what_is_under_way(
    phase: Phase,
) -> None:
    now = Snapshot(phase, NO_POD, bound=True, has_endpoints=True, has_path=True)
    without = replace(now, has_path=False)
    assert play(Broke(EXITED), now=now) == (without, [(Action.RETIRE,)])
    assert play(Broke(EXITED), now=without) == (without, [NOTHING]), "once"


@pytest.mark.parametrize("reason", Reason)
def test_a_path_is_kept_for_a_target_that_is_missing_only_if_the_same_one_may_carry_again(
    reason: Reason,
) -> None:
    now, done = play(Missing(problem(reason)), now=UP)
    assert (Action.RETIRE in done[0]) is not reason.traits.keeps_path
    assert now.has_path is reason.traits.keeps_path


def test_a_failed_attempt_gives_the_path_in_use_up_only_when_something_else_happens() -> None:
    now, done = play(Found(), OUTDATED, OpenFailed(ILL), now=UP)
    assert (now.has_path, done[-1]) == (True, WAIT)
    assert play(DelayOver(), now=now)[1] == [OPEN]
    assert play(Missing(AWAY, stale=True), now=now)[1] == [(Action.RETIRE,)]


def test_only_a_failed_check_makes_its_endpoint_the_last_choice() -> None:
    for event in (Broke(EXITED), Missing(GONE), RestartAsked()):
        assert Action.AVOID not in play(event, now=UP)[1][0]


def test_what_was_opened_for_nothing_is_closed() -> None:
    assert play(Opened(), now=play(Missing(GONE), now=UP)[0])[1] == [(Action.DISCARD,)]
    assert play(Opened(), now=UP) == (UP, [(Action.DISCARD,)])


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.OPENING])
def test_the_failure_of_an_attempt_that_is_over_counts_no_more(phase: Phase) -> None:
    now = Snapshot(phase, NO_POD, bound=True, has_endpoints=True, has_path=True)
    for failure in (ILL, REFUSES, problem(Reason.ENDPOINT_GONE), problem(Reason.PORT_IN_USE)):
        assert play(OpenFailed(failure), now=now) == (now, [NOTHING])


def test_a_warning_of_the_cluster_explains_a_failure_until_the_cluster_says_that_it_is_over() -> None:
    warned = play(Found(warning=AWAY))[0]
    assert play(OpenFailed(ILL), now=warned)[0].problem == AWAY
    assert play(Found(), KEPT, OpenFailed(ILL), now=warned)[0].problem == ILL


def test_while_clients_are_refused_the_pauses_are_those_of_clients_that_wait() -> None:
    now, delays = UP, []
    for _ in range(4):
        now, _ = play(Refused(REFUSES), now=now)
        delays.append(now.delay)
        now, _ = play(DelayOver(), Opened(), now=now)
    assert delays == [0.25, 0.5, 0.5, 0.5]


def test_a_client_of_an_app_that_refused_and_is_gone_makes_the_cluster_asked() -> None:
    once = Retry(max_attempts=1)
    parked, _ = play(Found(), OpenFailed(REFUSES), DelayOver(), OpenFailed(REFUSES), retry=once)
    now, done = play(Missing(GONE), ConnectionWaiting(), now=parked, retry=once)
    assert (now.phase, done) == (Phase.LOST, [NOTHING, (Action.ASK,)])


# -- who asks


def test_a_restart_opens_another_path_of_what_is_up_and_is_a_retry_of_what_is_not() -> None:
    now, done = play(RestartAsked(), now=UP)
    assert (status_of(now), done) == (Status.RECONNECTING, [(Action.RETIRE, Action.WAIT)])
    assert now.problem and now.problem.message == "restarted by the user"
    wanted = (Action.WANT, Action.ASK)
    assert play(RestartAsked(), now=play(Found(), OpenFailed(ILL))[0])[1] == [(*wanted, Action.OPEN)]
    assert play(RestartAsked(), now=play(Found())[0])[1] == [wanted]
    assert play(RestartAsked(), now=play(Crashed(BUG))[0])[1] == [(*wanted, Action.FOLLOW)]


def test_A9_who_leaves_a_cluster_gives_its_path_up_at_once_and_keeps_nothing_of_it_but_the_port() -> None:
    now, done = play(ContextChanged("other"), now=replace(UP, failures=3))
    assert done == [(Action.RETIRE, Action.HOLD, Action.FOLLOW)]
    assert (now.phase, now.has_path, now.has_endpoints, now.failures) == (Phase.LOOKING, False, False, 0)
    assert now.problem and now.problem.message == "the current context is other now, moving to it"
    assert (now.bound, status_of(now)) == (True, Status.RECONNECTING)
    assert play(Found(), now=now)[1] == [(Action.OPEN,)]


def test_A9_a_change_of_context_ends_what_was_tried_and_gives_what_was_parked_another_chance() -> None:
    parked, _ = play(Found(), OpenFailed(ILL), retry=Retry(max_attempts=1))
    for before in (play(Found())[0], play(Found(), OpenFailed(ILL))[0], parked):
        now, done = play(ContextChanged("other"), now=before)
        assert (now.phase, done) == (Phase.LOOKING, [(Action.HOLD, Action.FOLLOW)])


def test_A9_without_its_port_a_change_of_context_starts_nothing() -> None:
    parked = step(Snapshot(), PortNotTaken(problem(Reason.PORT_IN_USE)), Retry(), Health())[0]
    assert step(parked, ContextChanged("other"), Retry(), Health()) == (parked, ())


def test_after_a_sleep_what_is_up_is_checked_and_what_waits_is_tried() -> None:
    assert play(RecheckAsked(), now=UP) == (UP, [(Action.ASK, Action.CHECK)])
    assert play(RecheckAsked(), now=play(Found(), OpenFailed(ILL))[0])[1] == [(Action.ASK, Action.OPEN)]
    assert play(RecheckAsked(), now=play(Found())[0])[1] == [(Action.ASK,)]


@pytest.mark.parametrize(
    ("now", "asked"),
    [(UP, []), (play(Found())[0], []), (play(Missing(NO_POD))[0], [Action.ASK]), (BOUND, [Action.ASK])],
)
def test_a_retry_asks_for_what_is_not_known_and_disturbs_nothing_that_is_under_way(
    now: Snapshot, asked: list[Action]
) -> None:
    after, done = play(RetryAsked(), now=now)
    assert list(done[0]) == asked
    assert asked or after == now


def test_a_gone_endpoint_is_a_question_each_time_and_an_app_that_refuses_once() -> None:
    gone = OpenFailed(problem(Reason.ENDPOINT_GONE))
    assert [done[0] for done in play(Found(), gone, DelayOver(), gone)[1][1::2]] == [Action.ASK] * 2
    refuses = OpenFailed(REFUSES)
    assert play(Found(), refuses, DelayOver(), refuses)[1][1::2] == [(Action.ASK, Action.WAIT), WAIT]
    for reason in set(Reason) - {Reason.ENDPOINT_GONE, Reason.APP_REFUSES}:
        assert Action.ASK not in play(Found(), OpenFailed(problem(reason)))[1][1], reason


def test_only_for_an_app_that_refuses_do_clients_wait_a_shorter_time() -> None:
    assert {r for r in Reason if is_refused(Snapshot(problem=problem(r)))} == {Reason.APP_REFUSES}
    assert not is_refused(Snapshot())


def test_connections_that_fail_are_worth_a_check_of_what_is_up_and_well() -> None:
    assert [phase for phase in Phase if may_check(Snapshot(phase))] == [Phase.UP]
    assert not may_check(play(ProbeFailed(ILL), now=UP)[0])


# -- a configuration that cannot work

BAD = problem(Reason.BAD_CONFIG)


def test_a_configuration_that_cannot_work_is_not_tried_again_until_the_user_asks() -> None:
    now, done = play(Found(), OpenFailed(BAD))
    assert (status_of(now), now.phase, done[-1]) == (Status.ERROR, Phase.PARKED, HOLD)
    assert play(DelayOver(), ConnectionWaiting(), Found(), Found(), now=now)[0] == now
    assert play(RetryAsked(), now=now)[1] == [OPEN]


@pytest.mark.parametrize("word", [Missing(BAD, stale=True), Missing(BAD), Missing(AWAY, stale=True)])
def test_a_kubeconfig_that_is_repaired_needs_no_retry(word: Missing) -> None:
    """Whether the cluster's word or the attempt's failure is heard first."""
    first, _ = play(word, OpenFailed(BAD), now=play(Found())[0])
    then, _ = play(OpenFailed(BAD), word, now=play(Found())[0])
    for now in (first, then):
        assert status_of(play(Found(), Opened(), now=now)[0]) is Status.ACTIVE


def test_attempts_that_are_used_up_stay_so_when_the_api_is_back() -> None:
    once = Retry(max_attempts=1)
    now, _ = play(
        Found(), Missing(BAD, stale=True), OpenFailed(ILL), DelayOver(), OpenFailed(ILL), retry=once
    )
    assert (now.phase, now.problem) == (Phase.PARKED, BAD)
    assert play(Found(), now=now, retry=once)[0].phase is Phase.PARKED


# -- what a cluster's word means


def word(reason: Reason | None, *, pods: bool = True, needs_api: bool = True, moved: bool = False) -> Event:
    told = problem(reason) if reason else None
    obstacle = None if pods else (told or NO_POD)
    return meaning_of(Resolution(problem=told), obstacle, needs_api=needs_api, moved=moved)


@pytest.mark.parametrize("reason", Reason)
def test_what_was_known_serves_on_while_the_cluster_cannot_be_asked(reason: Reason) -> None:
    of_the_target = reason.traits.about is About.TARGET
    away = reason is Reason.CLUSTER_UNREACHABLE
    assert word(reason) == Missing(problem(reason), stale=not of_the_target and not away)
    assert word(reason, needs_api=False) == Missing(problem(reason), stale=not of_the_target)
    assert word(reason, pods=False) == Missing(problem(reason))


def test_without_a_problem_there_is_something_to_open_unless_no_method_can() -> None:
    assert word(None) == Found()
    assert word(None, moved=True) == Found(moved=True)
    assert word(None, pods=False) == Missing(NO_POD)
    warned = meaning_of(Resolution(warning=AWAY), None, needs_api=True, moved=False)
    assert warned == Found(warning=AWAY)


# -- what is counted, and what is not


def test_what_the_api_cannot_say_serves_on_except_where_nothing_was_there() -> None:
    now, done = play(Missing(NO_POD), Missing(AWAY, stale=True))
    assert (now.phase, now.problem, now.has_endpoints, done) == (Phase.LOST, AWAY, False, [HOLD, HOLD])
    assert play(Missing(AWAY, stale=True), RetryAsked())[1] == [NOTHING, OPEN]
    assert play(Missing(AWAY, stale=True), Missing(NO_POD), now=UP)[0].api_problem is None


def test_only_a_target_without_pods_is_an_attempt_and_only_where_these_are_limited() -> None:
    five = Retry(max_attempts=5)
    assert play(Missing(GONE), retry=five)[1] == [HOLD]
    assert play(Missing(NO_POD), DelayOver())[1] == [HOLD, NOTHING]
    failed, _ = play(Found(), OpenFailed(ILL), DelayOver(), OpenFailed(ILL), retry=five)
    now, done = play(Missing(NO_POD), now=failed, retry=five)
    assert (now.failures, now.delay, done) == (1, 1, [WAIT])


def test_a_kubeconfig_that_is_known_to_be_broken_is_waited_for() -> None:
    now, done = play(Found(), Missing(BAD, stale=True), OpenFailed(BAD))
    assert (now.phase, status_of(now), done[-1]) == (Phase.WAITING, Status.ERROR, WAIT)


def test_while_clients_wait_for_an_app_that_refuses_it_is_tried_sooner() -> None:
    def pauses(*, awaited: bool) -> list[float]:
        return [play(OpenFailed(REFUSES, awaited=awaited), now=refused(n))[0].delay for n in range(5)]

    assert pauses(awaited=False) == [0.25, 0.5, 1, 2, 4]
    assert pauses(awaited=True) == [0.25, 0.5, 0.5, 0.5, 0.5]


def test_what_fails_for_some_is_no_reason_for_another_path_also_where_one_failure_is_enough() -> None:
    apart = ProbeFailed(ILL, apart=True)
    assert step(UP, apart, Retry(), Health(failures=1))[1] == NOTHING
    assert Action.WAIT in step(UP, ProbeFailed(ILL), Retry(), Health(failures=1))[1]


def test_what_is_known_to_be_over_needs_one_good_check_only() -> None:
    assert status_of(play(ProbeFailed(ILL), ProbeOk(settles=True), now=UP)[0]) is Status.ACTIVE


def test_a_retry_forgets_the_failures_before_it() -> None:
    failed, _ = play(Found(), OpenFailed(ILL), DelayOver(), OpenFailed(ILL))
    assert (failed.failures, play(RetryAsked(), now=failed)[0].failures) == (2, 0)


def test_that_a_path_has_settled_counts_only_while_it_is_up() -> None:
    failed, _ = play(Found(), OpenFailed(ILL), DelayOver(), OpenFailed(ILL))
    assert play(Settled(), now=failed) == (failed, [NOTHING])
