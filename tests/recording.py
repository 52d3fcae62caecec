"""usage: python -m tests.recording

Records `kfw demo` in a real terminal and draws docs/demo.svg from it: what was on the screen, as long as it was there.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "demo.svg"
COLUMNS, LINES = 84, 20
COMMAND = "kfw demo"
#: Seconds: after the prompt, for each key, between two frames, and for which the last one stays.
LOOK, KEY, PACE, STAY = 0.8, 0.08, 0.1, 6.0
#: Seconds that the command may take.
LIMIT = 120.0

#: Pixels of a character, as ui-monospace of 14 px has them, and around all.
_WIDE, _HIGH, _EDGE = 8.43, 19, 16
_COLOURS = {"green": "#3fb950", "red": "#f85149", "brown": "#d29922", "yellow": "#d29922", "blue": "#58a6ff"}
_TEXT, _BACKGROUND = "#e6edf3", "#0d1117"


@dataclass(frozen=True)
class Part:
    """Characters of one look."""

    text: str
    colour: str = _TEXT
    bold: bool = False


Line = tuple[Part, ...]


@dataclass(frozen=True)
class Frame:
    """`at`: seconds from the beginning."""

    at: float
    lines: tuple[Line, ...]


def main() -> int:
    frames = [*typed(COMMAND), *played(COMMAND.split()[1:])]
    PICTURE.write_text(svg(frames))
    print(f"{PICTURE.relative_to(ROOT)}: {len(frames)} frames, {PICTURE.stat().st_size / 1000:.0f} kB")
    return 0


def typed(command: str) -> list[Frame]:
    """A person at a prompt."""
    prompt = Part("$ ", _COLOURS["green"])
    return [
        Frame(LOOK * bool(count) + KEY * count, ((prompt, Part(command[:count])),))
        for count in range(len(command) + 1)
    ]


def played(arguments: Sequence[str]) -> list[Frame]:
    """kfw with these arguments in a terminal, from the moment after it was typed."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    stream.feed(f"\x1b[32m$ \x1b[0m{COMMAND}\r\n".encode())
    began = LOOK + KEY * (len(COMMAND) + 4)
    frames: list[Frame] = []
    for at, data in _output_of(arguments):
        stream.feed(data)
        lines = lines_of(screen)
        if frames and (at + began - frames[-1].at < PACE):
            frames[-1] = Frame(frames[-1].at, lines)
        elif not frames or frames[-1].lines != lines:
            frames.append(Frame(at + began, lines))
    return frames


def _output_of(arguments: Sequence[str]) -> list[tuple[float, bytes]]:
    """When which bytes came. Raises AssertionError when the command fails."""
    with tempfile.TemporaryDirectory(prefix="kfw-") as home:
        pid, terminal = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
            env = os.environ | {"TERM": "xterm-256color", "KFW_HOME": home}
            os.execve(sys.executable, [sys.executable, "-m", "kfw", *arguments], env)
        came, began = [], time.monotonic()
        while time.monotonic() - began < LIMIT:
            if not select.select([terminal], [], [], 1.0)[0]:
                continue
            try:
                came.append((time.monotonic() - began, os.read(terminal, 65536)))
            except OSError:  # EIO: it has ended, pty(7)
                break
        os.close(terminal)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.spawnve(
            os.P_WAIT, sys.executable, [sys.executable, "-m", "kfw", "stop"], os.environ | {"KFW_HOME": home}
        )
        assert code == 0, b"".join(data for _, data in came).decode(errors="replace")
    return came


def lines_of(screen: pyte.Screen) -> tuple[Line, ...]:
    found = []
    for number in range(screen.lines):
        row = screen.buffer[number]
        looks = [(row[column].data, row[column].fg, row[column].bold) for column in range(screen.columns)]
        parts = [
            Part("".join(text for text, _, _ in run), _COLOURS.get(fg, _TEXT), bold)
            for (fg, bold), run in groupby(looks, key=lambda look: look[1:])
        ]
        while parts and not parts[-1].text.strip():
            parts.pop()
        found.append(tuple(parts))
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def svg(frames: Sequence[Frame]) -> str:
    """Each line of text once, shown as long as it stands where it stands; it begins again after a while. Without scripts."""
    total = frames[-1].at + STAY
    width, height = COLUMNS * _WIDE + 2 * _EDGE, LINES * _HIGH + 2 * _EDGE
    drawn = [
        _text(line, number, _keyframe(begin, end, total), is_last=end == total)
        for number, line, begin, end in _stays(frames, total)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">',
            f"<title>{escape(COMMAND)}: pods are ended, and no connection fails</title>",
            "<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre}</style>",
            f'<rect width="100%" height="100%" rx="8" fill="{_BACKGROUND}"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _stays(frames: Sequence[Frame], total: float) -> list[tuple[int, Line, float, float]]:
    """Line by line of the screen: what stood there, from when to when."""
    found = []
    ends = [*(frame.at for frame in frames[1:]), total]
    for number in range(LINES):
        shown = [
            (frame.lines[number] if number < len(frame.lines) else (), frame.at, end)
            for frame, end in zip(frames, ends, strict=True)
        ]
        for line, run in groupby(shown, key=lambda one: one[0]):
            times = list(run)
            if line:
                found.append((number, line, times[0][1], times[-1][2]))
    return found


def _keyframe(begin: float, end: float, total: float) -> str:
    """SMIL's discrete animation of visibility; nothing for what is always there."""
    if begin == 0 and end == total:
        return ""
    values, times = ["hidden", "visible", "hidden"], [0.0, begin / total, end / total]
    if begin == 0:
        values, times = values[1:], [0.0, end / total]
    if end == total:
        values, times = values[:-1], times[:-1]
    return (
        f'<animate attributeName="visibility" dur="{total:.2f}s" repeatCount="indefinite" calcMode="discrete" '
        f'values="{";".join(values)}" keyTimes="{";".join(f"{time:.4f}" for time in times)}"/>'
    )


def _text(line: Line, number: int, animation: str, *, is_last: bool) -> str:
    """Where nothing moves, the last picture stands."""
    top = _EDGE + number * _HIGH + 14
    spans = "".join(
        f'<tspan fill="{part.colour}"{" font-weight=" + chr(34) + "bold" + chr(34) if part.bold else ""}>'
        f"{escape(part.text)}</tspan>"
        for part in line
    )
    hidden = "" if is_last else ' visibility="hidden"'
    return f'<text x="{_EDGE}" y="{top}"{hidden}>{animation}{spans}</text>'


if __name__ == "__main__":
    sys.exit(main())
