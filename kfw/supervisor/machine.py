"""The life of one forward: snapshot + event -> snapshot + actions. All that is decided about it is decided here. Pure: time,
chance and the network never enter.

What people see (`active`, `reconnecting`, ...) is derived from the snapshot in `status_of`.
"""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from kfw.model import Health, Problem, Reason, Resolution, Retry, Status
from kfw.reasons import About, Ask, Attempts
from kfw.supervisor.delays import delay, exhausted
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


class Phase(StrEnum):
    LOOKING = "looking"  # nothing is known yet: neither the port nor what the target is
    LOST = "lost"  # the cluster says that there is nothing to open now, and why
    OPENING = "opening"
    UP = "up"
    WAITING = "waiting"  # an attempt failed; the next one comes after a delay
    PARKED = "parked"  # only `retry` helps
    CRASHED = "crashed"  # a mistake in kfw; all begins again after a delay


class Snapshot(Struct, frozen=True):
    """`failures` are in a row. `failed_checks` are those in a row such as a new path may help against, and 1 at least while
    the last check failed; `ok_checks` the good ones since then. `delay` in seconds, of Action.WAIT.
    """

    phase: Phase = Phase.LOOKING
    problem: Problem | None = None
    #: Why the API cannot be asked; it explains a failure better than the failure.
    api_problem: Problem | None = None
    bound: bool = False
    has_endpoints: bool = False
    has_path: bool = False
    failures: int = 0
    failed_checks: int = 0
    ok_checks: int = 0
    was_active: bool = False
    #: The endpoints are others than those that the attempt was begun with, and one of these is still there.
    endpoints_changed: bool = False
    #: The cluster was asked once because the app refuses.
    asked_once: bool = False
    delay: float = 0.0


_NOWHERE = Problem(Reason.INTERNAL, "no endpoint")

#: Good checks that end `degraded`.
GOOD_CHECKS = 2


#: What is told of a path that was given up although it did not break.
_MOVED = Problem(Reason.ENDPOINT_GONE, "the kubeconfig names another cluster or user, moving to it")
_GONE = Problem(Reason.ENDPOINT_GONE, "the endpoint in use is gone, moving to another one")
_RESTARTED = Problem(Reason.USER_RESTARTED, "restarted by the user")


def meaning_of(
    resolution: Resolution, obstacle: Problem | None, *, needs_api: bool, moved: bool
) -> Found | Missing:
    """What a cluster's word means. `obstacle`: why no method could even be tried; `needs_api`: what carries, or else all
    that could carry, is nothing without the API server; `moved`: see Found."""
    problem = resolution.problem
    if problem and problem.reason.traits.about is not About.TARGET:
        api_is_away = problem.reason is Reason.CLUSTER_UNREACHABLE and needs_api
        return Missing(problem, stale=obstacle is None and not api_is_away)
    if obstacle or problem:
        return Missing(obstacle or problem or _NOWHERE)
    return Found(moved, resolution.warning)


def status_of(now: Snapshot) -> Status:
    if now.phase is Phase.UP:
        return Status.DEGRADED if now.failed_checks else Status.ACTIVE
    if now.phase is Phase.PARKED:
        return Status.ERROR
    if now.problem and (shown := now.problem.reason.traits).status and now.failures >= shown.status_after:
        return shown.status
    return Status.RECONNECTING if now.was_active else Status.STARTING


def is_refused(now: Snapshot) -> bool:
    """Nothing tells when an app begins to listen: clients wait a shorter time, and each is worth an attempt."""
    return now.problem is not None and now.problem.reason.traits.attempts is Attempts.SOON


def may_check(now: Snapshot) -> bool:
    """That connections are late or fail is news: no check has said so yet."""
    return now.phase is Phase.UP and not now.failed_checks


def step(now: Snapshot, event: Event, retry: Retry, health: Health) -> tuple[Snapshot, Actions]:
    if isinstance(event, RestartAsked) and now.phase is Phase.UP:
        event = Broke(_RESTARTED)
    after, actions = _decide(now, event, retry, health)
    if after.has_path and _is_over(after, event):
        avoid = (Action.AVOID,) if isinstance(event, ProbeFailed) else ()
        return replace(after, has_path=False), (*avoid, Action.RETIRE, *actions)
    return after, actions


def _is_over(after: Snapshot, event: Event) -> bool:
    """The path in use. That an attempt failed says nothing of it: it is given up when something else happens then."""
    if isinstance(event, Broke):
        return True
    if after.phase in (Phase.UP, Phase.OPENING) or isinstance(event, OpenFailed):
        return False
    return after.problem is not None and not after.problem.reason.traits.keeps_path


