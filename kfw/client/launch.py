"""Starting the daemon when it is not there: a process of its own that outlives the terminal."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import kfw
from kfw import client, paths
from kfw.client.control_http import ended_meanwhile
from kfw.errors import DaemonNotRunning, KfwError, TimedOut, words_of
from kfw.protocol import DaemonInfo
from kfw.system.files import clear_the_way, is_locked, lock, make_private_dir, read_bounded

#: Seconds until a started daemon must answer; it needs a fraction of one.
LIMIT = 10.0
_PAUSE = 0.02
#: Bytes that a daemon may have said in vain.
_MOST_WORDS = 1_000_000
#: Bytes of one block of most file systems.
_BLANK = 4096
_FIX = "`kfw logs` shows its log, `kfw serve` runs it in this terminal"


def ensure_daemon(
    *,
    on_demand: bool,
    log_level: str = "info",
    metrics_listen: str | None = None,
    notices: bool = False,
    limit: float = LIMIT,
) -> tuple[DaemonInfo, bool]:
    """The running daemon, and whether it was started just now. Two at the same time start one.

    `on_demand`: one that is started now ends with its last forward.

    Raises KfwError with the daemon's last words if it ends before it answers, TimedOut after `limit` seconds.
    """
    if running := _running():
        return running, False
    make_private_dir(paths.runtime_dir())
    with lock(paths.runtime_dir() / "start.lock", "the start of the daemon", wait=limit):
        if running := _running_or_gone(limit):
            return running, False
        return _start(_command_line(on_demand, log_level, metrics_listen, notices), limit)


def words_file() -> Path:
    """What the daemon writes to stdout and stderr: nothing, unless it cannot even open its log."""
    return paths.state_dir() / "daemon.out"


def wait_until_gone(limit: float) -> None:
    """A daemon that is ending has no socket any more, but its lock until its last child is gone.

    Raises TimedOut when it is still there after `limit` seconds.
    """
    deadline = time.monotonic() + limit
    while is_locked(paths.daemon_lock()):
        if time.monotonic() > deadline:
            raise _does_not_answer()
        time.sleep(_PAUSE)


def _running_or_gone(limit: float) -> DaemonInfo | None:
    """The daemon, also one that somebody else (`kfw serve`) has started just now; None once there is surely none.

    One that has the lock and no socket is about to answer, or about to end. Raises TimedOut after `limit` seconds.
    """
    deadline = time.monotonic() + limit
    while True:
        if running := _running():
            return running
        if not is_locked(paths.daemon_lock()):
            return None
        if time.monotonic() > deadline:
            raise _does_not_answer()
        time.sleep(_PAUSE)


def _does_not_answer() -> TimedOut:
    file = paths.daemon_lock()
    try:
        pid = read_bounded(file, 32).decode(errors="replace").strip()
    except OSError:
        pid = ""
    what = f"a daemon is running but does not answer: {file} is locked by {f'pid {pid}' if pid else 'it'}"
    return TimedOut(what, f"`kill $(cat {file})` ends it")


def _running() -> DaemonInfo | None:
    """None also for one that ends while it is asked."""
    try:
        return client.ping()
    except DaemonNotRunning:
        return None
    except KfwError as error:
        if ended_meanwhile(error):
            return None
        raise


def _start(command: list[str], limit: float) -> tuple[DaemonInfo, bool]:
    """The daemon that answers then, and whether it is the one that was started: `kfw serve` may have been quicker."""
    child = spawn(command, *this_kfw())
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if running := _running():
            if running.pid != child.pid:
                _end(child)  # it waits for the lock, and would be the daemon after a `kfw stop`
                return running, False
            child.returncode = 0  # it goes on without us: Python complains of who is not waited for
            return running, True
        if child.poll() is not None and not is_locked(paths.daemon_lock()):
            why = last_words() or f"it ended with code {child.returncode}"
            raise KfwError(f"cannot start the daemon: {why}", _FIX)
        time.sleep(_PAUSE)
    _end(child)
    raise TimedOut(f"the daemon did not answer within {limit:g} seconds of its start", _FIX)


def this_kfw() -> tuple[str, str]:
    """The interpreter that runs this, and the folder in which only it finds kfw; "" where kfw is installed.

    What is found by the PYTHONPATH of this shell another process may not find.
    """
    package = str(Path(kfw.__file__).parent.parent)
    by_shell = package in os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return sys.executable, "" if package in sys.path[1:] and not by_shell else package


def spawn(
    command: Sequence[str],
    python: str,
    folder: str,
    *,
    files: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    says: int | None = None,
) -> subprocess.Popen[bytes]:
    """`python COMMAND` in its own session, so that neither Ctrl+C nor the end of the terminal reaches it.

    `files` are open in it, too; what it says goes into the file of its words, or to the file `says`. Raises KfwError.
    """
    argv = [python, *([] if folder else ["-P"]), *command]
    make_private_dir(paths.state_dir())
    with _open_words_file() if says is None else nullcontext(says) as words:
        try:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                cwd=folder or "/",
                pass_fds=files,
                env=env,
            )
        except OSError as error:
            raise KfwError(f"cannot run {python}: {error.strerror or error}") from error


def _open_words_file() -> BinaryIO:
    """Blank, so that on a disk that is full the daemon's last words have a place all the same."""
    file = words_file()
    clear_the_way(file)
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.write(handle, b" " * _BLANK)
        os.lseek(handle, 0, os.SEEK_SET)
    except OSError as error:
        raise KfwError(
            f"cannot write {file}: {words_of(error)}",
            "free space on that disk, or set KFW_HOME to a directory on another one",
        ) from error
    return os.fdopen(handle, "wb")


def _end(child: subprocess.Popen[bytes]) -> None:
    """Only the process that was started here: it may have children, which its next start reclaims."""
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _command_line(on_demand: bool, log_level: str, metrics_listen: str | None, notices: bool) -> list[str]:
    """See kfw/commands/serve.py."""
    options = ["--to-log-file", f"--log-level={log_level}", *(["--on-demand"] if on_demand else [])]
    metrics = [f"--metrics-listen={metrics_listen}"] if metrics_listen else []
    return ["-m", "kfw", "serve", *options, *metrics, *(["--notices"] if notices else [])]


def last_words() -> str:
    """What a daemon that did not come up has said, "" for nothing."""
    try:
        text = read_bounded(words_file(), _MOST_WORDS).decode(errors="replace")
    except OSError as error:
        return f"{words_file()} cannot be read: {words_of(error)}"
    return "\n".join(text.strip().splitlines()[-3:]).removeprefix("kfw: ")
