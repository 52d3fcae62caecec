"""kfw retry: try again now what waits or is in error."""

from kfw import client
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ, caller_project
from kfw.commands._options import InContext, Json, Names
from kfw.commands.restart import said


def retry(names: Names = None, context: InContext = None, as_json: Json = False) -> int:
    """Retry waiting or failed forwards now.

    Without names: all of them.

    \b
    kfw retry db
    """
    retried = client.retry(names or [], caller_project(), caller_environ(), context or "").names
    if as_json:
        output.show_json({"retried": retried})
    output.say(said("trying again", retried, names))
    return 0
