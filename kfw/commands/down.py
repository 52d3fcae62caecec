"""kfw down: take forwards away."""

from kfw import client
from kfw.commands import output
from kfw.commands.options import Json, Names
from kfw.errors import DaemonNotRunning


def down(names: Names = None, as_json: Json = False) -> int:
    """Stop forwards: their ports are free again. Without names: all.

    \b
    kfw down
    kfw down api db
    """
    try:
        stopped = client.down(names or []).names
    except DaemonNotRunning:
        if names:
            raise
        stopped = []  # nothing is up: that is what was asked for
    if as_json:
        output.show_json({"stopped": stopped})
    output.say(f"stopped: {', '.join(stopped)}" if stopped else "nothing was up")
    return 0
