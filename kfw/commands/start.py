"""kfw start: the daemon alone."""

from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._options import Json


def start(as_json: Json = False) -> int:
    """Start the daemon.

    It starts the forwards that were up when it last ended, and runs until `kfw stop`.

    \b
    kfw start
    """
    import msgspec

    daemon, started = ensure_daemon(on_demand=False)
    if as_json:
        output.show_json(msgspec.to_builtins(daemon))
    output.say(f"{'started' if started else 'already running'} (pid {daemon.pid})")
    return 0
