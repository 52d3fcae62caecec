"""The browser and the clipboard of the user. They block; raise KfwError."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from kfw import view
from kfw.errors import KfwError
from kfw.system.clipboard import copy as copy_text
from kfw.tui.copy_command import command_for

Row = Mapping[str, Any]
#: Seconds until a browser must have taken the URL.
_LIMIT = 10.0


def browse(row: Row) -> str:
    """Its page, where it has one. In a process of its own: what a browser says must not get on the screen."""
    url = view.page_url(row) or view.local(row)
    if not url.startswith(("http://", "https://")):
        raise KfwError(
            f"{view.shown(row)} is not known to speak HTTP: it is on {url}", "c copies its address"
        )
    if not has_desktop(os.environ, sys.platform):
        raise KfwError("cannot open a browser: none was found", f"open it yourself: {url}")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "webbrowser", url],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise KfwError(f"cannot open a browser: {error}", f"open it yourself: {url}") from error
    if done.returncode:
        raise KfwError("cannot open a browser: none was found", f"open it yourself: {url}")
    return f"opened {url}"


def has_desktop(environ: Mapping[str, str], platform: str) -> bool:
    """A browser in the terminal would take the app's screen. Pure."""
    return platform == "darwin" or any(
        environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER")
    )


def copy(row: Row, what: str) -> str:
    """`what`: url or command."""
    text = command_for(row) if what == "command" else view.local(row)
    return f"copied by {copy_text(text, os.environ)}: {text}"
