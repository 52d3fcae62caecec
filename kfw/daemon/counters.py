"""What happened to each forward over all daemons: counted from its statuses, kept on disk.

They are saved every minute in which something happened, and at the end, so that `kill -9` costs a minute at most. What is
counted belongs to a name of a project: a forward that was removed and comes back goes on.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from kfw.aio import Complaints, keep_going
from kfw.errors import KfwError, words_of
from kfw.model import SERVING, Status
from kfw.names import RowId
from kfw.protocol import ForwardStatus, Totals
from kfw.system.clock import Clock, rfc3339
from kfw.system.files import clear_the_way, put_aside, read_bounded, write_atomic

log = logging.getLogger("kfw.counters")

#: Seconds between two saves, which is what a crash may cost.
SAVE_INTERVAL = 60.0
#: The same while nothing happens but that they serve.
IDLE_INTERVAL = 600.0
#: Of the file's shape. 1 had names without a project, which go to the first forward of that name.
VERSION = 2
#: Names that are kept; those that were seen last stay.
MOST = 5000
#: Bytes of the file; 5000 names have less than two million.
LARGEST = 8 * 1024 * 1024

AllTotals = Mapping[RowId, Totals]

_COUNTS = tuple(name for name in Totals.__struct_fields__ if name != "since")
_OF_CONNECTIONS = ("connections", "lost_connections", "bytes_in", "bytes_out")
_ILL = frozenset({Status.DEGRADED, Status.RECONNECTING, Status.SUSPENDED, Status.ERROR})


class SavedCounters(msgspec.Struct, frozen=True):
    """By the text of a RowId."""

    forwards: dict[str, Totals] = {}
    version: int = VERSION


class Sample(msgspec.Struct, frozen=True):
    """What one runner has counted so far; each begins at 0."""

    restarts: int = 0
    connections: int = 0
    lost: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @classmethod
    def of(cls, status: ForwardStatus) -> "Sample":
        return cls(
            status.restarts,
            status.total_connections,
            status.lost_connections,
            status.bytes_in,
            status.bytes_out,
        )

    def since(self, before: "Sample") -> "Sample":
        """What came after `before`; all of it when that was another runner's, which shows as something that shrank."""
        pairs = [(getattr(self, name), getattr(before, name)) for name in self.__struct_fields__]
        if any(now < then for now, then in pairs):
            return self
        return Sample(*(now - then for now, then in pairs))


_NOTHING = Sample()


def add(totals: Totals, more: Sample, uptime: float) -> Totals:
    return msgspec.structs.replace(
        totals,
        restarts=totals.restarts + more.restarts,
        connections=totals.connections + more.connections,
        lost_connections=totals.lost_connections + more.lost,
        bytes_in=totals.bytes_in + more.bytes_in,
        bytes_out=totals.bytes_out + more.bytes_out,
        uptime_seconds=round(totals.uptime_seconds + uptime, 3),
    )


def together(one: Totals, other: Totals | None) -> Totals:
    if other is None:
        return one
    sums = {name: getattr(one, name) + getattr(other, name) for name in _COUNTS}
    return Totals(since=min(one.since, other.since), **sums)


def since_then(now: AllTotals, then: AllTotals) -> dict[RowId, Totals]:
    """What connections have added; what a forward was meanwhile (its failures, its uptime) another process counts."""
    nothing = Totals(since="")
    return {
        row: Totals(
            since=totals.since,
            **{one: getattr(totals, one) - getattr(then.get(row, nothing), one) for one in _OF_CONNECTIONS},
        )
        for row, totals in now.items()
    }


