"""kfw restart: close the way of a forward, and open it again."""

from typing import Annotated

import typer

from kfw import client
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ, caller_source
from kfw.commands._handover import DRAIN, hand_over
from kfw.commands._names import apart
from kfw.commands._options import InContext, Json, Names, duration
from kfw.errors import UsageError
from kfw.names import few


def restart(
    names: Names = None,
    context: InContext = None,
    daemon: Annotated[bool, typer.Option("--daemon", help="Replace the daemon; no port is closed.")] = False,
    drain: Annotated[
        float,
        typer.Option(
            "--drain",
            parser=duration,
            metavar="TIME",
            show_default="10m",
            help="With --daemon: how long live connections may take to end.",
        ),
    ] = DRAIN,
    as_json: Json = False,
) -> int:
    """Reconnect forwards; their local ports stay open.

    Without names: all. With --daemon a new daemon, from the kfw that you run, takes over from the old one.

    \b
    kfw restart api
    kfw restart --daemon --drain 1h
    """
    if daemon:
        return _restart_daemon(names, context, drain, as_json)
    reply = client.restart(names or [], caller_source(), caller_environ(), context or "")
    if as_json:
        output.show_json({"restarted": reply.names, "forwards": apart(reply.forwards)})
    output.say(said("restarted", reply.names, names))
    return 0


def _restart_daemon(names: list[str] | None, context: str | None, drain: float, as_json: bool) -> int:
    import msgspec

    if names or context:
        raise UsageError("--daemon is for all forwards", "leave the names and --context out")
    reply = hand_over(float(drain))
    if as_json:
        output.show_json(msgspec.to_builtins(reply))
    return 0


def said(done: str, names: list[str], asked: list[str] | None) -> str:
    """What was done, and what was left out because it is stopped or disabled."""
    bare = {name.rpartition("/")[2] for name in names}
    left_out = [word for word in asked or [] if word.rpartition("/")[2] not in bare]
    if left_out:
        left_out = [name for name in left_out if not _is_of_many(name)]
    parts = [f"{done}: {few(names)}"] if names else []
    if left_out:
        parts.append(f"not up: {few(left_out)} (`kfw up {' '.join(left_out)}` starts)")
    return "; ".join(parts) or "nothing is up"


def _is_of_many(word: str) -> bool:
    """A profile or a pattern stands for others; which of these are not up is in `kfw status`."""
    return bool(set("*?[") & set(word)) or word.rpartition("/")[2] in {
        row.profile for row in client.status().forwards
    }
