"""kfw remove: stop forwards and forget their rows."""

from typing import Annotated

import typer

from kfw import client
from kfw.commands import _output as output
from kfw.commands._names import complete
from kfw.commands._options import InContext, Json
from kfw.errors import DaemonNotRunning
from kfw.names import few


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=complete)],
    context: InContext = None,
    save: Annotated[
        bool, typer.Option("--save", help="Take them out of the project's kfw.yaml, too.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Stop forwards and forget them.

    Also those in error. Config files stay as they are, unless --save is given.

    \b
    kfw remove db
    kfw remove db --save
    """
    removed = _from_file(names) if save else client.remove(names, context or "").names
    if as_json:
        output.show_json({"removed": removed})
    if removed:
        output.say(f"removed: {few(removed)}")
    return 0


def _from_file(names: list[str]) -> list[str]:
    """First the file, so that nothing brings them back meanwhile. What is not up is only taken out of it."""
    from kfw.commands._saving import draft_without

    draft = draft_without(names)
    draft.write()
    output.say(f"taken out of {draft.at.file}: {few(names)}")
    try:
        up = [row.name for row in client.status().forwards if row.name in names]
        return client.remove(up).names if up else []
    except DaemonNotRunning:
        return []
