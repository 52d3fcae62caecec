"""Time for bounds that must also hold on a machine that is busy with other things."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which nothing comes any more, on the busiest machine.
_HANGS = 60.0


class Stopwatch:
    """Starts at once. What one of these processes (by itself: this one) could have run and was not let is not counted."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids or (os.getpid(),)
        self._began = self._now()

    def seconds(self) -> float:
        """Too little where two of them wait at the same time, by as much as that: never too much."""
        return self._now() - self._began

    def _now(self) -> float:
        return time.monotonic() - sum(map(kept_waiting, self._pids))


def in_time(took: float, seconds: float) -> bool:
    """Of processes that have ended: a busy machine may take as many times longer as it is slower now."""
    return took < seconds or took < seconds * slowdown()


def slowdown() -> float:
    """How many times longer than alone a process takes now."""
    spin = "a, b = clock(), cpu()\nwhile cpu() < b + 0.15: pass\nprint((clock() - a) / (cpu() - b))"
    told = f"from time import perf_counter as clock, process_time as cpu\n{spin}"
    return max(1.0, float(subprocess.check_output([sys.executable, "-S", "-c", told])))


async def soon(what: Awaitable[T], seconds: float) -> T:
    """As asyncio.wait_for, by the time of a Stopwatch. Raises TimeoutError."""
    watch = Stopwatch()
    done = await asyncio.wait_for(what, _HANGS)
    if watch.seconds() > seconds:
        raise TimeoutError(f"it took {watch.seconds():.2f} s")
    return done


def kept_waiting(pid: int) -> float:
    """Seconds in which its main thread could have run and was not let; 0 where the system does not tell.

    Source: /proc/PID/schedstat, Documentation/scheduler/sched-stats.rst of Linux.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0
