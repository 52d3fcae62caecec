"""What happens to a forward, and what is done about it: the machine's events and actions. Pure."""

from enum import StrEnum

from msgspec import Struct

from kfw.model import Problem


class Started(Struct, frozen=True):
    """The owner wants it."""


class PortTaken(Struct, frozen=True):
    """The local port is taken."""


class PortNotTaken(Struct, frozen=True):
    problem: Problem


class Found(Struct, frozen=True):
    """The target has endpoints. `moved`: they are another cluster's or user's than those of the path in use; `warning`: what
    else is to be told."""

    moved: bool = False
    warning: Problem | None = None


class ContextChanged(Struct, frozen=True):
    """It goes to another cluster from now on, and what was heard of the one before counts no more."""

    context: str


class Missing(Struct, frozen=True):
    """Nothing to open, and why. `stale`: the API cannot be asked, but what it last said may still serve."""

    problem: Problem
    stale: bool = False


class Retargeted(Struct, frozen=True):
    """What Action.RETARGET found: the path in use goes on with the endpoints known now, or the attempt does."""

    goes_on: bool


class Opened(Struct, frozen=True):
    """A path is ready: another one, or the one in use was tried and carries."""


class OpenFailed(Struct, frozen=True):
    """`awaited`: clients wait for it."""

    problem: Problem
    awaited: bool = False


class Slow(Struct, frozen=True):
    """An attempt goes on for so long that somebody may ask why. `instead`: of what was told before."""

    problem: Problem
    instead: bool = False


class Broke(Struct, frozen=True):
    """The path in use, also while another one is opened."""

    problem: Problem


class Refused(Struct, frozen=True):
    """A client's connection was refused by everybody: the path stands, and nothing listens at its end."""

    problem: Problem


class ProbeOk(Struct, frozen=True):
    """`settles`: what was wrong is known to be over, so one is enough."""

    settles: bool = False


class ProbeFailed(Struct, frozen=True):
    """`apart`: it failed behind the path, or for some connections only, so that a new path would be no better."""

    problem: Problem
    apart: bool = False


class Settled(Struct, frozen=True):
    """The path has been up long enough for old failures to be forgotten."""


class DelayOver(Struct, frozen=True):
    pass


class ConnectionWaiting(Struct, frozen=True):
    """A local connection arrived while there is no path."""


class RetryAsked(Struct, frozen=True):
    """The user asks for an attempt now."""


class RestartAsked(Struct, frozen=True):
    """The user asks for another path."""


class RecheckAsked(Struct, frozen=True):
    """The machine has slept or the network has changed: what was known may not hold any more."""


class Crashed(Struct, frozen=True):
    """An exception that nobody foresaw, in whatever works for this forward."""

    problem: Problem


Event = (
    Started
    | PortTaken
    | PortNotTaken
    | Found
    | ContextChanged
    | Missing
    | Retargeted
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
    | RestartAsked
    | RecheckAsked
    | Crashed
)


class Action(StrEnum):
    """What the runner does next, in this order. OPEN, HOLD and WAIT end the attempt, the delay and the checks that run."""

    BIND = "bind"  # take the local port; answered by PortTaken or PortNotTaken
    FOLLOW = "follow"  # hear what the target is, from now on
    ASK = "ask"  # have the cluster asked now
    WANT = "want"  # somebody waits for it: a login that needs a person may begin
    RETARGET = "retarget"  # tell the path in use which endpoints there are; answered by Retargeted
    OPEN = "open"  # open a path to the endpoints known now; new connections wait unless there is one in use
    HOLD = "hold"  # no attempts; new connections wait for the cluster's next word
    WAIT = "wait"  # come back after `Snapshot.delay`; new connections wait
    ACTIVATE = "activate"  # use the path that is ready; answered by Broke if it is gone already
    DISCARD = "discard"  # close what was opened and is not wanted any more
    AVOID = "avoid"  # the endpoint in use is the last choice for the next path
    RETIRE = "retire"  # no path is in use any more; what lives on the one that was goes on to its end
    CHECK = "check"  # probe the path in use now
    RESET = "reset"  # end all that works for the forward, but keep its port


Actions = tuple[Action, ...]
