"""What went wrong between a front end and the daemon, in words."""

from kfw.errors import DaemonNotRunning, KfwError, TimedOut, UsageError

_START = "`kfw up` starts it, and so does `kfw start`"


def in_words(error: OSError | EOFError | ValueError, path: str, timeout: float) -> KfwError:
    """`path`: the socket; `timeout`: the seconds that were waited."""
    pid_file = path.removesuffix("sock") + "pid"
    again = f"end it with `kill $(cat {pid_file})`, then `kfw start`"
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return DaemonNotRunning("the daemon is not running", _START)
        case ConnectionRefusedError():
            return DaemonNotRunning("the daemon is not running (it left its socket behind)", _START)
        case PermissionError():
            what = f"cannot use the socket {path}: {error.strerror or error}"
            return KfwError(what, "remove it, or set KFW_HOME to a directory of your own")
        case TimeoutError():
            return TimedOut(f"the daemon did not answer within {timeout:g} seconds", again)
        case OSError() if "too long" in str(error):
            what = f"the path {path} is too long for a socket"
            return UsageError(what, "set KFW_HOME to a shorter directory")
        case EOFError() | ConnectionError():
            what = f"the daemon ended in the middle of its answer: {error}"
            return KfwError(what, "`kfw logs` may say why")
    return KfwError(f"cannot understand what answers on {path}: {error}", again)


def ended_meanwhile(error: KfwError) -> bool:
    """The daemon ended while it was asked: as good as not running."""
    return isinstance(error.__cause__, EOFError | ConnectionError)
