"""kfw version: of this command, and of the daemon if it runs."""

import platform

from kfw import __version__, client
from kfw.commands import _output as output
from kfw.commands._options import Json
from kfw.errors import KfwError


def version(as_json: Json = False) -> int:
    """Show the version of kfw and of its daemon.

    With --json also how kfw was installed.

    \b
    kfw version --json
    """
    daemon = _daemon_version()
    if as_json:
        output.show_json(_facts() | {"daemon": daemon})
        return 0
    output.show(f"kfw {__version__}")
    if daemon not in (None, __version__):
        output.say(f"the daemon is {daemon}: `kfw stop`, then `kfw start` makes them the same version")
    return 0


def _facts() -> dict[str, object]:
    from kfw.system.installation import installer_of, this_installation

    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "installedBy": installer_of(this_installation()),
    }


def _daemon_version() -> str | None:
    try:
        return client.ping(timeout=1.0).version
    except KfwError:
        return None
