"""What `kfw status` shows. On the fast path: a whole process in less than three times `python -c pass`."""

from __future__ import annotations

import os
import sys
import time

from kfw import client, view
from kfw.client import control_http
from kfw.commands import _output as output
from kfw.system.update_notice import notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from kfw.errors import DaemonNotRunning
    from kfw.names import RowId


#: Carrying, or not meant to.
_FINE = ("active", "stopped", "disabled")


def status(names: Sequence[str], *, as_json: bool, context: str | None = None) -> int:
    """The exit code: 1 when some forward is not ready.

    Raises DaemonNotRunning, after the JSON that says so; UsageError for a name or context that is not there.
    """
    try:
        reply = reply_of(client.status_raw(), names, context)
    except _daemon_not_running():
        if as_json:
            output.show_json(no_daemon())
        raise
    if as_json:
        output.show_json(reply)
    else:
        output.show("\n".join(lines(reply)))
        if output.is_terminal(sys.stderr) and (said := notice(os.environ)):
            output.say(said)
    return exit_code(reply)


def exit_code(reply: dict[str, Any]) -> int:
    """1 when some forward is not ready."""
    return 0 if all(row["status"] in _FINE for row in reply["forwards"]) else 1


def reply_of(raw: bytes, names: Sequence[str], context: str | None = None) -> dict[str, Any]:
    """The daemon's answer with only these forwards, and of those the ones in the context; no names: all."""
    reply: dict[str, Any] = decoded(raw)
    if context:
        from kfw.commands._names import id_of, in_context

        here = set(in_context(context, {id_of(row): row["context"] for row in reply["forwards"]}))
        reply["forwards"] = [row for row in reply["forwards"] if id_of(row) in here]
    if names:
        rows = {view.shown(row): row for row in reply["forwards"]}
        if rows.keys() >= set(names):
            reply["forwards"] = [rows[name] for name in dict.fromkeys(names)]
        else:  # a profile, a pattern, a name that several projects have, or a mistake: no hurry
            from kfw.commands._names import id_of, meant

            by_id = {id_of(row): row for row in rows.values()}
            profiles = {row_id: row.get("profile") for row_id, row in by_id.items()}
            reply["forwards"] = [by_id[row_id] for row_id in meant(names, profiles, context)]
    return reply


def reply_with(raw: bytes, ids: Iterable[RowId]) -> dict[str, Any]:
    """The same with exactly these, in this order."""
    reply: dict[str, Any] = decoded(raw)
    rows = {(row.get("project") or "", row["name"]): row for row in reply["forwards"]}
    found = (rows.get((row_id.project, row_id.name)) for row_id in ids)
    reply["forwards"] = [row for row in found if row]
    return reply


class _AsUsual:
    """What JSONDecoder tells its scanner."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


def decoded(raw: bytes) -> Any:
    """As json.loads, by what C has of it: the module json imports re, which takes as long as half of Python's own start."""
    text = raw.decode()
    try:
        from _json import make_scanner

        value, end = make_scanner(_AsUsual)(text, 0)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001  another Python may have another one, and json says best what is wrong with the text
        end = -1
    if end == len(text):
        return value
    import json

    return json.loads(text)


def lines(reply: dict[str, Any], *, wide: bool = False) -> list[str]:
    """`wide`: with all columns, whole."""
    colour = output.colours(sys.stdout)
    return view.status_lines(reply, width=output.width(), colour=colour, now=time.time(), wide=wide)


def no_daemon() -> dict[str, Any]:
    """`status --json` when there is no daemon: the same shape, so that scripts need no second case."""
    daemon = dict.fromkeys(("running", "pid", "version", "uptimeSeconds", "rssBytes", "socket"))
    known = {"running": False, "socket": control_http.socket_path(), "warnings": []}
    return {"daemon": daemon | known, "forwards": []}


def _daemon_not_running() -> type[DaemonNotRunning]:
    """Looked up only when something was raised: kfw.errors imports typing."""
    from kfw.errors import DaemonNotRunning

    return DaemonNotRunning
