"""Areas in turn, a slice of time each, until the time is up: each case with its own seed, each kind of finding told once."""

import asyncio
import gc
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.area import Area, Case, Finding, kind_of
from tests.fuzz.observer import Observer
from tests.fuzz.watchdog import Watchdog

#: Kinds of findings that are collected; then the run ends.
MOST = 20
#: Seconds beyond an area's limit until a case counts as one that keeps the event loop.
_GRACE = 3.0


@dataclass(frozen=True)
class Options:
    """`cases`: of each area at most; None is as many as fit into `seconds`. `note`: a file that names the running case."""

    seed: int
    seconds: float
    cases: int | None = None
    note: Path | None = None


@dataclass
class Tally:
    """What is known of an area. Memory in bytes: at its begin, at the end of its first slice, and now."""

    area: Area
    cases: int = 0
    failures: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    before: int = 0
    warm: int = 0
    after: int = 0

    @property
    def grown(self) -> int:
        return self.after - self.warm if self.warm else 0


@dataclass
class Run:
    options: Options
    observer: Observer = field(default_factory=Observer)
    tallies: list[Tally] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)  # kind of finding: how often

    @property
    def code(self) -> int:
        return int(bool(self.found))

    async def all(self, areas: Sequence[Area]) -> None:
        end = time.monotonic() + self.options.seconds
        async with AsyncExitStack() as stack:
            stack.enter_context(self.observer.watching(asyncio.get_running_loop()))
            watchdog = stack.enter_context(Watchdog())
            for area in areas:
                tally = Tally(await stack.enter_async_context(area))
                tally.before = tally.area.rss()
                self.tallies.append(tally)
            while (waiting := [tally for tally in self.tallies if self._more(tally, end)]) and not self._full:
                for tally in waiting:
                    await self._slice(tally, end, watchdog)
        self._grown()

    @property
    def _full(self) -> bool:
        return len(self.found) >= MOST

    def _more(self, tally: Tally, end: float) -> bool:
        """Each area has one case, however short the time."""
        if self.options.cases is not None and tally.cases >= self.options.cases:
            return False
        return not tally.cases or time.monotonic() < end

    async def _slice(self, tally: Tally, end: float, watchdog: Watchdog) -> None:
        began, held = time.monotonic(), tally.area.rss()
        while self._more(tally, end) and not self._full:
            seed = self.options.seed + tally.cases
            await self._one(tally, seed, watchdog)
            if time.monotonic() - began > tally.area.slice:
                break
        tally.seconds += time.monotonic() - began
        tally.after = (tally.after or tally.before) + tally.area.rss() - held
        tally.warm = tally.warm or tally.after

    async def _one(self, tally: Tally, seed: int, watchdog: Watchdog) -> None:
        """A finding is told, and it goes on."""
        area, began = tally.area, time.monotonic()
        about = f"area {area.name}, seed {seed}, again with: {replay(area.name, seed)}"
        if self.options.note:
            self.options.note.write_text(about)
        folder = Path(tempfile.mkdtemp(prefix="kfw-fuzz-"))
        case = Case(seed, folder, self.observer.lines)
        tally.cases += 1
        try:
            with watchdog.at_most(area.limit + _GRACE, about):
                await self._judged(area, case)
        except Exception as error:  # noqa: BLE001  # whatever comes out is what is looked for
            tally.failures += 1
            self._tell(error, about)
        finally:
            tally.slowest = max(tally.slowest, time.monotonic() - began)
            self.observer.lines.clear()
            shutil.rmtree(folder, ignore_errors=True)

    async def _judged(self, area: Area, case: Case) -> None:
        """Whatever the area says, and what was logged, or caught by nobody, meanwhile."""
        try:
            async with asyncio.timeout(area.limit) as limit:
                await area.case(case)
        except TimeoutError as error:
            if limit.expired():
                raise Finding(f"it has not ended within {area.limit:g} s\n{_inner(error)}") from error
            raise
        finally:
            uncaught, self.observer.uncaught[:] = self.observer.uncaught[:], []
        if uncaught:
            raise Finding(f"nobody caught it: {uncaught[0]}")
        case.must_not_show("the log", "\n".join(self.observer.lines))

    def _tell(self, error: Exception, about: str) -> None:
        text = (
            str(error) if isinstance(error, Finding) else f"{type(error).__name__}: {error}\n{_inner(error)}"
        )
        area = about.partition(",")[0]
        where = "" if isinstance(error, Finding) else _innermost(error)
        kind = f"{area}: {kind_of(text)} {where}"
        self.found[kind] = self.found.get(kind, 0) + 1
        if self.found[kind] == 1:
            say(f"FOUND {about}\n  " + text[:4000].replace("\n", "\n  "))

    def _grown(self) -> None:
        for tally in self.tallies:
            if tally.grown > tally.area.growth:
                tally.failures += 1
                self.found[f"growth of {tally.area.name}"] = 1
                say(
                    f"FOUND area {tally.area.name} keeps memory: {_mb(tally.grown)} more than after its first cases,"
                    f" {tally.cases} cases from seed {self.options.seed}"
                )

    def summary(self) -> str:
        rows = [("area", "cases", "failures", "seconds", "slowest", "RSS before", "after", "grown")]
        rows += [
            (
                tally.area.name,
                str(tally.cases),
                str(tally.failures),
                f"{tally.seconds:.1f}",
                f"{tally.slowest:.2f} s",
                _mb(tally.before),
                _mb(tally.after),
                _mb(tally.grown),
            )
            for tally in self.tallies
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        ]
        kinds = [f"{count:5} x {kind}" for kind, count in self.found.items()]
        return "\n".join([*(line.rstrip() for line in lines), *(["", "found:", *kinds] if kinds else [])])


def run(areas: Sequence[Area], options: Options) -> int:
    """The exit code: 1 if anything was found."""
    say(f"seed {options.seed}")
    state = Run(options)
    asyncio.run(state.all(areas))
    gc.collect()
    print(state.summary(), flush=True)
    if options.note:
        options.note.write_text("")  # it has come to its end
    return state.code


def replay(area: str, seed: int) -> str:
    return f"make fuzz ARGS='--area {area} --seed {seed} --cases 1'"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.0f} MB"


def _inner(error: BaseException) -> str:
    """The last steps of the traceback, those of asyncio left out; of a time-out those of what was waited for."""
    while error.__cause__ is not None and isinstance(error, TimeoutError):
        error = error.__cause__
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "/asyncio/" not in frame.filename
    ]
    shown = [
        f"{_short(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames[-8:]
    ]
    return "\n".join(shown)


def _innermost(error: BaseException) -> str:
    """Where in kfw it came from."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "/kfw/" in _short(frame.filename)
    ]
    return f"at {_short(frames[-1].filename)} {frames[-1].name}" if frames else ""


def _short(file: str) -> str:
    return f"/{Path(file).relative_to(Path.cwd())}" if file.startswith(f"{Path.cwd()}{os.sep}") else file
