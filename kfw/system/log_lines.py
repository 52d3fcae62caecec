"""The last lines of a log that is rotated."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from kfw.errors import KfwError

Keep = Callable[[str], object]


def about(*names: str) -> Keep:
    """Lines that have one of these as a word, and not only as a part of a longer name."""
    words = "|".join(map(re.escape, names))
    return re.compile(rf"(?<![\w-])({words})(?![\w-])").search if words else lambda _: False


def last_lines(path: Path, count: int, keep: Keep) -> list[str]:
    """Of the file and of the rotated ones before it, oldest first."""
    found: list[str] = []
    for file in (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, 10))):
        text = opened(file) if len(found) < count else None
        if text is None:
            break
        with text:
            lines = text.read().removesuffix("\n").split("\n")
        found = [line for line in lines if keep(line)] + found
    return found[max(len(found) - count, 0) :]


def opened(path: Path) -> TextIO | None:
    """None: it is not there. Raises KfwError for what is not a file, such as a FIFO, which would be waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise KfwError(
            f"cannot read {path}: it is not a regular file", "remove it, then `kfw stop` and `kfw start`"
        )
    return os.fdopen(handle, encoding="utf-8", errors="replace", newline="\n")
