"""The life of one forward: state + event -> state + action. Pure: time, chance and the network never enter.

What people see (`active`, `reconnecting`, ...) is derived from the state in `status_of`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from kfw.model import Health, Problem, Reason, Retry, Status
from kfw.reasons import Attempts
from kfw.supervisor.backoff import delay, exhausted


class Phase(StrEnum):
    LOOKING = "looking"  # the cluster has not said yet what the target is
    LOST = "lost"  # the cluster says that there is nothing to open now, and why
    OPENING = "opening"
    UP = "up"
    WAITING = "waiting"  # an attempt failed; the next one comes after a delay
    PARKED = "parked"  # only `retry` helps


# What can happen
@dataclass(frozen=True)
class Found:
    """The target has endpoints. `same`: the one in use is still among them; `moved`: because the kubeconfig leads to
    another cluster; `warning`: what else is to be told."""

    same: bool = False
    moved: bool = False
    warning: Problem | None = None


@dataclass(frozen=True)
class Missing:
    """Nothing to open, and why. `stale`: the API cannot be asked, but what it last said may still serve."""

    problem: Problem
    stale: bool = False


@dataclass(frozen=True)
class Opened:
    pass


@dataclass(frozen=True)
class OpenFailed:
    """`awaited`: clients wait for it."""

    problem: Problem
    awaited: bool = False


@dataclass(frozen=True)
class Slow:
    """An attempt goes on for so long that somebody may ask why. `instead`: of what was told before."""

    problem: Problem
    instead: bool = False


@dataclass(frozen=True)
class Broke:
    problem: Problem


@dataclass(frozen=True)
class Refused:
    """A client's connection was refused by everybody: the way stands, and nothing listens at its end."""

    problem: Problem


@dataclass(frozen=True)
class ProbeOk:
    """`settles`: what was wrong is known to be over, so one is enough."""

    settles: bool = False


@dataclass(frozen=True)
class ProbeFailed:
    """`apart`: it failed behind the way, or for some connections only, so that a new way would be no better."""

    problem: Problem
    apart: bool = False


@dataclass(frozen=True)
class Settled:
    """The way has been up long enough for old failures to be forgotten."""


@dataclass(frozen=True)
class DelayOver:
    pass


@dataclass(frozen=True)
class ConnectionWaiting:
    """A local connection arrived while there is no way."""


@dataclass(frozen=True)
class RetryAsked:
    """The user asks for an attempt now."""


Event = (
    Found
    | Missing
    | Opened
    | OpenFailed
    | Slow
    | Broke
    | Refused
    | ProbeOk
    | ProbeFailed
    | Settled
    | DelayOver
    | ConnectionWaiting
    | RetryAsked
)


class Action(StrEnum):
    """What the runner does next. A way that still stands is kept during OPEN and WAIT until a new one is up."""

    NOTHING = "nothing"
    OPEN = "open"  # open a way to the endpoints known now
    HOLD = "hold"  # no attempts; new connections wait for the cluster's next word
    WAIT = "wait"  # come back after `Snapshot.delay`
    ASK = "ask"  # have the cluster asked now


@dataclass(frozen=True)
class Snapshot:
    phase: Phase = Phase.LOOKING
    problem: Problem | None = None
    api_problem: Problem | None = (
        None  # why the API cannot be asked; it explains a failure better than the failure
    )
    has_endpoints: bool = False  # endpoints are known
    failures: int = 0  # in a row
    failed_checks: int = (
        0  # in a row, such as a new way may help against; 1 at least while the last check failed
    )
    ok_checks: int = 0  # good ones since the last failed one, while failed_checks
    was_active: bool = False  # was up before
    delay: float = 0.0  # seconds, with Do.WAIT


#: Good checks that end `degraded`.
GOOD_CHECKS = 2


def step(now: Snapshot, event: Event, retry: Retry, health: Health) -> tuple[Snapshot, Action]:
    match event:
        case Found():
            return _found(now, event)
        case Missing():
            return _missing(now, event, retry)
        case Opened():
            return _opened(now)
        case OpenFailed(problem, awaited):
            if now.phase is not Phase.OPENING:
                return now, Action.NOTHING
            return _failed(now, problem, retry, awaited=awaited)
        case Slow(problem, instead) if now.phase is Phase.OPENING and (instead or now.problem is None):
            return replace(now, problem=problem), Action.NOTHING
        case Broke(problem):
            return _broke(now, problem, retry)
        case Refused(problem) if now.phase is Phase.UP:
            return _failed(now, problem, retry, awaited=True)
        case ProbeOk() | ProbeFailed() if now.phase is Phase.UP:
            return _probed(now, event, retry, health)
        case Settled() if now.phase is Phase.UP:
            return replace(now, failures=0), Action.NOTHING
        case DelayOver():
            return _delay_over(now, retry)
        case ConnectionWaiting() if now.phase is Phase.WAITING or _is_refused(now):
            return _open(now)
        case ConnectionWaiting() if now.phase is Phase.LOST:
            return now, Action.ASK
        case RetryAsked() if now.phase not in (Phase.UP, Phase.OPENING):
            return _retry(now)
    return now, Action.NOTHING


