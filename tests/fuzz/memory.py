"""What processes hold: memory, descriptors, children (Linux's /proc; elsewhere 0 and nothing)."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path


def rss(pid: int | None = None) -> int:
    """Bytes. Of this process (None) after everything that nobody holds has been given back."""
    if pid is None:
        gc.collect()
        _trim()
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def reset_peak() -> int:
    """From now on `peak` is about what comes; the bytes of now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Most bytes held since `reset_peak`."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def descriptors() -> dict[int, str]:
    """Of this process: number, and what it is of."""
    found = {}
    for path in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the folder's own is gone by now
            found[int(path.name)] = str(path.readlink())
    return found


def processes_with(variable: str) -> Iterator[int]:
    """Pids of what has `NAME=VALUE` in its environment and still runs."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


@cache
def _libc() -> ctypes.CDLL | None:
    with suppress(OSError):
        return ctypes.CDLL("libc.so.6")
    return None


def _trim() -> None:
    libc = _libc()
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
