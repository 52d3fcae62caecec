"""The clipboard of this machine, or of the machine whose terminal this is."""

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping

from kfw.errors import KfwError

#: Seconds that a clipboard's program may take.
LIMIT = 5.0


def copy(text: str, environ: Mapping[str, str]) -> str:
    """By the first program that there is, else by the terminal; what took it. Raises KfwError."""
    argv = program(
        environ, sys.platform, lambda name: shutil.which(name, path=environ.get("PATH")) is not None
    )
    if argv is None:
        _write_to_terminal(sequence(text))
        return "the terminal"
    try:
        # Its output is nobody's: xclip stays in the background with it open.
        subprocess.run(
            argv,
            input=text.encode(),
            check=True,
            timeout=LIMIT,
            env=dict(environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise KfwError(f"cannot copy: {argv[0]} failed: {error}", "use --print") from error
    return argv[0]


def program(environ: Mapping[str, str], platform: str, is_there: Callable[[str], bool]) -> list[str] | None:
    """The command line that reads the text; None: there is none, as on a machine that is reached by ssh. Pure."""
    ways = [
        (platform == "darwin", ["pbcopy"]),
        ("WAYLAND_DISPLAY" in environ, ["wl-copy"]),
        ("DISPLAY" in environ, ["xclip", "-selection", "clipboard"]),
        ("DISPLAY" in environ, ["xsel", "--clipboard", "--input"]),
        ("WSL_DISTRO_NAME" in environ, ["clip.exe"]),
    ]
    return next((argv for fits, argv in ways if fits and is_there(argv[0])), None)


def sequence(text: str) -> str:
    """OSC 52 of xterm's control sequences, which most terminals know."""
    return f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"


def _write_to_terminal(words: str) -> None:
    try:
        terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise KfwError("cannot copy: found no clipboard and no terminal here", "use --print") from error
    try:
        os.write(terminal, words.encode())
    finally:
        os.close(terminal)
