"""kfw remove: stop forwards and forget their rows."""

from typing import Annotated

import typer

from kfw import client
from kfw.commands import _output as output
from kfw.commands._caller import caller_source
from kfw.commands._names import apart
from kfw.commands._options import InContext, Json
from kfw.commands._waiting import rows_of_project
from kfw.errors import DaemonNotRunning
from kfw.names import few
from kfw.protocol import NamesReply


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    context: InContext = None,
    save: Annotated[
        bool, typer.Option("--save", help="Also remove them from the project's kfw.yaml.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Stop forwards and forget them.

    Also failed ones. Config files stay as they are, unless --save is given.

    \b
    kfw remove db
    kfw remove db --save
    """
    reply = _from_file(names) if save else client.remove(names, caller_source(), context or "")
    if as_json:
        output.show_json({"removed": reply.names, "forwards": apart(reply.forwards)})
    if reply.names:
        output.say(f"removed: {few(reply.names)}")
    return 0


def _from_file(names: list[str]) -> NamesReply:
    """First the file, so that nothing brings them back meanwhile. What is not up is only taken out of it."""
    from kfw.commands._saving import draft_without

    draft = draft_without(names)
    draft.write()
    output.say(f"removed from {draft.at.file}: {few(names)}")
    try:
        mine = rows_of_project(caller_source(), client.status().forwards)
        up = [name for name in names if name in mine]
        return client.remove(up, caller_source()) if up else NamesReply([])
    except DaemonNotRunning:
        return NamesReply([])
