"""One fault: prepare, put under load, break, take back, wait, and make a cell for each way of reaching the pods."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from tests.real.chaos import watch
from tests.real.chaos.cell import BARE, METHODS, RIVALS, Cell
from tests.real.chaos.faults import Fault
from tests.real.chaos.load import Plan, clients
from tests.real.chaos.measure import GRACE, Daemon, Sample, Times, measure
from tests.real.chaos.scene import Cluster, Scene, scene
from tests.real.chaos.watch import Sampler

#: Seconds of load before the fault; after the grace, in which is seen what fails for good.
WARM, AT_LAST = 4.0, 5.0
#: Seconds that are waited for a cluster whose own node port still fails, and connections at once that show that.
CLUSTER_WELL, PROBES = 60.0, 30
#: With `short`: before the fault, its longest time, and how long all forwards have been active on end when it is over.
SHORT_WARM, SHORT_HOLD, WELL = 2.0, 8.0, 6.0


@dataclass(frozen=True)
class Options:
    """`rate`: new connections a second, to each of the six."""

    methods: Sequence[str] = METHODS
    short: bool = False
    rate: float = 30.0
    seed: int = 1
    keep_logs_in: Path | None = None


def run(cluster: Cluster, fault: Fault, options: Options) -> list[Cell]:
    methods = [method for method in fault.methods if method in options.methods]
    rng = random.Random(f"{options.seed} {fault.name}")
    with scene(cluster, methods, user=fault.user, small_disk=fault.small_disk, rng=rng) as place:
        try:
            return _run(place, fault, options)
        finally:
            if options.keep_logs_in:
                _keep(place, options.keep_logs_in / fault.name)


def _keep(place: Scene, folder: Path) -> None:
    """The daemon's log, what it said of each forward, and what each client saw."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (
        place.program.home / "state" / "kfw.log",
        place.program.folder / "load",
        place.program.folder / "told",
    ):
        if file.exists():
            (folder / file.name).write_text(file.read_text(errors="replace"))


def _run(place: Scene, fault: Fault, options: Options) -> list[Cell]:
    plan = Plan(str(place.program.folder / "load"), place.targets(), options.rate)
    before, after = Daemon(), Daemon()
    before.files, before.links = _open_files(place, options)
    with Sampler(place.program.home / "run" / "kfw.sock") as sampler, clients(plan) as records:
        start = time.monotonic() + 1.0  # the clients are up by then
        time.sleep(SHORT_WARM if options.short else WARM)
        before.rss = watch.memory(place.program.daemon_pid())
        begin = time.monotonic()
        with fault.act(place):
            time.sleep(min(fault.hold, SHORT_HOLD) if options.short else fault.hold)
        end = time.monotonic()
        settled = _wait_until_settled(sampler, end, place, short=options.short)
        over = time.monotonic()
        after.rss = watch.memory(place.program.daemon_pid())
    after.files, after.links = _open_files(place, options)
    times = Times(start, begin, end, settled, over)
    (place.program.folder / "told").write_text(f"{times}\n" + "".join(_changes(sampler.samples)))
    cells = [
        measure(
            name, records, sampler.samples, times, pods_end=fault.pods_end, daemon_ended=place.daemon_ended
        )
        for name in plan.targets
    ]
    bare = next(cell for cell in cells if cell.method == BARE)
    return [replace(_complete(cell, place, fault, before, after, bare), rate=options.rate) for cell in cells]


def _changes(samples: Sequence[Sample]) -> Iterator[str]:
    """A line for each change of what the daemon says."""
    for rows, some in groupby(samples, lambda sample: sample.rows):
        yield f"{next(some).at:.2f} {rows}\n"


def _open_files(place: Scene, options: Options) -> tuple[int, int]:
    looks = 15 if options.short else 30
    return watch.open_files(place.program.daemon_pid(), place.cluster.rig.api_port, looks)


def _forwards_of(place: Scene) -> list[str]:
    return [name for name in place.ports if name not in RIVALS]


def _wait_until_settled(sampler: Sampler, end: float, place: Scene, *, short: bool) -> float:
    """Returns when the last seconds began."""
    if not short:
        time.sleep(max(0.0, end + GRACE - time.monotonic()))
        settled = _wait_for_the_cluster(place.targets()[BARE])
        time.sleep(AT_LAST)
        return settled
    well_since = time.monotonic()
    while (now := time.monotonic()) < end + GRACE + AT_LAST:
        if not _well(sampler.last, _forwards_of(place)):
            well_since = now
        if now - max(well_since, end) >= WELL:
            return now - WELL / 2
        time.sleep(0.1)
    return end + GRACE


def _wait_for_the_cluster(node_port: tuple[str, int]) -> float:
    """A node that comes back may take longer than the grace, and while its own port fails no forward can be judged."""
    began = time.monotonic()
    while not asyncio.run(_all_answer(node_port)) and time.monotonic() - began < CLUSTER_WELL:
        time.sleep(0.5)
    return time.monotonic()


async def _all_answer(node_port: tuple[str, int]) -> bool:
    async def answers() -> bool:
        try:
            async with asyncio.timeout(1.0):
                reader, writer = await asyncio.open_connection(*node_port)
                writer.write(b"?\n")
                heard = await reader.read(1)
                writer.close()
        except (OSError, TimeoutError):
            return False
        return heard == b"?"

    return all(await asyncio.gather(*(answers() for _ in range(PROBES))))


def _well(sample: Sample, forwards: Sequence[str]) -> bool:
    rows = sample.rows or {}
    return all(name in rows and rows[name].status == "active" for name in forwards)


def _complete(cell: Cell, place: Scene, fault: Fault, before: Daemon, after: Daemon, bare: Cell) -> Cell:
    cell = replace(cell, fault=fault.name)
    if not cell.ours:
        return cell
    return replace(
        cell,
        rss_before=before.rss,
        rss_after=after.rss,
        files_before=before.files,
        files_after=after.files,
        links_before=before.links,
        links_after=after.links,
        bare_failed_at_last=bare.failed_at_last,
        bare_quiet=bare.quiet if cell.method in fault.compared else None,
        bare_failed=bare.failed if cell.method in fault.compared else None,
        crowd=place.crowd,
        note=place.note,
    )


Tell = Callable[[str], None]


def line(cell: Cell) -> str:
    """For people, one line."""
    said = (
        f"{cell.fault:28} {cell.method:15} {cell.failed:4}/{cell.tried:<5} failed "
        f"(late {cell.late}, refused {cell.refused}), "
        f"quiet {cell.quiet:5.2f}, back {cell.back:5.2f}, clean {cell.clean:5.2f}, live lost {cell.live_lost:2}"
    )
    if cell.ours:
        said += (
            f", in vain {cell.active_in_vain:4.1f}, counted {cell.counted}/{cell.lost}, "
            f"{cell.rss_before:.0f}->{cell.rss_after:.0f} MB, {cell.files_before}->{cell.files_after} files "
            f"{cell.links_before}->{cell.links_after} links"
        )
    return (
        said
        + (f", lag {cell.lag:.1f}" if cell.lag > 0.2 else "")
        + (f", HAND: {cell.hand}" if cell.hand else "")
    )