class Counters:
    """`hear` each status event, `sample` the statuses now and then.

    `before`: what another daemon has counted, None for what is on disk.
    """

    def __init__(self, path: Path, clock: Clock, before: AllTotals | None = None) -> None:
        self._path = path
        self._clock = clock
        self._totals = load(path) if before is None else dict(before)
        self.is_ours = before is None  # the file; False while another daemon writes it
        self._samples: dict[RowId, Sample] = {}
        self._serving_since: dict[RowId, float] = {}  # by the monotonic clock
        self._last: dict[RowId, Status] = {}
        self._was_up: set[RowId] = set()  # since the last `up`, so that another start is a reconnect
        self._news = False  # something that is not on disk, uptime left out
        self._saved_at = clock.monotonic()

    def hear(self, kind: str, status: ForwardStatus) -> None:
        """Of an Event."""
        row = status.id
        if kind == "removed":
            for known in (self._samples, self._serving_since, self._last):
                known.pop(row, None)
            self._was_up.discard(row)
            return
        self._count(status)
        before, now = self._last.get(row), status.status
        self._last[row] = now
        totals = self._totals[row]
        if now in _ILL and before not in _ILL:
            totals = msgspec.structs.replace(totals, failures=totals.failures + 1)
        if now in SERVING and before not in SERVING:
            if row in self._was_up:
                totals = msgspec.structs.replace(totals, reconnects=totals.reconnects + 1)
            self._was_up.add(row)
        if now in (Status.STOPPED, Status.DISABLED):
            self._was_up.discard(row)
        self._news = self._news or totals is not self._totals[row]
        self._totals[row] = totals

    def sample(self, statuses: Iterable[ForwardStatus]) -> list[ForwardStatus]:
        """The same with their totals."""
        found = []
        for status in statuses:
            self._count(status)
            found.append(msgspec.structs.replace(status, totals=self._totals[status.id]))
        return found

    def totals(self) -> dict[RowId, Totals]:
        """As they were sampled last."""
        return dict(self._totals)

    def add(self, more: AllTotals) -> None:
        """What another process has counted for the same rows. One of an older version knows no projects: each of its names
        was one forward's."""
        by_name = {row.name: row for row in self._totals if row.project}
        for told, totals in more.items():
            row = told if told.project else by_name.get(told.name, told)
            self._totals[row] = together(totals, self._totals.get(row))
        self._news = True

    def due(self) -> bool:
        """Worth a write: something happened, or they have served for long."""
        if not self.is_ours:
            return False
        return self._news or self._clock.monotonic() - self._saved_at >= IDLE_INTERVAL

    def save(self) -> None:
        """Raises KfwError when the disk does not take it; the next try has all of it."""
        if not self.is_ours:
            return
        clear_the_way(self._path)
        write_atomic(self._path, self._encoded())
        self._is_saved()

    async def save_aside(self) -> None:
        """The same without holding up the loop: a disk may be slow."""
        data = self._encoded()
        await asyncio.to_thread(clear_the_way, self._path)
        await asyncio.to_thread(write_atomic, self._path, data)
        self._is_saved()

    def _encoded(self) -> bytes:
        kept = list(self._totals.items())[-MOST:]
        return msgspec.json.encode(SavedCounters({str(row): totals for row, totals in kept}))

    def _is_saved(self) -> None:
        self._news = False
        self._saved_at = self._clock.monotonic()

    def _count(self, status: ForwardStatus) -> None:
        row, now = status.id, Sample.of(status)
        before = self._samples.get(row, _NOTHING)
        more = _NOTHING if now == before else now.since(before)
        self._samples[row] = now
        uptime = self._served(status)
        totals = self._totals.pop(row, None) or self._totals.pop(RowId("", row.name), None)
        totals = totals or Totals(since=rfc3339(self._clock.now()))
        self._totals[row] = add(totals, more, uptime)  # the one seen last is last
        self._news = self._news or more != _NOTHING

    def _served(self, status: ForwardStatus) -> float:
        """Seconds in which it has served since it was asked last."""
        now = self._clock.monotonic()
        began = self._serving_since.pop(status.id, None)
        if status.status in SERVING:
            self._serving_since[status.id] = now
        return max(now - began, 0.0) if began is not None else 0.0


def load(path: Path) -> dict[RowId, Totals]:
    """An unreadable file is put aside, with a warning: all is counted from 0 then."""
    try:
        saved = msgspec.json.decode(read_bounded(path, LARGEST), type=SavedCounters)
        return {RowId.parse(text): totals for text, totals in saved.forwards.items()}
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning("cannot read %s, counting from 0: %s", path.name, words_of(error)[:100])
    try:
        log.warning("%s was renamed to %s", path.name, put_aside(path).name)
    except KfwError as error:
        log.warning("%s", error.what)
    return {}


@asynccontextmanager
async def saving(
    counters: Counters, statuses: Callable[[], Iterable[ForwardStatus]], clock: Clock
) -> AsyncIterator[None]:
    """Save them every minute, and at the end. A disk that takes nothing is said once, and tried again."""
    complaints = Complaints(log, "saving the counters")

    async def turn() -> None:
        await clock.sleep(SAVE_INTERVAL)
        counters.sample(statuses())
        if counters.due():
            await counters.save_aside()

    task = asyncio.create_task(keep_going(turn, complaints.tell), name="save the counters")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        counters.sample(statuses())
        try:
            counters.save()
        except KfwError as error:
            log.warning("the counters of the last minute are lost: %s", error.what)