def status_of(now: Snapshot) -> Status:
    if now.phase is Phase.UP:
        return Status.DEGRADED if now.failed_checks else Status.ACTIVE
    if now.phase is Phase.PARKED:
        return Status.ERROR
    if now.problem and (shown := now.problem.reason.traits).status and now.failures >= shown.status_after:
        return shown.status
    return Status.RECONNECTING if now.was_active else Status.STARTING


def _open(now: Snapshot) -> tuple[Snapshot, Action]:
    if not now.has_endpoints:
        return replace(now, phase=Phase.LOST), Action.ASK
    return replace(now, phase=Phase.OPENING, failed_checks=0, ok_checks=0, delay=0.0), Action.OPEN


def _found(now: Snapshot, event: Found) -> tuple[Snapshot, Action]:
    now = replace(now, has_endpoints=True, api_problem=event.warning)
    match now.phase:
        case Phase.UP if event.same:
            return now, Action.NOTHING
        case Phase.UP:
            why = (
                "the kubeconfig names another cluster or user"
                if event.moved
                else "the endpoint in use is gone"
            )
            gone = Problem(Reason.ENDPOINT_GONE, f"{why}, moving to {'it' if event.moved else 'another one'}")
            return _open(replace(now, problem=gone))
        case Phase.OPENING if event.same:
            return now, Action.NOTHING
        case Phase.PARKED:
            return now, Action.NOTHING
    return _open(replace(now, failures=0))  # the world changed: no old delay counts


def _missing(now: Snapshot, event: Missing, retry: Retry) -> tuple[Snapshot, Action]:
    if event.stale and now.phase is not Phase.LOST:
        return replace(now, api_problem=event.problem, has_endpoints=True), Action.NOTHING
    now = replace(now, has_endpoints=False, api_problem=None)
    if now.phase is Phase.PARKED:
        return now, Action.NOTHING
    now = replace(now, phase=Phase.LOST, problem=event.problem, failed_checks=0, ok_checks=0)
    if retry.max_attempts and event.problem.reason is Reason.NO_READY_POD:
        return _count(replace(now, failures=0), event.problem, retry, Phase.LOST)
    return now, Action.HOLD


def _opened(now: Snapshot) -> tuple[Snapshot, Action]:
    if now.phase is not Phase.OPENING:
        return now, Action.NOTHING
    return replace(
        now, phase=Phase.UP, problem=None, was_active=True, failed_checks=0, ok_checks=0
    ), Action.NOTHING


def _broke(now: Snapshot, problem: Problem, retry: Retry) -> tuple[Snapshot, Action]:
    if now.phase is Phase.UP:
        return _failed(now, problem, retry)
    return now, Action.NOTHING  # while opening: the old way broke, the new one is on its way


def _is_refused(now: Snapshot) -> bool:
    """Nothing tells when an app begins to listen, so a client is worth an attempt also after the last one."""
    parked, problem = now.phase is Phase.PARKED, now.problem
    return parked and problem is not None and problem.reason is Reason.APP_REFUSES


def _failed(
    now: Snapshot, problem: Problem, retry: Retry, *, awaited: bool = False
) -> tuple[Snapshot, Action]:
    if problem.reason.traits.attempts is Attempts.PARKED:
        return replace(now, phase=Phase.PARKED, problem=problem), Action.HOLD
    return _count(now, problem, retry, Phase.WAITING, awaited=awaited)


def _count(
    now: Snapshot, problem: Problem, retry: Retry, phase: Phase, *, awaited: bool = False
) -> tuple[Snapshot, Action]:
    """One more failure: wait, or give up when the attempts are used up."""
    failures = now.failures + 1
    now = replace(now, problem=now.api_problem or problem, failures=failures, failed_checks=0, ok_checks=0)
    if exhausted(failures, retry):
        return replace(now, phase=Phase.PARKED, delay=0.0), Action.HOLD
    pause = delay(failures, retry, problem.reason, awaited=awaited)
    return replace(now, phase=phase, delay=pause), Action.WAIT


def _probed(now: Snapshot, event: Event, retry: Retry, health: Health) -> tuple[Snapshot, Action]:
    if isinstance(event, ProbeFailed):
        if event.apart:
            return replace(now, failed_checks=1, ok_checks=0, problem=event.problem), Action.NOTHING
        failed_checks = now.failed_checks + 1
        if failed_checks >= health.failures:
            return _failed(now, event.problem, retry)
        return replace(now, failed_checks=failed_checks, ok_checks=0, problem=event.problem), Action.NOTHING
    if not now.failed_checks:
        return now, Action.NOTHING
    if now.ok_checks + 1 >= GOOD_CHECKS or (isinstance(event, ProbeOk) and event.settles):
        return replace(now, failed_checks=0, ok_checks=0, problem=None), Action.NOTHING
    return replace(now, ok_checks=now.ok_checks + 1), Action.NOTHING


def _delay_over(now: Snapshot, retry: Retry) -> tuple[Snapshot, Action]:
    if now.phase is Phase.WAITING:
        return _open(now)
    if now.phase is Phase.LOST and now.problem and retry.max_attempts:
        return _count(now, now.problem, retry, Phase.LOST)
    return now, Action.NOTHING


def _retry(now: Snapshot) -> tuple[Snapshot, Action]:
    now = replace(now, failures=0, delay=0.0)
    if now.has_endpoints:
        return _open(now)
    return replace(now, phase=Phase.LOST), Action.ASK
