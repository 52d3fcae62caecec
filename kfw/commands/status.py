"""kfw status. Without --watch it does not even come here: see kfw/cli.py and _status.py."""

import sys
import time
from typing import Annotated

import typer

from kfw import client, view
from kfw.commands import _output as output
from kfw.commands import _status as status_fast
from kfw.commands._live import Live, can_draw
from kfw.commands._options import InContext, Json, Names
from kfw.errors import DaemonNotRunning, UsageError

#: Seconds between two looks.
_PAUSE = 1.0
_FORMS = ("json", "yaml", "wide", "name")


def status(
    names: Names = None,
    context: InContext = None,
    as_json: Json = False,
    form: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FORM", help=f"{', '.join(_FORMS)}.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it as it changes.")] = False,
) -> int:
    """Show all forwards, their status, and why any of them fail.

    \b
    kfw status
    kfw status api --json
    kfw status -o wide --context kind-dev
    kfw status --watch
    """
    if form is not None:
        return _in_form(form, names or [], context, watch=watch)
    if not watch:
        return status_fast.status(names or [], as_json=as_json, context=context)
    if as_json:
        raise UsageError("--watch cannot print JSON", "`kfw events --follow --json` sends each change")
    _watch(names or [], context)
    return 0


def _in_form(form: str, names: list[str], context: str | None, *, watch: bool) -> int:
    """As kubectl has them; `json` alone is --json already, see kfw/cli.py."""
    if form not in _FORMS:
        raise UsageError(f"unknown output format '{form}'", f"use one of {', '.join(_FORMS)}")
    if watch:
        raise UsageError("--watch has only one format", "leave -o out")
    if form == "json":
        return status_fast.status(names, as_json=True, context=context)
    reply = status_fast.reply_of(client.status_raw(), names, context)
    if form == "name":
        shown = [view.shown(row) for row in reply["forwards"]]
    elif form == "wide":
        shown = status_fast.lines(reply, wide=True)
    else:
        import yaml

        shown = [yaml.safe_dump(reply, sort_keys=False, allow_unicode=True).rstrip("\n")]
    if shown:
        output.show("\n".join(shown))
    return status_fast.exit_code(reply)


def _watch(names: list[str], context: str | None) -> None:
    """Until Ctrl+C. On a terminal in place; else again whenever another line than the daemon's changed."""
    if can_draw(sys.stdout):
        with Live(sys.stdout, screen=True) as live:
            while True:
                live.draw(_lines(names, context))
                time.sleep(_PAUSE)
    shown: list[str] = []
    while True:
        lines = _lines(names, context)
        if lines[:-1] != shown[:-1]:
            output.show("\n".join(lines))
        shown = lines
        time.sleep(_PAUSE)


def _lines(names: list[str], context: str | None) -> list[str]:
    try:
        return status_fast.lines(status_fast.reply_of(client.status_raw(), names, context))
    except DaemonNotRunning as error:
        return [error.what, ""]
