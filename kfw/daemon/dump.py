"""What the daemon is doing, in a text file: on SIGUSR1, for who looks for a mistake. No values, only names and places."""

import asyncio
import gc
import logging
import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from kfw import __version__
from kfw.errors import KfwError
from kfw.methods.base import Inspectable
from kfw.names import RowId
from kfw.printable import printable
from kfw.secret import redact
from kfw.supervisor.report import line
from kfw.supervisor.supervisor import Supervisor
from kfw.system.clock import Clock, rfc3339
from kfw.system.files import write_atomic
from kfw.system.loop import rss_bytes

log = logging.getLogger("kfw.daemon")

#: Characters of one file, forwards and tasks in it, and files that are kept.
LONGEST, MOST, KEPT = 1_000_000, 2000, 5
#: Kinds of objects that are listed, and calls of one task.
_KINDS, _CALLS = 20, 12


def write_dump(folder: Path, supervisor: Supervisor, uptime: float, clock: Clock) -> Path | None:
    """The file; None when the disk does not take it, which the log says."""
    now = rfc3339(clock.now())
    path = folder / f"kfw-dump-{now.replace(':', '').replace('.', '')}.txt"
    try:
        write_atomic(path, text_of(supervisor, uptime, now).encode("utf-8", "replace"))
    except KfwError as error:
        log.error("no dump: %s", error.what)
        return None
    for old in sorted(folder.glob("kfw-dump-*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
    log.info("what the daemon is doing is in %s", path.name)
    return path


def text_of(supervisor: Supervisor, uptime: float, now: str) -> str:
    lines = [*_head(uptime, now), *_forwards(supervisor), *_tasks(), *_memory()]
    return redact("\n".join(map(printable, lines))[:LONGEST]) + "\n"


def _head(uptime: float, now: str) -> Iterator[str]:
    yield f"kfw {__version__}, pid {os.getpid()}, {now}, up {uptime:.0f} s"
    yield f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def _forwards(supervisor: Supervisor) -> Iterator[str]:
    statuses = supervisor.statuses()
    yield from ("", f"forwards: {len(statuses)}")
    for status in islice(statuses, MOST):
        counts = (
            f"{status.connections} open, {status.total_connections} in all, {status.lost_connections} lost"
        )
        yield f"  {line(status)}; {counts}, {status.restarts} restarts, since {status.since}"
        if how := _how(supervisor, status.id):
            yield f"    {how}"


def _how(supervisor: Supervisor, row: RowId) -> str:
    """By which links, where the way can tell."""
    try:
        active = supervisor.runner(row).path.active
    except KfwError:
        return ""
    return active.tunnel.how if active and isinstance(active.tunnel, Inspectable) else ""


def _tasks() -> Iterator[str]:
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    yield from ("", f"tasks: {len(tasks)}")
    for task in tasks[:MOST]:
        yield f"  {task.get_name()}: {' < '.join(_places(task)) or 'done'}"


def _places(task: asyncio.Task[Any]) -> Iterable[str]:
    """Where it waits, the innermost first, by what its coroutines await."""
    found: list[str] = []
    awaited: Any = task.get_coro()
    while awaited is not None and len(found) < _CALLS:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            found.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}")
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return reversed(found)


def _memory() -> Iterator[str]:
    rss = rss_bytes()
    yield from (
        "",
        f"memory: {f'{rss / 1e6:.1f} MB resident' if rss else 'not known here'}, gc {gc.get_count()}",
    )
    kinds = Counter(type(thing).__qualname__ for thing in gc.get_objects())
    for kind, count in kinds.most_common(_KINDS):
        yield f"  {count} {kind}"
