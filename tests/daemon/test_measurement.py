"""What a measurement finds: spreads, samples of the loop, memory; and that nothing of it is left on."""

import asyncio
import io
import marshal
import pstats
import sys
import threading
import tracemalloc
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from kfw.commands.perf import opening_lines, shown, slowest
from kfw.daemon.connections import Connections
from kfw.daemon.measurement import INTERVAL, LoopSampler, Measurement, spread_of
from kfw.errors import KfwError, UsageError
from kfw.perf_protocol import CpuSamples, PerfRequest, StackCount
from kfw.relay.stage_times import StageTimes
from kfw.system.clock import Clock
from kfw.view.flame_graph import as_pstats, as_svg
from tests.until import until


def connections() -> Connections:
    return Connections(Clock(), lambda *_: None)


@pytest.mark.parametrize(
    ("times", "median", "p99", "longest"),
    [
        ([1.0], 1.0, 1.0, 1.0),
        ([3.0, 1.0, 2.0], 2.0, 3.0, 3.0),
        ([float(n) for n in range(101)], 50.0, 99.0, 100.0),
        ([1.0, None, 2.0], 1.0, 2.0, 2.0),
    ],
)
def test_a_spread_is_of_what_is_known(
    times: list[float | None], median: float, p99: float, longest: float
) -> None:
    found = spread_of(times)
    assert found
    assert (found.median, found.p99, found.longest) == (median, p99, longest)
    assert spread_of([None]) is None


def test_the_stages_are_between_the_moments_and_what_has_not_come_has_no_time() -> None:
    assert StageTimes.of(1.0, 1.5, 2.5, 4.5, 8.5) == (0.5, 1.0, 2.0, 4.0)
    assert StageTimes.of(1.0, 0.0, 0.0, 0.0, None) == (None, None, None, None)
    assert StageTimes.of(1.0, 1.5, 2.5, 0.0, None) == (0.5, None, None, None)
    assert StageTimes.of(1.0, 1.5, 2.5, 4.5, None) == (0.5, 1.0, 2.0, None)
    assert StageTimes.of(1.0, 1.5, 2.5, 4.5, 4.0).answer == 0.0  # it spoke before it was joined


def busy(until: threading.Event) -> int:
    count = 0
    while not until.is_set():
        count += sum(n % 7 for n in range(2000))
    return count


def test_A22_the_samples_are_of_this_thread_and_say_where_it_was() -> None:
    sampler = LoopSampler()
    over = threading.Event()
    threading.Timer(INTERVAL * 60, over.set).start()
    busy(over)
    sampler.stop()
    found = sampler.result()
    names = {found.frames[index][2] for stack in found.stacks for index in stack.frames}
    assert "busy" in names
    assert found.samples - found.idle == sum(stack.samples for stack in found.stacks)
    assert all(found.frames[stack.frames[-1]][2] != "_run" for stack in found.stacks)


@pytest.mark.asyncio
async def test_A22_a_loop_that_waits_is_idle_and_nothing_stays_on() -> None:
    measured = Measurement(connections())
    reply = await measured.run(PerfRequest(seconds=0.3, cpu=True, memory=True))
    assert reply.cpu and reply.memory
    assert reply.cpu.samples > 3
    assert reply.cpu.idle / reply.cpu.samples > 0.5
    assert reply.memory.lines
    assert reply.memory.tasks >= 1
    assert not tracemalloc.is_tracing()
    assert not any(thread.name == "kfw-perf" for thread in threading.enumerate())
    assert sys.getprofile() is None


