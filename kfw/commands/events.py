"""kfw events: what changed, and what changes."""

import sys
import time
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from kfw import client
from kfw.client.control_http import ended_meanwhile
from kfw.commands import _output as output
from kfw.errors import KfwError
from kfw.protocol import Event
from kfw.view import details

#: Seconds until a reader that was dropped comes back.
_PAUSE = 0.2


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Each change as it comes.")] = False,
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
    kfw events --follow --json | jq -r .message
    """
    if as_json and not follow:
        output.show_json(msgspec.to_builtins(client.events(since=since)))
        return 0
    for event in _coming(since) if follow else client.events(since=since):
        _show(event, as_json)
    return 0


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
