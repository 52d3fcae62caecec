"""Actions that the daemon does: one function each, which says in a sentence what was done. They block; raise KfwError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kfw import client
from kfw.errors import KfwError
from kfw.names import few
from kfw.tui.caller import Caller, NewForward
from kfw.tui.rows import key_of

Row = Mapping[str, Any]
_OFF = ("stopped", "disabled")


def retry(row: Row, caller: Caller) -> str:
    return _said("trying again", client.retry([key_of(row)], caller.project, _environ(row, caller)).names)


def retry_all(caller: Caller) -> str:
    return _said("trying again", client.retry([], caller.project, dict(caller.environ)).names)


def restart(row: Row, caller: Caller) -> str:
    return _said("reconnecting", client.restart([key_of(row)], caller.project, _environ(row, caller)).names)


def down(row: Row, _: Caller) -> str:
    return _said("stopped", client.down([key_of(row)]).names)


def remove(row: Row, _: Caller) -> str:
    return _said("removed", client.remove([key_of(row)]).names)


def switch(row: Row, caller: Caller) -> str:
    """Start what is off, else disable it."""
    if row["status"] in _OFF:
        return _said("enabled", client.enable([key_of(row)], caller.source, _environ(row, caller)).names)
    return _said("disabled", client.disable([key_of(row)], caller.source).names)


def close_cluster(context: str) -> str:
    return _said("stopped", client.down([], "", context).names)


def add(wanted: NewForward, caller: Caller) -> str:
    """Also the daemon is started, if there is none. What became of it stands in its row."""
    request = caller.request(wanted)
    client.up(request)
    return _said("added", [forward.name for forward in request.forwards])


def _environ(row: Row, caller: Caller) -> dict[str, str] | None:
    """A forward of another project keeps the environment of the shell that started it."""
    return dict(caller.environ) if row.get("project") in (caller.project, "added") else None


def _said(done: str, names: list[str]) -> str:
    return f"{done}: {few(names)}" if names else "there was nothing to do"


def sentence(error: KfwError) -> str:
    return f"{error.what}; {error.fix}" if error.fix else error.what
