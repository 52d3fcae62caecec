"""kfw remove: stop forwards and forget their rows."""

from typing import Annotated

import typer

from kfw import client
from kfw.commands import _output as output
from kfw.commands._options import InContext, Json
from kfw.names import few


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    context: InContext = None,
    as_json: Json = False,
) -> int:
    """Stop forwards and forget them.

    Also those in error. Config files stay as they are.

    \b
    kfw remove db
    """
    removed = client.remove(names, context or "").names
    if as_json:
        output.show_json({"removed": removed})
    output.say(f"removed: {few(removed)}")
    return 0
