"""kfw reload: read the configuration of what is up again, and change only what differs."""

from kfw import client
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ, caller_source
from kfw.commands._names import apart
from kfw.commands._options import InContext, Json
from kfw.names import few
from kfw.protocol import UpReply


def reload(context: InContext = None, as_json: Json = False) -> int:
    """Read the config files again and apply what changed.

    Only forwards that differ are touched. A broken file changes nothing.

    \b
    kfw reload
    kfw reload --context kind-dev
    """
    reply = client.reload(caller_source(), caller_environ(), context or "")
    if as_json:
        output.show_json({**as_dict(reply), "forwards": apart(reply.forwards)})
    output.say("\n".join(changes(reply)) or "nothing is up")
    return 0


def as_dict(reply: UpReply) -> dict[str, list[str]]:
    return {
        "started": reply.started,
        "restarted": reply.restarted,
        "stopped": reply.stopped,
        "unchanged": reply.unchanged,
    }


def changes(reply: UpReply) -> list[str]:
    """`started: api, db`, one line for each kind that there is."""
    return [f"{kind}: {few(names)}" for kind, names in as_dict(reply).items() if names]
