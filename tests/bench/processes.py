"""Processes of the bench, and what the system says of them (Linux): processor time and memory."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def started(argv: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that talks to us on stdout only. It and its children are killed at the end."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        argv, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the group is ours alone
        process.communicate()


def processor_seconds(pid: int) -> float:
    """User and system time of all its threads, to the nanosecond: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def processor_share(pid: int, seconds: float) -> float:
    """Of one core, over this time, a second after the last change."""
    time.sleep(1)
    before, began = processor_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (processor_seconds(pid) - before) / (time.monotonic() - began)


def memory(pid: int, what: str = "Rss") -> float:
    """MB; `what` as in smaps_rollup: Rss, Pss."""
    found = re.search(rf"^{what}: +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found, f"no {what} of {pid}"
    return int(found[1]) * 1024 / 1e6


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
