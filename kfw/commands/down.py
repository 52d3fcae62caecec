"""kfw down: take forwards away."""

import json

from kfw import client, paths
from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._options import Json, Names
from kfw.errors import DaemonNotRunning
from kfw.system.files import read_bounded

#: Bytes of what a daemon keeps, see kfw/daemon/store.py.
_LARGEST = 32 * 1024 * 1024


def down(names: Names = None, as_json: Json = False) -> int:
    """Stop forwards and free their ports. Without names: all.

    \b
    kfw down
    kfw down api db
    """
    try:
        stopped = client.down(names or []).names
    except DaemonNotRunning:
        if names:
            raise
        stopped = _down_what_would_come_back()
    if as_json:
        output.show_json({"stopped": stopped})
    output.say(f"stopped: {', '.join(stopped)}" if stopped else "nothing was up")
    return 0


def _down_what_would_come_back() -> list[str]:
    """A daemon that was stopped or killed has its forwards on disk, and after a kill perhaps children that still serve."""
    try:
        kept = json.loads(read_bounded(paths.store_file(), _LARGEST))["forwards"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    if not kept:
        return []
    ensure_daemon(on_demand=True)
    return client.down([]).names
