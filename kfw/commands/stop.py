"""kfw stop: end the daemon, and with it what it started."""

from kfw import client
from kfw.client.control_http import ended_meanwhile
from kfw.client.launch import wait_until_gone
from kfw.commands import _output as output
from kfw.commands._options import Json
from kfw.errors import DaemonNotRunning, KfwError

#: Seconds: the forwards get ten to end, see kfw/daemon/run.py.
LIMIT = 15.0


def stop(as_json: Json = False) -> int:
    """Stop the daemon; `kfw start` brings its forwards back.

    \b
    kfw stop
    """
    pid = end_daemon()
    wait_until_gone(LIMIT)
    if as_json:
        output.show_json({"stopped": pid is not None, "pid": pid})
    output.say(f"stopped (pid {pid})" if pid else "the daemon was not running")
    return 0


def end_daemon() -> int | None:
    """Tell it to end. Returns its pid, or None where none was running. Raises KfwError."""
    try:
        pid = client.ping().pid
        client.stop()
    except KfwError as error:
        if not isinstance(error, DaemonNotRunning) and not ended_meanwhile(error):
            raise
        return None
    return pid
