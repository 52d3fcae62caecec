"""`kfw perf`: how long the stages of openings take, by forward, and what the daemon itself does meanwhile.

Nothing of it runs unless somebody measures, but for the four times that each connection keeps of itself.
"""

import asyncio
import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from kfw.daemon.connections import Connections, Past
from kfw.errors import KfwError, UsageError
from kfw.names import RowId, RowName
from kfw.perf_protocol import (
    AllocatedLine,
    CpuSamples,
    MemoryUse,
    OpeningTimes,
    PerfReply,
    PerfRequest,
    Spread,
    StackCount,
)
from kfw.relay.stage_times import StageTimes
from kfw.system.loop import rss_bytes

#: Seconds of one measurement, and connections that it keeps.
LONGEST, MOST = 600.0, 200_000
#: Seconds between two looks at the loop: measured in docs/perf.md.
INTERVAL = 0.01
_DEEPEST, _MOST_STACKS, _LINES = 100, 20_000, 50
#: What the loop is in while it waits, by file and function: asyncio's selectors. uvloop waits in C, below its `run`.
_WAITS = frozenset({("selectors.py", "select"), ("runners.py", "run"), ("__init__.py", "run")})


class Measurement:
    """One at a time."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._runs = False

    async def run(self, request: PerfRequest) -> PerfReply:
        """Raises UsageError for a time that is none, KfwError while another one runs."""
        if not 0 <= request.seconds <= LONGEST:
            raise UsageError(f"measure for 0 to {LONGEST:g} seconds")
        if not request.seconds:
            if request.cpu or request.memory:
                raise UsageError("a profile needs a duration")
            return PerfReply(seconds=0.0, openings=openings_of(self._connections.known()))
        if self._runs:
            raise KfwError("another measurement is running", "wait until it ends")
        self._runs = True
        try:
            return await self._measure(request)
        finally:
            self._runs = False
            self._connections.measure = None

    async def _measure(self, request: PerfRequest) -> PerfReply:
        found: list[Past] = []

        def take(past: Past) -> None:
            if len(found) < MOST:
                found.append(past)

        self._connections.measure = take
        began = time.monotonic()
        with sampling(request.cpu) as sampler, tracing(request.memory):
            await asyncio.sleep(request.seconds)
            seconds = time.monotonic() - began
            memory = await _memory() if request.memory else None
        live = [one for one in self._connections.known() if not one.how]
        # What was opened before is another time's.
        recent = [one for one in (*found, *live) if one.seconds <= seconds]
        return PerfReply(
            seconds=round(seconds, 3),
            openings=openings_of(recent),
            cpu=sampler.result() if sampler else None,
            memory=memory,
        )


# -- the stages of openings


def openings_of(connections: Iterable[Past]) -> list[OpeningTimes]:
    """By forward, the one with the most connections first."""
    by_forward: dict[RowId, list[Past]] = {}
    for one in connections:
        by_forward.setdefault(one.name.row, []).append(one)
    found = [_openings(members[0].name, members) for members in by_forward.values()]
    return sorted(found, key=lambda one: -one.connections)


def _openings(name: RowName, members: list[Past]) -> OpeningTimes:
    columns = StageTimes(*(spread_of(times) for times in zip(*(one.stages for one in members), strict=True)))  # type: ignore[arg-type]
    return OpeningTimes(
        forward=name.row.name,
        project=name.row.project,
        display_name=str(name),
        connections=len(members),
        lost=sum(one.failed for one in members),
        accept=columns.accept,  # type: ignore[arg-type]
        wait=columns.wait,  # type: ignore[arg-type]
        dial=columns.dial,  # type: ignore[arg-type]
        first_byte=columns.answer,  # type: ignore[arg-type]
    )


def spread_of(times: Iterable[float | None]) -> Spread | None:
    known = sorted(one for one in times if one is not None)
    if not known:
        return None
    last = len(known) - 1
    return Spread(
        count=len(known),
        median=round(known[last // 2], 6),
        p99=round(known[-(-last * 99 // 100)], 6),
        longest=round(known[last], 6),
    )


# -- the processor


class LoopSampler:
    """Looks from a thread of its own at where this thread is: no hook in what is measured."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._stop = threading.Event()
        self._seen: Counter[tuple[tuple[str, int, str], ...]] = Counter()
        self._samples = self._idle = 0
        self._before = time.process_time()
        self._runner = threading.Thread(target=self._run, name="kfw-perf", daemon=True)
        self._runner.start()

    def stop(self) -> None:
        self._stop.set()
        self._runner.join()

    def result(self) -> CpuSamples:
        """After `stop`."""
        frames: dict[tuple[str, int, str], int] = {}
        stacks = [
            StackCount([frames.setdefault(frame, len(frames)) for frame in stack], count)
            for stack, count in self._seen.most_common()
        ]
        return CpuSamples(
            interval=INTERVAL,
            samples=self._samples,
            idle=self._idle,
            processor_seconds=round(time.process_time() - self._before, 3),
            frames=list(frames),
            stacks=stacks,
        )

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            frame = sys._current_frames().get(self._thread)
            if frame is None:
                return
            self._samples += 1
            code = frame.f_code
            if (os.path.basename(code.co_filename), code.co_name) in _WAITS:  # noqa: PTH119 - every few milliseconds
                self._idle += 1
            else:
                stack = _stack(frame)
                if stack in self._seen or len(self._seen) < _MOST_STACKS:
                    self._seen[stack] += 1


def _stack(frame: FrameType | None) -> tuple[tuple[str, int, str], ...]:
    """The outermost first, of the innermost ones."""
    found: list[tuple[str, int, str]] = []
    while frame is not None and len(found) < _DEEPEST:
        code = frame.f_code
        found.append((code.co_filename, code.co_firstlineno, code.co_name))
        frame = frame.f_back
    return tuple(reversed(found))


@contextmanager
def sampling(wanted: bool) -> Iterator[LoopSampler | None]:
    sampler = LoopSampler() if wanted else None
    try:
        yield sampler
    finally:
        if sampler:
            sampler.stop()


# -- memory


@contextmanager
def tracing(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    import tracemalloc

    tracemalloc.start(1)
    try:
        yield
    finally:
        tracemalloc.stop()


async def _memory() -> MemoryUse:
    """The snapshot is taken at once, and counted in a thread."""
    import tracemalloc

    traced, peak = tracemalloc.get_traced_memory()
    snapshot = tracemalloc.take_snapshot()
    largest = (await asyncio.to_thread(snapshot.statistics, "lineno"))[:_LINES]
    return MemoryUse(
        rss_bytes=rss_bytes(),
        traced_bytes=traced,
        peak_bytes=peak,
        collections=[each["collections"] for each in gc.get_stats()],
        tasks=len(asyncio.all_tasks()),
        threads=threading.active_count(),
        lines=[
            AllocatedLine(one.traceback[0].filename, one.traceback[0].lineno, one.size, one.count)
            for one in largest
        ],
    )