def _decide(now: Snapshot, event: Event, retry: Retry, health: Health) -> tuple[Snapshot, Actions]:
    match event:
        case Crashed(problem):
            return _crashed(now, problem, retry)
        case Started() | PortTaken() | PortNotTaken():
            return _bound(now, event)
        case _ if now.phase is Phase.CRASHED:
            return _begin_again(now, event)
        case ContextChanged(context):
            return _leave_cluster(now, context)
        case Found():
            return _found(now, event, retry)
        case Missing():
            return _missing(now, event, retry)
        case Retargeted(goes_on):
            return _retargeted(now, goes_on=goes_on)
        case Opened():
            return _opened(now)
        case OpenFailed() if now.phase is Phase.OPENING:
            return _open_failed(now, event, retry)
        case Slow(problem, instead) if now.phase is Phase.OPENING and (instead or now.problem is None):
            return replace(now, problem=problem), ()
        case Broke(problem) if now.phase is Phase.UP:
            return _failed(now, problem, retry)
        case Refused(problem) if now.phase is Phase.UP:
            return _failed(now, problem, retry, awaited=True)
        case ProbeOk() | ProbeFailed() if now.phase is Phase.UP:
            return _probed(now, event, retry, health)
        case Settled() if now.phase is Phase.UP:
            return replace(now, failures=0), ()
        case DelayOver():
            return _delay_over(now, retry)
        case ConnectionWaiting() | RetryAsked() | RestartAsked() | RecheckAsked():
            return _asked(now, event)
    return now, ()


def _bound(now: Snapshot, event: Started | PortTaken | PortNotTaken) -> tuple[Snapshot, Actions]:
    match event:
        case Started():
            return now, (Action.BIND,)
        case PortTaken():
            return Snapshot(bound=True), (Action.FOLLOW,)
        case PortNotTaken(problem):
            return replace(now, phase=Phase.PARKED, problem=problem), ()


def _open(now: Snapshot) -> tuple[Snapshot, Actions]:
    if not now.has_endpoints:
        return replace(now, phase=Phase.LOST), (Action.ASK,)
    now = replace(now, phase=Phase.OPENING, endpoints_changed=False, failed_checks=0, ok_checks=0, delay=0.0)
    return now, (Action.OPEN,)


def _found(now: Snapshot, event: Found, retry: Retry) -> tuple[Snapshot, Actions]:
    was_blocked = now.api_problem is not None or not now.has_endpoints
    now = replace(now, has_endpoints=True, api_problem=event.warning)
    match now.phase:
        case Phase.UP if event.moved:
            return _open(replace(now, problem=_MOVED))
        case Phase.UP:
            return now, (Action.RETARGET,)
        case Phase.OPENING if not event.moved:
            return now, (Action.RETARGET,)
        case Phase.PARKED if not (was_blocked and _hopes(now, retry)):
            return now, ()
    return _open(replace(now, failures=0))  # the world changed: no old delay counts


def _leave_cluster(now: Snapshot, context: str) -> tuple[Snapshot, Actions]:
    """All begins again, but for the port. The path, which goes to the wrong cluster, is given up before another is known."""
    if not now.bound:
        return now, ()
    told = Problem(Reason.ENDPOINT_GONE, f"the current context is {context} now, moving to it")
    after = Snapshot(problem=told, bound=True, was_active=now.was_active)
    return after, (*((Action.RETIRE,) if now.has_path else ()), Action.HOLD, Action.FOLLOW)


def _hopes(now: Snapshot, retry: Retry) -> bool:
    """It is parked because of a kubeconfig, which may be repaired now, and has not used up its attempts."""
    blocked = now.problem is not None and now.problem.reason.traits.blocks_api
    return blocked and not exhausted(now.failures, retry)


def _retargeted(now: Snapshot, *, goes_on: bool) -> tuple[Snapshot, Actions]:
    if now.phase is Phase.OPENING:
        return (replace(now, endpoints_changed=True), ()) if goes_on else _open(replace(now, failures=0))
    if now.phase is Phase.UP and not goes_on:
        return _open(replace(now, problem=_GONE))
    return now, ()


def _missing(now: Snapshot, event: Missing, retry: Retry) -> tuple[Snapshot, Actions]:
    if event.stale and now.phase is not Phase.LOST:
        return replace(now, api_problem=event.problem, has_endpoints=True), ()
    now = replace(now, has_endpoints=False, api_problem=None)
    if now.phase is Phase.PARKED:
        return now, ()
    now = replace(now, phase=Phase.LOST, problem=event.problem, failed_checks=0, ok_checks=0)
    if retry.max_attempts and event.problem.reason is Reason.NO_READY_POD:
        return _count(replace(now, failures=0), event.problem, retry, Phase.LOST)
    return now, (Action.HOLD,)


def _opened(now: Snapshot) -> tuple[Snapshot, Actions]:
    if now.phase is not Phase.OPENING:
        return now, (Action.DISCARD,)
    up = replace(
        now, phase=Phase.UP, problem=None, has_path=True, was_active=True, failed_checks=0, ok_checks=0
    )
    return up, (Action.ACTIVATE, *((Action.RETARGET,) if now.endpoints_changed else ()))


