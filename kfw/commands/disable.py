"""kfw disable: a forward or a profile is not wanted, also by a bare `up`."""

from typing import Annotated

import typer

from kfw import client
from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._caller import names_source
from kfw.commands._names import apart
from kfw.commands._options import Json
from kfw.names import few


def disable(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    as_json: Json = False,
) -> int:
    """Stop forwards or profiles until they are enabled.

    A bare `kfw up` does not start them either; `kfw enable NAME` and `kfw up NAME` do.

    \b
    kfw disable api
    kfw disable dev 'shop-*'
    """
    ensure_daemon(on_demand=True)
    done = client.disable(names, names_source())
    if as_json:
        output.show_json({"disabled": done.names, "forwards": apart(done.forwards)})
    output.say(f"disabled: {few(done.names)}")
    return 0
