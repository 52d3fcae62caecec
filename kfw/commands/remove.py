"""kfw remove: stop forwards and forget their rows."""

from typing import Annotated

import typer

from kfw import client
from kfw.commands import _output as output
from kfw.commands._caller import caller_source
from kfw.commands._names import apart, complete
from kfw.commands._options import InContext, Json
from kfw.names import few


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=complete)],
    context: InContext = None,
    as_json: Json = False,
) -> int:
    """Stop forwards and forget them.

    Also those in error. Config files stay as they are.

    \b
    kfw remove db
    """
    reply = client.remove(names, caller_source(), context or "")
    if as_json:
        output.show_json({"removed": reply.names, "forwards": apart(reply.forwards)})
    output.say(f"removed: {few(reply.names)}")
    return 0
