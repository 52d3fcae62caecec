"""Notices on the desktop: one when forwards of a cluster are lost, one when all of them are back.

`Outages` decides, purely; `Notifier` runs notify-send or osascript, one at a time, and never makes anybody wait.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape

from kfw.aio import Complaints
from kfw.errors import KfwError, words_of
from kfw.model import SERVING, Status
from kfw.names import RowId, few
from kfw.protocol import ForwardStatus
from kfw.system.clock import Clock
from kfw.system.tools import which

log = logging.getLogger("kfw.notify")

#: Seconds from the first loss to the notice: what heals by itself until then is not worth one, and others may follow.
SETTLE = 5.0
#: Seconds between two losses of one cluster that are told.
INTERVAL = 60.0
#: Characters of the words of one notice.
LONGEST = 200
#: Seconds that the program may take.
LIMIT = 5.0
#: Notices that wait for the program; more are dropped.
WAITING = 16

_LOST = frozenset({Status.RECONNECTING, Status.SUSPENDED, Status.ERROR})


@dataclass(frozen=True)
class Notice:
    title: str
    body: str


@dataclass
class _Outage:
    """Of one cluster. `lost`: what each is called, and why."""

    lost: dict[RowId, tuple[str, str]] = field(default_factory=dict)
    since: float = 0.0
    told: bool = False
    told_at: float = float("-inf")


class Outages:
    """`now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._by_context: dict[str, _Outage] = {}
        self._served: set[RowId] = set()

    def hear(self, kind: str, status: ForwardStatus, now: float) -> Notice | None:
        """Of an Event. A notice that all are back, when it is due; those of losses come from `due`."""
        outage = self._by_context.setdefault(status.context, _Outage())
        if kind != "removed" and status.status in SERVING:
            self._served.add(status.id)
            return self._off(status, outage, back=True)
        if kind != "removed" and status.status in _LOST:
            if status.id in self._served:
                if not outage.lost:
                    outage.since = now
                outage.lost[status.id] = (status.shown, status.message)
            return None
        if kind == "removed" or status.status in (Status.STOPPED, Status.DISABLED):
            self._served.discard(status.id)
            return self._off(status, outage, back=False)
        return None

    def next_due(self) -> float | None:
        """When `due` has the next one; None: nothing is lost."""
        return min(
            (_due_at(one) for one in self._by_context.values() if one.lost and not one.told), default=None
        )

    def due(self, now: float) -> list[Notice]:
        found = []
        for context, one in self._by_context.items():
            if one.lost and not one.told and _due_at(one) <= now:
                one.told, one.told_at = True, now
                found.append(_lost(context, one.lost.values()))
        return found

    def _off(self, status: ForwardStatus, outage: _Outage, *, back: bool) -> Notice | None:
        was = outage.lost.pop(status.id, None)
        if outage.lost or was is None:
            return None
        told, outage.told = outage.told, False
        return (
            Notice(f"kfw: {status.context} is back", f"{status.shown} is active again")
            if told and back
            else None
        )


def _due_at(outage: _Outage) -> float:
    return max(outage.since + SETTLE, outage.told_at + INTERVAL)


def _lost(context: str, lost: Iterable[tuple[str, str]]) -> Notice:
    lost = list(lost)
    are = "is" if len(lost) == 1 else "are"
    why = next((why for _, why in lost if why), "")
    body = f"{few(name for name, _ in lost)}{f': {why}' if why else ''}"
    return Notice(f"kfw: {len(lost)} of {context} {are} down", body[:LONGEST])


def command_line(
    notice: Notice, environ: Mapping[str, str], platform: str = sys.platform
) -> list[str] | None:
    """None: there is no display, or no program for it."""
    path = environ.get("PATH", os.defpath)
    if platform == "darwin":
        program = which("osascript", path)
        script = ("on run a", "display notification (item 2 of a) with title (item 1 of a)", "end run")
        lines = [word for line in script for word in ("-e", line)]
        return [program, *lines, notice.title, notice.body] if program else None
    program = which("notify-send", path)
    if program is None or not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return None
    return [program, "--app-name=kfw", "--", notice.title, escape(notice.body, quote=False)]


class Notifier:
    """`hear` is called for each event and returns at once; `run` lives as long as notices are wanted."""

    def __init__(self, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        self._clock = clock
        self._environ = environ
        self._outages = Outages()
        self._changed = asyncio.Event()
        self._waiting: asyncio.Queue[Notice] = asyncio.Queue(WAITING)
        self._complaints = Complaints(log, "a desktop notification")

    def hear(self, kind: str, status: ForwardStatus) -> None:
        if notice := self._outages.hear(kind, status, self._clock.monotonic()):
            self._put(notice)
        self._changed.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(self._look(), name="notices: look")
            both.create_task(self._show_all(), name="notices: show")

    def _put(self, notice: Notice) -> None:
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(notice)

    async def _look(self) -> None:
        while True:
            at = self._outages.next_due()
            if at is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            await self._clock.sleep(max(at - self._clock.monotonic(), 0.1))
            for notice in self._outages.due(self._clock.monotonic()):
                self._put(notice)

    async def _show_all(self) -> None:
        while True:
            notice = await self._waiting.get()
            try:
                await show(notice, self._environ)
            except KfwError as error:
                self._complaints.tell(error)


async def show(notice: Notice, environ: Mapping[str, str]) -> None:
    """Raises KfwError when the program fails, or takes longer than LIMIT seconds."""
    argv = command_line(notice, environ)
    if argv is None:
        return
    nowhere = asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=nowhere, stdout=nowhere, stderr=nowhere, env=environ, start_new_session=True
        )
    except OSError as error:
        raise KfwError(f"cannot run {argv[0]}: {words_of(error)}") from error
    try:
        async with asyncio.timeout(LIMIT):
            code = await child.wait()
    except TimeoutError as error:
        raise KfwError(f"{argv[0]} has not ended within {LIMIT:g} s") from error
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    if code != 0:
        raise KfwError(f"{argv[0]} ended with code {code}")
