"""Why a forward is not simply active: a closed list, and one table of all that follows from each reason.

Whoever needs a trait of a reason reads it in TRAITS; no other module has a set of reasons of its own. How a reason is
added: docs/development.md.
"""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    STARTING = "starting"
    ACTIVE = "active"
    DEGRADED = "degraded"  # active, but health checks fail
    RECONNECTING = "reconnecting"
    SUSPENDED = "suspended"  # its cluster is unreachable, or the login has run out
    ERROR = "error"  # needs the user; the row stays until removed or retried
    STOPPED = "stopped"
    DISABLED = "disabled"


class Reason(StrEnum):
    PORT_IN_USE = "port-in-use"
    TARGET_NOT_FOUND = "target-not-found"
    TARGET_PORT = "target-port"  # the target has no such port, or several and none was named
    NO_READY_POD = "no-ready-pod"
    NO_NODE_PORT = "no-node-port"  # the method needs a node port and the service has none
    NODE_UNREACHABLE = "node-unreachable"
    NOT_PERMITTED = "not-permitted"
    LOGIN_EXPIRED = "login-expired"
    LOGIN_PENDING = "login-pending"  # a login plugin runs, and may wait for a person
    CLUSTER_UNREACHABLE = "cluster-unreachable"
    CONTEXT_NOT_FOUND = "context-not-found"
    CHILD_EXITED = "child-exited"
    UNHEALTHY = "unhealthy"
    APP_REFUSES = "app-refuses"  # nothing listens on the port in any pod that could take it
    ENDPOINT_GONE = "endpoint-gone"
    TOOL_MISSING = "tool-missing"
    NEEDS_ROOT = "needs-root"  # a tool that only works as root is not, or sudo asks for a password
    TIMED_OUT = "timed-out"
    BAD_CONFIG = "bad-config"
    USER_STOPPED = "user-stopped"
    USER_RESTARTED = "user-restarted"
    INTERNAL = "internal"

    @property
    def traits(self) -> "Traits":
        return TRAITS[self]


class About(StrEnum):
    """What is at fault, and so where to look."""

    TARGET = "the target"  # the cluster has answered, and says this of the target
    APP = "the app"
    PATH = "the path"  # what carried the connections, or should
    NETWORK = "the network"
    LOGIN = "the login"
    CONFIG = "the configuration"  # kfw's, or the kubeconfig
    MACHINE = "this machine"
    USER = "you"
    KFW = "kfw"


class Attempts(StrEnum):
    """When it is tried again after it failed. The seconds are in supervisor/delays.py."""

    USUAL = "with growing delays"
    QUICK = "twice at once, then with growing delays"
    SOON = "soon, and on a new connection"
    PARKED = "after `kfw retry`"


class Ask(StrEnum):
    """Whether the cluster is asked at once when an attempt fails for this reason."""

    NO = "no"
    ONCE = "once"
    EACH_TIME = "each time"


class Traits(NamedTuple):
    """`status`: of a row without a path, None while kfw is on its way (starting, reconnecting); `status_after`: so many
    failures in a row. `exit_code`: of a command whose worst forward has it, None: 7 while kfw still tries, else 1."""

    about: About
    status: Status | None = None
    status_after: int = 0
    exit_code: int | None = None
    attempts: Attempts = Attempts.USUAL
    ask: Ask = Ask.NO
    #: The same path may carry again afterwards, so it is kept while new connections wait.
    keeps_path: bool = False
    #: The API cannot be asked, or does not answer this user: what was known before may still serve.
    blocks_api: bool = False
    #: It is the fault of the pod that was tried; another one may do.
    of_one_pod: bool = False
    #: A pod has gone, or none is there yet: the next one is waited for.
    awaits_pod: bool = False
    #: The message says what a person has to do, so another message is news.
    needs_person: bool = False
    #: What else may be the cause while the environment of the user's shell is not known.
    if_environ_unknown: str = ""


TRAITS: dict[Reason, Traits] = {
    Reason.PORT_IN_USE: Traits(About.MACHINE, status=Status.ERROR, exit_code=6, attempts=Attempts.PARKED),
    Reason.TARGET_NOT_FOUND: Traits(About.TARGET, status=Status.ERROR),
    Reason.TARGET_PORT: Traits(About.TARGET, status=Status.ERROR),
    Reason.NO_READY_POD: Traits(About.TARGET, keeps_path=True, awaits_pod=True),
    Reason.NO_NODE_PORT: Traits(About.TARGET, status=Status.ERROR),
    Reason.NODE_UNREACHABLE: Traits(About.NETWORK),
    Reason.NOT_PERMITTED: Traits(
        About.LOGIN, status=Status.ERROR, exit_code=5, keeps_path=True, blocks_api=True
    ),
    Reason.LOGIN_EXPIRED: Traits(
        About.LOGIN,
        status=Status.SUSPENDED,
        exit_code=5,
        keeps_path=True,
        blocks_api=True,
        if_environ_unknown="the environment of your shell is not known since kfw was started again",
    ),
    Reason.LOGIN_PENDING: Traits(About.LOGIN, exit_code=5, keeps_path=True, needs_person=True),
    Reason.CLUSTER_UNREACHABLE: Traits(
        About.NETWORK,
        status=Status.SUSPENDED,
        exit_code=4,
        keeps_path=True,
        blocks_api=True,
        if_environ_unknown="if it needs a proxy: your shell's HTTPS_PROXY is not known since kfw was started again",
    ),
    Reason.CONTEXT_NOT_FOUND: Traits(
        About.CONFIG, status=Status.ERROR, exit_code=2, keeps_path=True, blocks_api=True
    ),
    Reason.CHILD_EXITED: Traits(About.PATH, attempts=Attempts.QUICK),
    Reason.UNHEALTHY: Traits(About.APP, of_one_pod=True),
    # An app that refuses may be starting. With the delays between them the failures until `error` take 1 to 2 s. Which
    # ports the pods declare is worth one question.
    Reason.APP_REFUSES: Traits(
        About.APP,
        status=Status.ERROR,
        status_after=4,
        attempts=Attempts.SOON,
        ask=Ask.ONCE,
        keeps_path=True,
        of_one_pod=True,
    ),
    # The cluster knows something that kfw does not know yet.
    Reason.ENDPOINT_GONE: Traits(
        About.PATH, attempts=Attempts.QUICK, ask=Ask.EACH_TIME, of_one_pod=True, awaits_pod=True
    ),
    Reason.TOOL_MISSING: Traits(
        About.MACHINE,
        status=Status.ERROR,
        exit_code=8,
        keeps_path=True,
        blocks_api=True,
        if_environ_unknown="the PATH of your shell is not known since kfw was started again",
    ),
    Reason.NEEDS_ROOT: Traits(About.MACHINE, status=Status.ERROR, exit_code=5, attempts=Attempts.PARKED),
    Reason.TIMED_OUT: Traits(About.PATH, exit_code=7),
    Reason.BAD_CONFIG: Traits(
        About.CONFIG,
        status=Status.ERROR,
        exit_code=2,
        attempts=Attempts.PARKED,
        keeps_path=True,
        blocks_api=True,
    ),
    Reason.USER_STOPPED: Traits(About.USER),
    Reason.USER_RESTARTED: Traits(About.USER, attempts=Attempts.QUICK),
    Reason.INTERNAL: Traits(About.KFW, exit_code=1, blocks_api=True),
}


def exit_code_of(reason: Reason, without: int = 1) -> int:
    """Of a command whose worst forward has this reason; `without`: of a reason that has none of its own."""
    code = reason.traits.exit_code
    return without if code is None else code
