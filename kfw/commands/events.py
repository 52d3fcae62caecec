"""kfw events: what changed, and what changes."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
import typer

from kfw import client
from kfw.client.control_http import ended_meanwhile
from kfw.commands import _output as output
from kfw.commands._names import meant_of
from kfw.commands._options import InContext, Names
from kfw.errors import KfwError
from kfw.names import RowId
from kfw.protocol import Event
from kfw.view import details

#: Seconds until a reader that was dropped comes back.
_PAUSE = 0.2


def events(
    names: Names = None,
    context: InContext = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show each change as it happens.")] = False,
    since: Annotated[
        int | None, typer.Option(min=0, metavar="NUMBER", help="Only what came after this one; 0: all.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One array; with --follow one value per line.")
    ] = False,
) -> int:
    """Show recent changes; --follow shows new ones, too.

    \b
    kfw events
    kfw events api
    kfw events --context kind-dev
    kfw events --follow --json | jq -r .message
    """
    found = _coming(since) if follow else client.events(since=since)
    if names:
        meant = {row.id for row in meant_of(names, client.status().forwards)}
        found = (event for event in found if _row_of(event) in meant)
    if context:
        found = _about(context, found)
    if as_json and not follow:
        output.show_json(msgspec.to_builtins(list(found)))
        return 0
    for event in found:
        _show(event, as_json)
    return 0


def _about(context: str, events: Iterable[Event]) -> Iterator[Event]:
    """Those of forwards in this context, as it was then. What does not say it is where its forward was told to be last."""
    context_of = {row.id: row.context for row in client.status().forwards}
    for event in events:
        if event.forward:
            context_of[event.forward.id] = event.forward.context
        if event.name and context_of.get(_row_of(event)) == context:
            yield event


def _row_of(event: Event) -> RowId:
    return RowId(event.project or "", event.name or "")


def _coming(since: int | None) -> Iterator[Event]:
    """For ever: a reader that was too slow (`| less`) is dropped by the daemon, and comes back for the rest."""
    while True:
        before = since
        try:
            for event in client.follow(since=since):
                since = event.seq
                yield event
        except KfwError as error:
            if since == before or not ended_meanwhile(error):
                raise
            time.sleep(_PAUSE)


def _show(event: Event, as_json: bool) -> None:
    if as_json:
        output.show(msgspec.json.encode(event).decode())
    else:
        output.show(details.event_line(msgspec.to_builtins(event), colour=output.colours(sys.stdout)))
