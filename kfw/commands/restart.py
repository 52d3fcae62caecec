"""kfw restart: close the way of a forward, and open it again."""

from kfw import client
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ, caller_source
from kfw.commands._options import Json, Names


def restart(names: Names = None, as_json: Json = False) -> int:
    """Reconnect forwards; their local ports stay open.

    Without names: all.

    \b
    kfw restart api
    """
    restarted = client.restart(names or [], caller_source(), caller_environ()).names
    if as_json:
        output.show_json({"restarted": restarted})
    output.say(said("restarted", restarted, names))
    return 0


def said(done: str, names: list[str], asked: list[str] | None) -> str:
    """What was done, and what was left out because it is stopped or disabled."""
    left_out = [name for name in asked or [] if name not in names]
    parts = [f"{done}: {', '.join(names)}"] if names else []
    if left_out:
        parts.append(f"not up: {', '.join(left_out)} (`kfw up {' '.join(left_out)}` starts)")
    return "; ".join(parts) or "nothing is up"
