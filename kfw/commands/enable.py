"""kfw enable: a forward or a profile is wanted again."""

from typing import Annotated

import typer

from kfw import client
from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ, names_source
from kfw.commands._names import apart
from kfw.commands._options import Json
from kfw.names import few


def enable(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    as_json: Json = False,
) -> int:
    """Start forwards or profiles, and undo `kfw disable`.

    They come back with the flags that they were started with.

    \b
    kfw enable api
    kfw enable dev 'shop-*'
    """
    ensure_daemon(on_demand=True)
    done = client.enable(names, names_source(), caller_environ())
    if as_json:
        output.show_json({"enabled": done.names, "forwards": apart(done.forwards)})
    output.say(f"enabled: {few(done.names)}")
    return 0
