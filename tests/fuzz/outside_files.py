"""Files that others name, and what is in their place: pipes, folders, devices, too much, nothing; and how they turn good."""

import os
from pathlib import Path
from random import Random


def spoil(random: Random, path: Path) -> None:
    """What is at a name, but cannot be read as a file; or nothing is."""
    match random.randrange(8):
        case 0:
            os.mkfifo(path)
        case 1:
            path.mkdir()
        case 2:
            path.symlink_to(path)
        case 3:
            path.symlink_to("/dev/zero")
        case 4:
            path.symlink_to("/proc/self/mem")
        case 5:
            with path.open("wb") as file:
                file.truncate(1 << 33)
        case 6:
            path.symlink_to("/dev/tty")
        case _:
            pass


def put(path: Path, content: bytes) -> None:
    """As renewers of tokens do it: written beside it, then moved; whatever is there now."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    new.replace(path)
