"""kfw in a shell in a window of tmux, a real terminal: its screen, its keys, its size."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

KFW = f"{shlex.quote(sys.executable)} -m kfw"
#: Seconds until what must come has come, on a machine that does much else.
LIMIT = 40.0
_PROMPT = "ready> "
_NUMBERS = count()


class Terminal:
    """A window of tmux with a server of its own."""

    def __init__(self, folder: Path, size: tuple[int, int], env: Mapping[str, str]) -> None:
        self.size = size
        socket = folder / f"tmux-{next(_NUMBERS)}.sock"  # a server that was told to end may still listen
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        without = ("NO_COLOR", "COLUMNS", "LINES", "TMUX")
        whole = {name: value for name, value in os.environ.items() if name not in without}
        whole |= {"ENV": "", "LC_ALL": "C.UTF-8", **env}
        self._env = whole
        self._run("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "sh")
        self.type(f"PS1='{_PROMPT}'; clear")
        self.until(lambda screen: screen.strip() == _PROMPT.strip(), "no prompt")

    def keys(self, *keys: str) -> None:
        """As tmux calls them: Enter, C-c, Down, F2."""
        self._run("send-keys", *keys)

    def type(self, line: str) -> None:
        self._run("send-keys", "-l", line)
        self.keys("Enter")

    def resize(self, columns: int, lines: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(lines))

    def screen(self, *, escapes: bool = False, padded: bool = False) -> str:
        """`padded`: with what is empty at the end of lines."""
        return self._run("capture-pane", "-p", *(["-e"] if escapes else []), *(["-N"] if padded else []))

    def whole(self, *, joined: bool = False, escapes: bool = False) -> str:
        """With what has scrolled away. `joined`: lines that were too long for the window are one."""
        return self._run(
            "capture-pane", "-p", "-S", "-", *(["-J"] if joined else []), *(["-e"] if escapes else [])
        )

    def asks(self, modes: str) -> str:
        """Of the terminal, by tmux(1), FORMATS: `mouse_sgr_flag,alternate_on` -> `1,0`."""
        asked = ",".join(f"#{{{mode}}}" for mode in modes.split(","))
        return self._run("display-message", "-p", asked).strip()

    def clear(self) -> None:
        """Also what has scrolled away."""
        self.type("clear")
        self.until(lambda screen: screen.strip() == _PROMPT.strip(), "no prompt")
        self._run("clear-history")

    def wait_for(self, *texts: str) -> str:
        return self.until(lambda screen: all(text in screen for text in texts), f"no {texts}")

    def wait_without(self, text: str) -> str:
        return self.until(lambda screen: text not in screen, f"still {text!r}")

    def until(self, condition: Callable[[str], bool], what: str) -> str:
        end = time.monotonic() + LIMIT
        while not condition(screen := self.screen()):
            assert time.monotonic() < end, f"{what}:\n{screen}"
            time.sleep(0.05)
        return screen

    def close(self) -> None:
        """As a terminal that is closed: what runs in it gets a hangup."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, env=self._env, check=True
        )
        return done.stdout


@contextmanager
def terminal(folder: Path, *, size: tuple[int, int] = (80, 24), **env: str) -> Iterator[Terminal]:
    """`folder`: for its socket; short. `size`: columns and lines."""
    made = Terminal(folder, size, env)
    try:
        yield made
    finally:
        made.close()