@pytest.mark.asyncio
async def test_one_measures_at_a_time_and_who_is_cancelled_leaves_nothing() -> None:
    kept = connections()
    measured = Measurement(kept)
    first = asyncio.ensure_future(measured.run(PerfRequest(seconds=60, cpu=True, memory=True)))
    await until(lambda: kept.measure)
    with pytest.raises(KfwError, match="another measurement is running"):
        await measured.run(PerfRequest(seconds=1))
    assert (await measured.run(PerfRequest())).openings == []
    first.cancel()
    await asyncio.wait([first])
    assert kept.measure is None
    assert not tracemalloc.is_tracing()
    await measured.run(PerfRequest(seconds=0.01))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "request_",
    [
        PerfRequest(seconds=-1),
        PerfRequest(seconds=1e9),
        PerfRequest(cpu=True),
        PerfRequest(seconds=float("nan")),
    ],
)
async def test_a_time_that_is_none_is_refused(request_: PerfRequest) -> None:
    with pytest.raises(UsageError):
        await Measurement(connections()).run(request_)


# -- the files


SAMPLES = CpuSamples(
    interval=0.01,
    samples=10,
    idle=4,
    processor_seconds=0.06,
    frames=[("/x/a.py", 1, "main"), ("/x/b.py", 5, "<lambda> & co"), ("/x/b.py", 9, "leaf")],
    stacks=[StackCount([0, 1, 2], 3), StackCount([0, 2], 2), StackCount([0, 1, 1], 1)],
)


def test_A22_pstats_reads_it_with_own_and_whole_times(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_bytes(as_pstats(SAMPLES))
    text = io.StringIO()
    stats = pstats.Stats(str(file), stream=text)
    stats.sort_stats("tottime").print_stats().print_callers()
    assert stats.total_tt == pytest.approx(0.06)  # type: ignore[attr-defined]
    kept = marshal.loads(file.read_bytes())
    assert kept["/x/b.py", 9, "leaf"][:4] == (5, 5, pytest.approx(0.05), pytest.approx(0.05))
    assert kept["/x/a.py", 1, "main"][2:4] == (0.0, pytest.approx(0.06))
    assert "leaf" in text.getvalue()


def test_A22_the_graph_is_well_formed_and_its_boxes_are_as_wide_as_their_share() -> None:
    root = ET.fromstring(as_svg(SAMPLES))
    titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "main (x/a.py:1) 100.0%" in titles
    assert "<lambda> & co (x/b.py:5) 66.7%" in titles
    widths = [float(each.get("width", 0)) for each in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert max(widths) == 1200


def test_an_idle_daemon_has_a_graph_too() -> None:
    ET.fromstring(
        as_svg(CpuSamples(interval=0.01, samples=5, idle=5, processor_seconds=0, frames=[], stacks=[]))
    )
    assert (
        marshal.loads(
            as_pstats(CpuSamples(interval=1, samples=0, idle=0, processor_seconds=0, frames=[], stacks=[]))
        )
        == {}
    )


# -- the table


def test_the_table_names_what_most_time_goes_to() -> None:
    def spread(median: float) -> dict[str, float]:
        return {"count": 1, "median": median, "p99": median * 10, "longest": median * 20}

    slow_app = {
        "forward": "api",
        "connections": 3,
        "lost": 1,
        "accept": spread(0.0001),
        "wait": spread(0.00002),
    }
    slow_app |= {"dial": spread(0.004), "firstByte": spread(0.5)}
    waits = {**slow_app, "forward": "db", "wait": spread(2.0), "dial": None, "firstByte": None}
    assert opening_lines([slow_app, waits], colour=False) == [
        "FORWARD  OPENED  LOST  ACCEPT           WAIT              DIAL            FIRST BYTE      MOSTLY FOR",
        "api      3       1     0.1 ms / 1.0 ms  0.02 ms / 0.2 ms  4.0 ms / 40 ms  500 ms / 5.0 s  the app",
        "db       3       1     0.1 ms / 1.0 ms  2.0 s / 20.0 s    -               -               a pod to accept it",
    ]
    assert opening_lines([], colour=False) == ["no connections were opened"]
    assert slowest({"accept": None, "wait": None, "dial": None, "firstByte": None}) == "-"
    assert [shown(seconds) for seconds in (0.00005, 0.0034, 0.012, 3.4)] == [
        "0.05 ms",
        "3.4 ms",
        "12 ms",
        "3.4 s",
    ]
