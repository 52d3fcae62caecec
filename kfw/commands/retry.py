"""kfw retry: try again now what waits or is in error."""

from kfw import client
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ, caller_project, caller_source
from kfw.commands._names import apart
from kfw.commands._options import InContext, Json, Names
from kfw.commands.restart import said


def retry(names: Names = None, context: InContext = None, as_json: Json = False) -> int:
    """Retry waiting or failed forwards now.

    Without names: all of them.

    \b
    kfw retry db
    """
    project = caller_source() if names else caller_project()
    reply = client.retry(names or [], project, caller_environ(), context or "")
    if as_json:
        output.show_json({"retried": reply.names, "forwards": apart(reply.forwards)})
    output.say(said("trying again", reply.names, names))
    return 0
