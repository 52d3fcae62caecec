"""Every error kfw shows: what happened, what to do about it, and the exit code.

KfwError                     1  some forward is not ready, or anything without a better code
├── Shortage                 1  this machine has no room for it now: that says nothing of what it is about
├── UsageError               2  bad usage
│   └── ConfigError          2  every problem of every config file
├── DaemonNotRunning         3
├── ClusterUnreachable       4
├── LoginError               5  no valid login
├── NotPermitted             5  logged in, but not allowed
├── PortInUse                6
├── TimedOut                 7
└── ToolMissing              8
"""

from typing import ClassVar

from kfw.secret import redact

#: Characters of a foreign exception that are shown.
_LONGEST = 300


class KfwError(Exception):
    """`what` is a sentence without a full stop, `fix` the line that fixes it, `reason` a value of model.Reason.

    No secret gets into either: this is where foreign words become ours.
    """

    exit_code: ClassVar[int] = 1
    default_reason: ClassVar[str] = "internal"

    def __init__(self, what: str, fix: str = "", *, reason: str | None = None) -> None:
        self.what = redact(what)
        self.fix = redact(fix)
        super().__init__(self.what)
        self.reason = reason or self.default_reason


def describe(error: BaseException) -> str:
    """A foreign exception in words that may be shown: its type and what it says, without secrets and without an end
    that nobody reads. Never its repr: that of a header, a URL or a request quotes what is in it."""
    said = " ".join(redact(str(error)[:_LONGEST]).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class Shortage(KfwError):
    """No file may be opened now, or there is no memory for it. Whoever gets this waits and tries again; it is not a verdict
    on a server, a pod or a way."""


class UsageError(KfwError):
    exit_code = 2
    default_reason = "bad-config"


class ConfigError(UsageError):
    """`problems` are lines `file:line:column: what, what to write instead`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DaemonNotRunning(KfwError):
    exit_code = 3


class ClusterUnreachable(KfwError):
    exit_code = 4
    default_reason = "cluster-unreachable"


class LoginError(KfwError):
    exit_code = 5
    default_reason = "login-expired"


class NotPermitted(KfwError):
    exit_code = 5
    default_reason = "not-permitted"


class PortInUse(KfwError):
    exit_code = 6
    default_reason = "port-in-use"


class TimedOut(KfwError):
    exit_code = 7
    default_reason = "timed-out"


class ToolMissing(KfwError):
    exit_code = 8
    default_reason = "tool-missing"


#: The family, the general before the special: what travels over the control socket is one of these.
ALL_ERRORS: tuple[type[KfwError], ...] = (
    KfwError,
    UsageError,
    DaemonNotRunning,
    ClusterUnreachable,
    LoginError,
    NotPermitted,
    PortInUse,
    TimedOut,
    ToolMissing,
)

#: The exit code of a command whose worst forward stopped for this reason; any other reason is 1.
EXIT_CODE_OF_REASON: dict[str, int] = {
    kind.default_reason: kind.exit_code for kind in ALL_ERRORS if "default_reason" in vars(kind)
}
EXIT_CODE_OF_REASON["context-not-found"] = 2
EXIT_CODE_OF_REASON["login-pending"] = LoginError.exit_code
