"""kfw top: the connections, their bytes, their processes, and how they ended."""

import sys
import time
from typing import Annotated, Any

import msgspec
import typer

from kfw import client
from kfw.commands import _output as output
from kfw.commands._live import Live, can_draw
from kfw.commands._names import meant_of
from kfw.commands._options import InContext, Json, Names
from kfw.errors import UsageError
from kfw.names import RowId
from kfw.view.details import top_lines

#: Seconds between two looks.
_PAUSE = 1.0


def top(
    names: Names = None,
    context: InContext = None,
    ended: Annotated[
        int, typer.Option("--ended", min=0, metavar="NUMBER", help="Also show this many that have ended.")
    ] = 0,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it, every second.")] = False,
    as_json: Json = False,
) -> int:
    """Show open connections: process, pod, bytes, times.

    Also shows why lost connections ended.

    The daemon remembers the last 500 that ended; --json shows all of them.

    \b
    kfw top
    kfw top api --ended 10
    kfw top --context kind-dev --watch
    kfw top --json | jq '.connections[] | select(.state == "lost")'
    """
    if watch and as_json:
        raise UsageError("--watch cannot print JSON", "`kfw events --follow --json` sends each loss")
    if as_json:
        output.show_json({"connections": _asked(names or [], context)})
        return 0
    if watch and can_draw(sys.stdout):
        with Live(sys.stdout, screen=True) as live:
            while True:
                live.draw(_lines(names or [], context, ended))
                time.sleep(_PAUSE)
    while True:
        output.show("\n".join(_lines(names or [], context, ended)))
        if not watch:
            return 0
        time.sleep(_PAUSE)


def _lines(names: list[str], context: str | None, ended: int) -> list[str]:
    return top_lines(
        _asked(names, context), ended=ended, width=output.width(), colour=output.colours(sys.stdout)
    )


def _asked(names: list[str], context: str | None) -> list[dict[str, Any]]:
    """Raises UsageError for a name or context that is not there."""
    rows: list[dict[str, Any]] = msgspec.to_builtins(client.connections().connections)
    if not (names or context):
        return rows
    here = {row.id for row in meant_of(names, client.status().forwards, context)}
    return [row for row in rows if RowId(row.get("project", ""), row["forward"]) in here]
