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

import errno
import os
from typing import ClassVar

from kfw.reasons import Reason, exit_code_of
from kfw.secret import redact

#: Characters of a foreign exception that are shown.
_LONGEST = 300


class KfwError(Exception):
    """`what` is a sentence without a full stop, `fix` the line that fixes it, `reason` a Reason or its value.

    No secret gets into either: this is where foreign words become ours. ValueError for a reason that does not exist.
    """

    default_reason: ClassVar[Reason] = Reason.INTERNAL
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, fix: str = "", *, reason: str | None = None) -> None:
        self.what = redact(what)
        self.fix = redact(fix)
        super().__init__(self.what)
        self.reason = self.default_reason if reason is None else Reason(reason)


def describe(error: BaseException) -> str:
    """A foreign exception in words that may be shown: its type and what it says, without secrets and without an end
    that nobody reads. Never its repr: that of a header, a URL or a request quotes what is in it."""
    said = " ".join(redact(str(error)[:_LONGEST]).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def words_of(error: BaseException) -> str:
    """What went wrong in the words of whoever noticed: the system, TLS or a library; without type, number and path."""
    if isinstance(error, KfwError):
        return error.what
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if not isinstance(error, OSError):
        return str(error)[:_LONGEST] or type(error).__name__
    return _of_tls(error) or _of_system(error) or str(error)[:_LONGEST] or type(error).__name__


def _of_tls(error: OSError) -> str:
    """Of an ssl.SSLError: what did not verify, or its `reason` in lower case (OpenSSL writes it as one word); else ""."""
    verified = getattr(error, "verify_message", "")
    return verified or str(getattr(error, "reason", None) or "").lower().replace("_", " ")


def _of_system(error: OSError) -> str:
    """By the number where Python has made the error, as asyncio puts `Connect call failed ('127.0.0.1', 80)` for the words;
    what has a class of its own, as socket.gaierror, knows better. asyncio tells some lost connections without a number."""
    if isinstance(error, ConnectionResetError) and str(error) in ("", "Connection lost"):
        return os.strerror(errno.ECONNRESET)
    text = error.strerror or ""
    if isinstance(error, TimeoutError) and text and not text.startswith("Connect call failed"):
        return text  # who set the limit says how long it was
    by_number = error.errno is not None and error.errno > 0 and type(error).__module__ == "builtins"
    return os.strerror(error.errno or 0) if by_number else text


class Shortage(KfwError):
    """No file may be opened now, or there is no memory for it. Whoever gets this waits and tries again; it is not a verdict
    on a server, a pod or a way."""


class UsageError(KfwError):
    default_reason = Reason.BAD_CONFIG
    exit_code = exit_code_of(Reason.BAD_CONFIG)


class ConfigError(UsageError):
    """`problems` are lines `file:line:column: what, what to write instead`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DaemonNotRunning(KfwError):
    exit_code = 3


class ClusterUnreachable(KfwError):
    default_reason = Reason.CLUSTER_UNREACHABLE
    exit_code = exit_code_of(Reason.CLUSTER_UNREACHABLE)


class LoginError(KfwError):
    default_reason = Reason.LOGIN_EXPIRED
    exit_code = exit_code_of(Reason.LOGIN_EXPIRED)


class NotPermitted(KfwError):
    default_reason = Reason.NOT_PERMITTED
    exit_code = exit_code_of(Reason.NOT_PERMITTED)


class PortInUse(KfwError):
    default_reason = Reason.PORT_IN_USE
    exit_code = exit_code_of(Reason.PORT_IN_USE)


class TimedOut(KfwError):
    default_reason = Reason.TIMED_OUT
    exit_code = exit_code_of(Reason.TIMED_OUT)


class ToolMissing(KfwError):
    default_reason = Reason.TOOL_MISSING
    exit_code = exit_code_of(Reason.TOOL_MISSING)


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