def _open_failed(now: Snapshot, event: OpenFailed, retry: Retry) -> tuple[Snapshot, Actions]:
    after, actions = _failed(now, event.problem, retry, awaited=event.awaited)
    if now.endpoints_changed and after.phase is Phase.WAITING:  # it was made without knowing of them
        after, actions = _open(replace(after, failures=0))
    ask = event.problem.reason.traits.ask
    if ask is Ask.ONCE and not now.asked_once:
        return replace(after, asked_once=True), (Action.ASK, *actions)
    return after, ((Action.ASK, *actions) if ask is Ask.EACH_TIME else actions)


def _failed(
    now: Snapshot, problem: Problem, retry: Retry, *, awaited: bool = False
) -> tuple[Snapshot, Actions]:
    """A kubeconfig that cannot be used now is followed all the same, and may be repaired."""
    traits = problem.reason.traits
    if traits.attempts is Attempts.PARKED and not (traits.blocks_api and now.api_problem):
        return replace(now, phase=Phase.PARKED, problem=problem), (Action.HOLD,)
    return _count(now, problem, retry, Phase.WAITING, awaited=awaited)


def _count(
    now: Snapshot, problem: Problem, retry: Retry, phase: Phase, *, awaited: bool = False
) -> tuple[Snapshot, Actions]:
    """One more failure: wait, or give up when the attempts are used up."""
    failures = now.failures + 1
    now = replace(now, problem=now.api_problem or problem, failures=failures, failed_checks=0, ok_checks=0)
    if exhausted(failures, retry):
        return replace(now, phase=Phase.PARKED, delay=0.0), (Action.HOLD,)
    pause = delay(failures, retry, problem.reason, awaited=awaited)
    return replace(now, phase=phase, delay=pause), (Action.WAIT,)


def _probed(
    now: Snapshot, event: ProbeOk | ProbeFailed, retry: Retry, health: Health
) -> tuple[Snapshot, Actions]:
    if isinstance(event, ProbeFailed):
        failed_checks = 1 if event.apart else now.failed_checks + 1
        if failed_checks >= health.failures and not event.apart:
            return _failed(now, event.problem, retry)
        return replace(now, failed_checks=failed_checks, ok_checks=0, problem=event.problem), ()
    if not now.failed_checks:
        return now, ()
    if event.settles or now.ok_checks + 1 >= GOOD_CHECKS:
        return replace(now, failed_checks=0, ok_checks=0, problem=None), ()
    return replace(now, ok_checks=now.ok_checks + 1), ()


def _delay_over(now: Snapshot, retry: Retry) -> tuple[Snapshot, Actions]:
    if now.phase is Phase.WAITING:
        return _open(now)
    if now.phase is Phase.LOST and now.problem and retry.max_attempts:
        return _count(now, now.problem, retry, Phase.LOST)
    return now, ()


def _asked(now: Snapshot, event: Event) -> tuple[Snapshot, Actions]:
    match event:
        case RetryAsked():
            return _retry(now)
        case RestartAsked():
            after, actions = _retry(now)
            return after, (Action.WANT, Action.ASK, *actions)
        case RecheckAsked() if now.phase is Phase.UP:
            return now, (Action.ASK, Action.CHECK)
        case RecheckAsked():
            after, actions = _asked(now, ConnectionWaiting())
            return after, (Action.ASK, *actions)
    if now.phase is Phase.WAITING or (now.phase is Phase.PARKED and is_refused(now)):
        return _open(now)
    return now, ((Action.ASK,) if now.phase is Phase.LOST else ())


def _retry(now: Snapshot) -> tuple[Snapshot, Actions]:
    if now.phase in (Phase.UP, Phase.OPENING):
        return now, ()
    now = replace(now, failures=0, delay=0.0)
    if not now.bound:
        return replace(now, phase=Phase.LOOKING), (Action.BIND,)
    if now.has_endpoints:
        return _open(now)
    return replace(now, phase=Phase.LOST), (Action.ASK,)


def _crashed(now: Snapshot, problem: Problem, retry: Retry) -> tuple[Snapshot, Actions]:
    """The port stays bound, new connections wait, live ones go on; all begins again after a delay."""
    failures = now.failures + 1
    pause = delay(failures, retry, problem.reason)
    after = Snapshot(
        Phase.CRASHED,
        problem,
        bound=now.bound,
        failures=failures,
        was_active=now.was_active,
        asked_once=now.asked_once,
        delay=pause,
    )
    return after, (Action.RESET, Action.WAIT)


def _begin_again(now: Snapshot, event: Event) -> tuple[Snapshot, Actions]:
    """What else is heard is of the time before."""
    want = (Action.WANT, Action.ASK) if isinstance(event, RestartAsked) else ()
    match event:
        case DelayOver() | ConnectionWaiting() | RetryAsked() | RestartAsked() | RecheckAsked():
            begin = Action.FOLLOW if now.bound else Action.BIND
            return replace(now, phase=Phase.LOOKING, delay=0.0), (*want, begin)
    return now, ()
