"""kfw stop: end the daemon, and with it what it started."""

import os
import time

from kfw import client
from kfw.commands import output
from kfw.commands.options import Json
from kfw.errors import DaemonNotRunning, TimedOut

#: Seconds: the forwards get ten to end, see kfw/daemon/run.py.
LIMIT = 15.0


def stop(as_json: Json = False) -> int:
    """End the daemon: all forwards go, `kfw start` brings them back.

    \b
    kfw stop
    """
    try:
        pid = client.ping().pid
        client.stop()
    except DaemonNotRunning:
        pid = None
    if pid:
        _wait_until_gone(pid)
    if as_json:
        output.show_json({"stopped": pid is not None, "pid": pid})
    output.say(f"stopped (pid {pid})" if pid else "the daemon was not running")
    return 0


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + LIMIT
    while _lives(pid):
        if time.monotonic() > deadline:
            raise TimedOut(
                f"the daemon (pid {pid}) did not end within {LIMIT:g} seconds", f"`kill -9 {pid}` ends it"
            )
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """Signal 0 only asks."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number belongs to somebody else by now
    return True
