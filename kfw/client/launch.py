"""Starting the daemon when it is not there: a process of its own that outlives the terminal."""

import subprocess
import sys
import time
from pathlib import Path

import kfw
from kfw import client, paths
from kfw.errors import DaemonNotRunning, KfwError, TimedOut
from kfw.protocol import DaemonInfo
from kfw.system.files import lock, make_private_dir

#: Seconds until a started daemon must answer; it needs a fraction of one.
LIMIT = 10.0
_PAUSE = 0.02
#: Nobody waits for these; without a reference Python would complain of that.
_LEFT_RUNNING: list[subprocess.Popen[bytes]] = []
_FIX = "`kfw logs` shows its log, `kfw serve` runs it in this terminal"


def ensure_daemon(
    *, on_demand: bool, log_level: str = "info", limit: float = LIMIT
) -> tuple[DaemonInfo, bool]:
    """The running daemon, and whether it was started just now. Two at the same time start one.

    `on_demand`: one that is started now ends with its last forward.

    Raises KfwError with the daemon's last words if it ends before it answers, TimedOut after `limit` seconds.
    """
    if running := _running():
        return running, False
    make_private_dir(paths.runtime_dir())
    with lock(paths.runtime_dir() / "start.lock", "the start of the daemon", wait=limit):
        if running := _running():
            return running, False
        wait_until_gone(limit)
        return _start(_command_line(on_demand, log_level), limit), True


def words_file() -> Path:
    """What the daemon writes to stdout and stderr: nothing, unless it cannot even open its log."""
    return paths.state_dir() / "daemon.out"


def _running() -> DaemonInfo | None:
    try:
        return client.ping()
    except DaemonNotRunning:
        return None


def wait_until_gone(limit: float) -> None:
    """A daemon that is ending has no socket any more, but its lock until its last child is gone.

    Raises TimedOut when it is still there after `limit` seconds.
    """
    file = paths.pid_file().with_suffix(".lock")
    if not file.exists():
        return
    try:
        with lock(file, "the daemon's lock", wait=limit):
            pass
    except KfwError as error:
        what = f"a daemon runs and does not answer: {error.what}"
        raise TimedOut(what, f"`kill $(cat {file})` ends it") from error


def _start(command: list[str], limit: float) -> DaemonInfo:
    child = _spawn(command)
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if running := _running():
            _LEFT_RUNNING.append(child)
            return running
        if child.poll() is not None:
            why = _last_words() or f"it ended with code {child.returncode}"
            raise KfwError(f"cannot start the daemon: {why}", _FIX)
        time.sleep(_PAUSE)
    _end(child)
    raise TimedOut(f"the daemon did not answer within {limit:g} seconds of its start", _FIX)


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    """In its own session, so that neither Ctrl+C nor the end of the terminal reaches it."""
    package = Path(kfw.__file__).parent.parent
    installed = str(package) in sys.path[1:]  # else only `python -m kfw` in the right directory finds it
    argv = [sys.executable, *(["-P"] if installed else []), *command]
    make_private_dir(paths.state_dir())
    with words_file().open("wb") as words:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
            cwd="/" if installed else package,
        )


def _end(child: subprocess.Popen[bytes]) -> None:
    """Only the process that was started here: it may have children, which its next start reclaims."""
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _command_line(on_demand: bool, log_level: str) -> list[str]:
    """See kfw/commands/serve.py."""
    options = ["--to-log-file", f"--log-level={log_level}", *(["--on-demand"] if on_demand else [])]
    return ["-m", "kfw", "serve", *options]


def _last_words() -> str:
    lines = words_file().read_text(errors="replace").strip().splitlines()[-3:]
    return "\n".join(lines).removeprefix("kfw: ")
