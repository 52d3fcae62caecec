"""Who a process is: a pid alone may be somebody else's by now, so it is told by its start time, arguments and marker."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: The variable that every child of ours carries, and whatever it starts inherits.
MARKER = "KFW_CHILD"

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
_PS = ("ps", "-axwwo", "pid=,pgid=,stat=,lstart=,command=")
#: A `ps` that hangs must not hang us.
_PS_SECONDS = 5.0


@dataclass(frozen=True)
class SeenProcess:
    """A live process. `start` is only good for comparing. `marker` is "" without one, None where we may not look."""

    pid: int
    group: int
    start: str
    command: str  # its arguments joined by blanks: macOS gives no more
    marker: str | None


def look(pid: int) -> SeenProcess | None:
    """None: it is gone, or a zombie that only waits to be reaped."""
    if sys.platform == "linux":
        return _look_proc(pid)
    return next((seen for seen in _ps() if seen.pid == pid), None)


def alive(seen: SeenProcess) -> bool:
    """Still the same process; one that is just ending has lost its arguments and environment, but not its files."""
    now = look(seen.pid)
    return now is not None and now.start == seen.start


def stopped(pid: int) -> bool:
    """It was sent SIGSTOP or the like, or a debugger holds it. Only Linux tells without starting a process."""
    fields = _status_proc(pid) if sys.platform == "linux" else []
    return fields[:1] in (["T"], ["t"])


def children(pid: int) -> frozenset[int]:
    """Pids of the live processes that one with a single thread has started. Reads a small file for each; Linux only."""
    try:
        started = map(int, (_PROC / f"{pid}/task/{pid}/children").read_text().split())
    except OSError:  # it is gone, or the system does not tell
        return frozenset()
    return frozenset(child for child in started if _status_proc(child)[:1] not in ([], ["Z"], ["X"]))


def everybody() -> Iterable[SeenProcess]:
    """All live processes but this one; some 1.5 ms per 100 of them on Linux, a `ps` elsewhere."""
    seen = _all_proc() if sys.platform == "linux" else _ps()
    return (process for process in seen if process.pid != os.getpid())


def group(number: int) -> Iterable[SeenProcess]:
    """The live processes of this group, and the one that has the number as its pid. On Linux the others cost only a
    look at their state."""
    if sys.platform != "linux":
        return (seen for seen in _ps() if number in (seen.group, seen.pid))
    return (seen for pid in _pids() if _belongs(pid, number) and (seen := _look_proc(pid)))


def _belongs(pid: int, number: int) -> bool:
    return pid == number or _status_proc(pid)[2:3] == [str(number)]


def _all_proc() -> Iterator[SeenProcess]:
    return (seen for pid in _pids() if (seen := _look_proc(pid)))


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]


def _look_proc(pid: int) -> SeenProcess | None:
    fields = _status_proc(pid)
    if not fields or fields[0] in "ZX":
        return None
    try:
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:  # gone in between
        return None
    words = command.decode(errors="replace").rstrip("\0").split("\0")
    return SeenProcess(pid, int(fields[2]), f"{_boot_id()}/{fields[19]}", " ".join(words), _marker_proc(pid))


def _status_proc(pid: int) -> list[str]:
    """proc(5) from the third field on: `state ppid pgrp session ...`; starttime is [19]. Empty: it is gone."""
    try:
        status = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return status.rpartition(")")[2].split()  # the name before it may hold blanks and brackets


def _marker_proc(pid: int) -> str | None:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:  # another user's, or raised rights
        return None
    key = f"{MARKER}=".encode()
    values = [item.removeprefix(key) for item in environment.split(b"\0") if item.startswith(key)]
    return values[0].decode(errors="replace") if values else ""


@cache
def _boot_id() -> str:
    """Start times count from the boot, so they only mean something together with it."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _ps() -> list[SeenProcess]:
    """macOS; `lstart` is local time, so the zone is pinned: a laptop travels."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(_PS, env=env, capture_output=True, timeout=_PS_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.decode(errors="replace").splitlines()
    return [seen for line in lines if (seen := parse_ps(line))]


def parse_ps(line: str) -> SeenProcess | None:
    """A line `  41    41 Ss   Fri Nov 21 07:39:50 2025 socat -d TCP-LISTEN:...`."""
    fields = line.strip().split(None, 8)
    if len(fields) < 9 or fields[2].startswith("Z"):
        return None
    return SeenProcess(int(fields[0]), int(fields[1]), " ".join(fields[3:8]), fields[8], None)
