"""kfw explain: which way a forward takes, and why not another."""

import sys

import msgspec

from kfw import client
from kfw.commands import _output as output
from kfw.commands._caller import caller_source
from kfw.commands._options import Json, OneName
from kfw.view import details


def explain(name: OneName, as_json: Json = False) -> int:
    """Show how a forward connects, and what limits that has.

    The method in use is marked with >; the others say why they are not used.

    \b
    kfw explain api
    """
    explanation = msgspec.to_builtins(client.explain(name, caller_source()))
    if as_json:
        output.show_json(explanation)
    else:
        lines = details.explain_lines(explanation, width=output.width(), colour=output.colours(sys.stdout))
        output.show("\n".join(lines))
    return 0
