"""kfw tui: all forwards on a screen of their own, live."""

import os
import sys
from typing import TYPE_CHECKING

from kfw.commands import _output as output
from kfw.errors import ToolMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfw.tui.app import TuiApp


def tui() -> int:
    """Show all forwards live, and act on them with keys.

    ? lists the keys, q quits. Forwards go on without it.

    \b
    kfw tui
    """
    can_draw = os.environ.get("TERM") != "dumb" and output.is_terminal(sys.stdout)
    if not (can_draw and output.is_terminal(sys.stdin)):
        raise UsageError(
            "kfw tui needs a terminal that can be drawn on", "`kfw status --watch` works without one"
        )
    from kfw.commands._first_picture import FirstPicture

    with FirstPicture() as picture:
        app = _app(picture.end)
        return app.run() or 0


def _app(on_load: "Callable[[], object]") -> "TuiApp":
    try:
        from kfw.tui.app import TuiApp
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        from kfw.system.installation import how_to_get

        what = "kfw tui needs the package textual, which is not installed"
        raise ToolMissing(what, how_to_get("tui")) from error
    from kfw.commands._tui_caller import caller, look

    return TuiApp(caller(), look(), on_load)
