"""kfw down: take forwards away."""

import json
from typing import Annotated

import typer

from kfw import client, paths
from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._caller import caller_source
from kfw.commands._names import apart
from kfw.commands._options import InContext, Json, Names
from kfw.errors import DaemonNotRunning, UsageError
from kfw.names import few
from kfw.protocol import NamesReply
from kfw.system.files import read_bounded

#: Bytes of what a daemon keeps, see kfw/daemon/store.py.
_LARGEST = 32 * 1024 * 1024


def down(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Also stop those of other projects.")] = False,
    context: InContext = None,
    as_json: Json = False,
) -> int:
    """Stop forwards and free their ports.

    Without names: all of this project, which is the nearest kfw.yaml, or else the user's config. They stay stopped
    until the next `kfw up` that names them, or names none.

    \b
    kfw down
    kfw down api 'shop-*'
    kfw down --all
    kfw down --all --context kind-dev
    """
    if names and everything:
        raise UsageError("--all takes no names", "write `kfw down --all`, or the names without --all")
    project = "" if everything else caller_source()
    try:
        stopped = client.down(names or [], project, context or "")
    except DaemonNotRunning:
        if names:
            raise
        stopped = _down_what_would_come_back(project, context or "")
    if as_json:
        output.show_json({"stopped": stopped.names, "forwards": apart(stopped.forwards)})
    output.say(f"stopped: {few(stopped.names)}" if stopped.names else _nothing(project))
    return 0


def _nothing(project: str) -> str:
    """What is up elsewhere is not to be a riddle."""
    try:
        others = [row.shown for row in client.status().forwards if row.status not in ("stopped", "disabled")]
    except DaemonNotRunning:
        others = []
    if not others or not project:
        return "nothing was up"
    return f"nothing of this project was up, but of others: {few(others)} (`kfw down --all` stops them)"


def _down_what_would_come_back(project: str, context: str) -> NamesReply:
    """A daemon that was stopped or killed has its forwards on disk, and after a kill perhaps children that still serve."""
    try:
        kept = json.loads(read_bounded(paths.store_file(), _LARGEST))["forwards"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        kept = []
    if not kept:
        return NamesReply([])
    ensure_daemon(on_demand=True)
    return client.down([], project, context)
