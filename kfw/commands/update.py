"""kfw update: is there a newer version, and how is it installed here?"""

import os
import sys
import threading
import time
from contextlib import suppress
from typing import Annotated

import typer

from kfw import __version__
from kfw.commands import _output as output
from kfw.commands._options import Json
from kfw.errors import KfwError
from kfw.system.update_notice import is_due, is_switched_off, notice_file


def update(
    check: Annotated[bool, typer.Option("--check", help="Exit code 1 if there is a newer version.")] = False,
    index: Annotated[str, typer.Option(metavar="URL", help="Use this index, not that of pip or uv.")] = "",
    as_json: Json = False,
) -> int:
    """Look for a newer version, and show how to install it.

    It installs nothing. It asks the index that pip or uv would ask, by their variables and files, or pip's own.

    \b
    kfw update
    kfw update --check --json
    """
    from kfw.system.installation import installer_of, this_installation
    from kfw.system.newer_version import check as ask
    from kfw.system.newer_version import index_of, upgrade_line

    traces = this_installation()
    line = upgrade_line(traces, sys.executable)
    asked = index_of(os.environ, index)
    latest = ask(asked, line)
    if as_json:
        said = {"current": __version__, "latest": latest or None, "newer": bool(latest), "index": asked.url}
        output.show_json(said | {"installedBy": installer_of(traces), "command": line})
    elif latest:
        output.show(f"kfw {latest} is available, this is {__version__}\n{line}")
    else:
        output.show(f"kfw {__version__} is the newest")
    return 1 if check and latest else 0


def begin_check(*, wanted: bool) -> None:
    """Ask, at most once a day and only for a person at a terminal, while the caller goes on; `kfw status` shows the answer.

    `wanted`: what the config says of it. Whatever goes wrong, nobody has asked for it, so nobody hears of it.
    """
    if not wanted or is_switched_off(os.environ):
        with suppress(OSError, KfwError):
            os.unlink(notice_file())  # noqa: PTH108 - its name is text
        return
    is_watched = output.is_terminal(sys.stderr) and output.is_terminal(sys.stdin)
    if is_watched and is_due(time.time()):
        threading.Thread(target=_check_quietly, name="update-check", daemon=True).start()


def _check_quietly() -> None:
    """It counts as asked from its beginning on: a command that ends before the answer does not ask each time."""
    from kfw.system import newer_version as newer
    from kfw.system.installation import Installer, installer_of, this_installation

    with suppress(KfwError, OSError):
        traces = this_installation()
        newer.remember(time.time(), "", "")
        if installer_of(traces) not in (Installer.SOURCE, Installer.EDITABLE):
            newer.check(newer.index_of(os.environ), newer.upgrade_line(traces, sys.executable))
