"""The forwards on the terminal's other screen within 0.1 s, while the terminal app is imported, which takes longer."""

from __future__ import annotations

import sys
import termios
import time

from kfw import client, view
from kfw.commands import _output as output
from kfw.errors import DaemonNotRunning, KfwError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

#: xterm's other screen, with the cursor hidden, and back. https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J", "\x1b[?25h\x1b[?1049l"
#: Seconds for the daemon's answer: a picture that is late is none.
_LIMIT = 1.0


class FirstPicture:
    """Keys that are typed meanwhile are not shown, and go to the app. `end` gives the terminal back."""

    def __init__(self) -> None:
        self._before: list[object] | None = None

    def __enter__(self) -> FirstPicture:
        text = "\r\n".join(_lines())
        self._before = termios.tcgetattr(sys.stdin)
        quiet = termios.tcgetattr(sys.stdin)
        quiet[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
        sys.stdout.write(_ENTER + text)
        sys.stdout.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        if self._before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSANOW, self._before)  # type: ignore[arg-type]
            self._before = None
            sys.__stdout__.write(_LEAVE)  # type: ignore[union-attr]
            sys.__stdout__.flush()  # type: ignore[union-attr]


def _lines() -> list[str]:
    import json
    import shutil

    size = shutil.get_terminal_size()
    try:
        reply = json.loads(client.status_raw(timeout=_LIMIT))
    except DaemonNotRunning as error:
        return [error.what]
    except KfwError:
        return []  # the app says it
    lines = view.status_lines(
        reply, width=size.columns - 1, colour=output.colours(sys.stdout), now=time.time()
    )
    return [f" {line}" for line in lines[: size.lines - 1]]
