"""kfw on a terminal: what it writes there, with every escape sequence."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte


def on_a_terminal(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = Path("/"),
    interrupt_at: str = "",
    keys: bytes = b"\x03",
    size: tuple[int, int] = (80, 24),
) -> tuple[int, str]:
    """Exit code and output of `kfw ARGV`; Ctrl+C, or other `keys`, as soon as `interrupt_at` is in it. `size`: columns and
    lines."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *reversed(size), 0, 0))
        os.execve(sys.executable, [sys.executable, "-m", "kfw", *argv], _environment(env or {}))
    output = _read_to_the_end(terminal, interrupt_at.encode(), keys)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), output


def screen(output: str, size: tuple[int, int] = (80, 24)) -> list[str]:
    """What a terminal shows after that, without the empty lines at its end."""
    shown = pyte.Screen(*size)
    pyte.Stream(shown).feed(output.replace("\n", "\r\n"))
    return "\n".join(line.rstrip() for line in shown.display).rstrip().splitlines()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    return env | {"TERM": "xterm"} | dict(more)


def _read_to_the_end(terminal: int, interrupt_at: bytes, keys: bytes) -> str:
    output = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if interrupt_at and interrupt_at in output:
            os.write(terminal, keys)
            interrupt_at = b""
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # EIO: nobody has the other end any more
                break
            output += data
    return output.decode().replace("\r\n", "\n")
