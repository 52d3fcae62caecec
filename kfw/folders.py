"""The folders that all of kfw's files are in, as text, and whose a file may be.

On the fast path of `kfw status`: nothing here may import typing or pathlib. kfw.paths makes Paths of it.
"""

from __future__ import annotations

import os
import sys


def user_home() -> str:
    """The user's home directory. Raises UsageError where there is none: a container under a uid that nobody knows."""
    home = os.environ.get("HOME") or _home_in_database()
    if not home:
        raise _usage_error(
            f"cannot find a home directory: HOME is not set, and uid {os.getuid()} has no entry in the user database",
            "set HOME to a directory of your own; KFW_HOME moves kfw's own files only",
        )
    return os.path.abspath(home)  # noqa: PTH100 - see above


def kfw_home() -> str | None:
    """KFW_HOME, absolute. Raises UsageError when it is somebody else's, who could swap what kfw puts there."""
    home = os.environ.get("KFW_HOME")
    if not home:
        return None
    if "\0" in home:
        raise _usage_error("KFW_HOME holds a NUL byte", "set it to the path of a directory")
    home = os.path.abspath(home)  # noqa: PTH100 - see above
    owner = foreign_owner(home)
    if owner is not None:
        raise _usage_error(
            f"cannot use KFW_HOME {home}: it belongs to {user_name(owner)}",
            "set KFW_HOME to a directory of your own, or run kfw as its owner",
        )
    return home


def settle() -> None:
    """A relative KFW_HOME counts from where this command was started, for its children, too."""
    home = os.environ.get("KFW_HOME")
    if home and not home.startswith("/"):
        os.environ["KFW_HOME"] = os.path.abspath(home)  # noqa: PTH100 - see above


def runtime_folder() -> str:
    """Of the socket and the pidfile: under XDG_RUNTIME_DIR where that is ours, else in the state folder.

    After `su` it is still that of the user before.
    """
    if home := kfw_home():
        return f"{home}/run"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and sys.platform == "linux" and _is_folder_of_ours(runtime):
        return f"{runtime}/kfw"
    return f"{folder_of('state', 'XDG_STATE_HOME', '.local/state')}/run"


def folder_of(kind: str, variable: str, default: str) -> str:
    """The folder of one kind of files; `variable` moves it if it is absolute, `default` counts from the home directory."""
    if home := kfw_home():
        return f"{home}/{kind}"
    base = os.environ.get(variable, "")
    root = base if base.startswith("/") else f"{user_home().rstrip('/')}/{default}"
    return f"{root}/kfw"


def foreign_owner(path: str, friends: tuple[int, ...] = ()) -> int | None:
    """The uid of whoever can change what is at `path` but is not us, root or a friend; None also if nothing is there.

    A link counts as well as what it leads to.
    """
    for look in (os.lstat, os.stat):
        try:
            owner = look(path).st_uid
        except (OSError, ValueError):
            continue
        if owner not in (os.geteuid(), 0, *friends):
            return owner
    return None


def sudo_caller() -> tuple[int, ...]:
    """The uid of who called sudo, for root: its files are this command's business."""
    caller = os.environ.get("SUDO_UID", "")
    return (int(caller),) if os.geteuid() == 0 and caller.isascii() and caller.isdigit() else ()


def user_name(uid: int) -> str:
    """`ada (uid 1000)`, or `uid 12345` for one that has no name."""
    import pwd  # only when somebody must be named

    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _home_in_database() -> str:
    import pwd  # HOME is nearly always set

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def _is_folder_of_ours(path: str) -> bool:
    try:
        return os.path.isdir(path) and os.stat(path).st_uid == os.geteuid()  # noqa: PTH112, PTH116 - see above
    except (OSError, ValueError):
        return False


def _usage_error(what: str, fix: str) -> Exception:
    from kfw.errors import UsageError  # it imports typing

    return UsageError(what, fix)
