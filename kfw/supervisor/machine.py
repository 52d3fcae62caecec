"""The life of one forward: state + event -> state + action. Pure: time, chance and the network never enter.

What people see (`active`, `reconnecting`, ...) is derived from the state in `status_of`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from kfw.model import Health, Problem, Reason, Retry, Status
from kfw.supervisor.backoff import delay, exhausted


class State(StrEnum):
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
class Knocked:
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
    | Knocked
    | RetryAsked
)


class Do(StrEnum):
    """What the runner does next. A way that still stands is kept during OPEN and WAIT until a new one is up."""

    NOTHING = "nothing"
    OPEN = "open"  # open a way to the endpoints known now
    HOLD = "hold"  # no attempts; new connections wait for the cluster's next word
    WAIT = "wait"  # come back after `Now.delay`
    ASK = "ask"  # have the cluster asked now


@dataclass(frozen=True)
class Now:
    state: State = State.LOOKING
    problem: Problem | None = None
    away: Problem | None = None  # why the API cannot be asked; it explains a failure better than the failure
    findable: bool = False  # endpoints are known
    failures: int = 0  # in a row
    ill: int = 0  # failed health checks in a row that a new way may help against; 1 at least while the last one failed
    well: int = 0  # good ones since the last failed one, while ill
    served: bool = False  # was up before
    delay: float = 0.0  # seconds, with Do.WAIT


#: Good checks that end `degraded`.
GOOD_CHECKS = 2
#: Refusals in a row until it is not an app that is just starting any more; with the delays between them 1 to 2 s.
REFUSALS = 4

_ERROR_REASONS = frozenset(
    {
        Reason.PORT_IN_USE,
        Reason.TARGET_NOT_FOUND,
        Reason.TARGET_PORT,
        Reason.NO_NODE_PORT,
        Reason.NOT_PERMITTED,
        Reason.CONTEXT_NOT_FOUND,
        Reason.TOOL_MISSING,
        Reason.BAD_CONFIG,
    }
)
_SUSPENDED_REASONS = frozenset({Reason.CLUSTER_UNREACHABLE, Reason.LOGIN_EXPIRED})


def step(now: Now, event: Event, retry: Retry, health: Health) -> tuple[Now, Do]:
    match event:
        case Found():
            return _found(now, event)
        case Missing():
            return _missing(now, event, retry)
        case Opened():
            return _opened(now)
        case OpenFailed(problem, awaited):
            if now.state is not State.OPENING:
                return now, Do.NOTHING
            return _failed(now, problem, retry, awaited=awaited)
        case Slow(problem, instead) if now.state is State.OPENING and (instead or now.problem is None):
            return replace(now, problem=problem), Do.NOTHING
        case Broke(problem):
            return _broke(now, problem, retry)
        case Refused(problem) if now.state is State.UP:
            return _failed(now, problem, retry, awaited=True)
        case ProbeOk() | ProbeFailed() if now.state is State.UP:
            return _probed(now, event, retry, health)
        case Settled() if now.state is State.UP:
            return replace(now, failures=0), Do.NOTHING
        case DelayOver():
            return _delay_over(now, retry)
        case Knocked() if now.state is State.WAITING or _is_refused(now):
            return _open(now)
        case Knocked() if now.state is State.LOST:
            return now, Do.ASK
        case RetryAsked() if now.state not in (State.UP, State.OPENING):
            return _retry(now)
    return now, Do.NOTHING


def status_of(now: Now) -> Status:
    if now.state is State.UP:
        return Status.DEGRADED if now.ill else Status.ACTIVE
    if now.state is State.PARKED:
        return Status.ERROR
    reason = now.problem.reason if now.problem else None
    if reason in _SUSPENDED_REASONS:
        return Status.SUSPENDED
    if reason in _ERROR_REASONS or (reason is Reason.APP_REFUSES and now.failures >= REFUSALS):
        return Status.ERROR
    return Status.RECONNECTING if now.served else Status.STARTING


def _open(now: Now) -> tuple[Now, Do]:
    if not now.findable:
        return replace(now, state=State.LOST), Do.ASK
    return replace(now, state=State.OPENING, ill=0, well=0, delay=0.0), Do.OPEN


def _found(now: Now, event: Found) -> tuple[Now, Do]:
    now = replace(now, findable=True, away=event.warning)
    match now.state:
        case State.UP if event.same:
            return now, Do.NOTHING
        case State.UP:
            why = (
                "the kubeconfig names another cluster or user"
                if event.moved
                else "the endpoint in use is gone"
            )
            gone = Problem(Reason.ENDPOINT_GONE, f"{why}, moving to {'it' if event.moved else 'another one'}")
            return _open(replace(now, problem=gone))
        case State.OPENING if event.same:
            return now, Do.NOTHING
        case State.PARKED:
            return now, Do.NOTHING
    return _open(replace(now, failures=0))  # the world changed: no old delay counts


def _missing(now: Now, event: Missing, retry: Retry) -> tuple[Now, Do]:
    if event.stale and now.state is not State.LOST:
        return replace(now, away=event.problem, findable=True), Do.NOTHING
    now = replace(now, findable=False, away=None)
    if now.state is State.PARKED:
        return now, Do.NOTHING
    now = replace(now, state=State.LOST, problem=event.problem, ill=0, well=0)
    if retry.max_attempts and event.problem.reason is Reason.NO_READY_POD:
        return _count(replace(now, failures=0), event.problem, retry, State.LOST)
    return now, Do.HOLD


def _opened(now: Now) -> tuple[Now, Do]:
    if now.state is not State.OPENING:
        return now, Do.NOTHING
    return replace(now, state=State.UP, problem=None, served=True, ill=0, well=0), Do.NOTHING


def _broke(now: Now, problem: Problem, retry: Retry) -> tuple[Now, Do]:
    if now.state is State.UP:
        return _failed(now, problem, retry)
    return now, Do.NOTHING  # while opening: the old way broke, the new one is on its way


def _is_refused(now: Now) -> bool:
    """Nothing tells when an app begins to listen, so a client is worth an attempt also after the last one."""
    parked, problem = now.state is State.PARKED, now.problem
    return parked and problem is not None and problem.reason is Reason.APP_REFUSES


def _failed(now: Now, problem: Problem, retry: Retry, *, awaited: bool = False) -> tuple[Now, Do]:
    if problem.reason is Reason.PORT_IN_USE:
        return replace(now, state=State.PARKED, problem=problem), Do.HOLD
    return _count(now, problem, retry, State.WAITING, awaited=awaited)


def _count(
    now: Now, problem: Problem, retry: Retry, state: State, *, awaited: bool = False
) -> tuple[Now, Do]:
    """One more failure: wait, or give up when the attempts are used up."""
    failures = now.failures + 1
    now = replace(now, problem=now.away or problem, failures=failures, ill=0, well=0)
    if exhausted(failures, retry):
        return replace(now, state=State.PARKED, delay=0.0), Do.HOLD
    pause = delay(failures, retry, problem.reason, awaited=awaited)
    return replace(now, state=state, delay=pause), Do.WAIT


def _probed(now: Now, event: Event, retry: Retry, health: Health) -> tuple[Now, Do]:
    if isinstance(event, ProbeFailed):
        if event.apart:
            return replace(now, ill=1, well=0, problem=event.problem), Do.NOTHING
        ill = now.ill + 1
        if ill >= health.failures:
            return _failed(now, event.problem, retry)
        return replace(now, ill=ill, well=0, problem=event.problem), Do.NOTHING
    if not now.ill:
        return now, Do.NOTHING
    if now.well + 1 >= GOOD_CHECKS or (isinstance(event, ProbeOk) and event.settles):
        return replace(now, ill=0, well=0, problem=None), Do.NOTHING
    return replace(now, well=now.well + 1), Do.NOTHING


def _delay_over(now: Now, retry: Retry) -> tuple[Now, Do]:
    if now.state is State.WAITING:
        return _open(now)
    if now.state is State.LOST and now.problem and retry.max_attempts:
        return _count(now, now.problem, retry, State.LOST)
    return now, Do.NOTHING


def _retry(now: Now) -> tuple[Now, Do]:
    now = replace(now, failures=0, delay=0.0)
    if now.findable:
        return _open(now)
    return replace(now, state=State.LOST), Do.ASK
