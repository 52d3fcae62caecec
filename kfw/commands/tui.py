"""kfw tui: all forwards on a screen of their own, live."""

import sys

from kfw.commands import _output as output
from kfw.errors import ToolMissing, UsageError


def tui() -> int:
    """Show all forwards live, and act on them with keys.

    q quits. What runs goes on without it.

    \b
    kfw tui
    """
    if not (output.is_terminal(sys.stdin) and output.is_terminal(sys.stdout)):
        raise UsageError("kfw tui needs a terminal", "`kfw status --watch` goes on without one")
    try:
        from kfw.tui.app import TuiApp
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise ToolMissing(
            "kfw tui needs the package textual, which is not installed",
            f"{sys.executable} -m pip install 'kfw[tui]'",
        ) from error
    return TuiApp().run() or 0
