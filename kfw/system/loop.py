"""The event loop of a process that carries forwards: uvloop's where the extra `fast` is installed, else asyncio's own.

With what makes fast streams cheap in it: fewer, larger reads, and memory that is used again; and how much memory it holds.
"""

import asyncio
import asyncio.selector_events
import ctypes
import os
import resource
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from kfw.system.open_files import raise_open_files

T = TypeVar("T")

#: Bytes of one read, twice what asyncio takes: each read and write is a system call that costs as much as the copying.
#: An upload of 1 GB takes 1.4 s of processor time with it, 1.6 without.
_READ = 512 * 1024
#: mallopt(3)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
#: Bytes: blocks up to here come from the heap, of whose free end so much is kept.
_LARGE, _KEPT = 4 << 20, 8 << 20


def run(main: Coroutine[Any, Any, T]) -> T:
    """To its end, with as many open files as the system allows."""
    raise_open_files()
    expect_fast_streams()
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(main)


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """KFW_LOOP=asyncio leaves uvloop alone."""
    if os.environ.get("KFW_LOOP") == "asyncio" or find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory


def expect_fast_streams() -> None:
    """For the whole process, once."""
    _read_more_at_once()
    _keep_freed()


def _read_more_at_once() -> None:
    if transport := getattr(asyncio.selector_events, "_SelectorTransport", None):
        transport.max_size = _READ


def _keep_freed() -> None:
    """Each read takes some large blocks. glibc gives them back to the kernel each time, and the page faults are half of a
    stream's processor time: 4 s/GB down with them, 2.1 without. Other libraries keep their ways."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_ARENA_MAX, 1)  # the few threads look at files: an arena of their own costs 0.6 MB


def rss_bytes() -> int | None:
    """Resident set size in bytes, None where it cannot be read. Linux: field 2 of /proc/self/statm; elsewhere the peak,
    all there is."""
    if sys.platform == "linux":
        try:
            return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:  # no more files can be opened
            return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
