"""What is counted of a forward goes on over restarts of it, and of the daemon."""

from pathlib import Path

import msgspec
import pytest

from kfw.daemon.counters import MOST, SAVE_INTERVAL, Counters, Sample, load, saving
from kfw.errors import KfwError
from kfw.model import Status
from kfw.names import RowId
from kfw.protocol import ForwardStatus, Totals
from tests.fakes import FakeClock, settle
from tests.until import until

ACTIVE, DEGRADED, LOST, STOPPED = Status.ACTIVE, Status.DEGRADED, Status.RECONNECTING, Status.STOPPED

API = RowId("", "api")


def status(now: Status = ACTIVE, name: str = "api", **counts: int) -> ForwardStatus:
    return ForwardStatus(
        name=name,
        status=now,
        context="dev",
        namespace="shop",
        target="service/api",
        method="auto",
        local_port=80,
        configured_port=80,
        since="",
        **counts,  # type: ignore[arg-type]
    )


class World:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "counters.json"
        self.clock = FakeClock()
        self.counters = self.again()

    def again(self) -> Counters:
        self.counters = Counters(self.path, self.clock)  # type: ignore[arg-type]
        return self.counters

    def tell(self, *told: Status, **counts: int) -> None:
        for now in told:
            self.counters.hear("status", status(now, **counts))
            self.clock.time += 1

    def totals(self, now: Status = ACTIVE, **counts: int) -> dict[str, float]:
        (row,) = self.counters.sample([status(now, **counts)])
        found = row.totals
        assert isinstance(found, Totals)
        return {key: getattr(found, key) for key in found.__struct_fields__ if key != "since"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_FR_CONN_05_totals_go_on_over_a_restart_of_the_forward_and_of_the_daemon(world: World) -> None:
    world.tell(ACTIVE, bytes_in=100, bytes_out=10, total_connections=3, lost_connections=1, restarts=2)
    world.tell(STOPPED, bytes_in=150, bytes_out=10, total_connections=4, lost_connections=1, restarts=2)
    world.tell(Status.STARTING)
    world.tell(ACTIVE, bytes_in=7, total_connections=1)
    world.counters.save()
    world.again()
    world.tell(Status.STARTING)
    totals = world.totals(bytes_in=5, bytes_out=1, total_connections=1)
    assert totals["bytes_in"] == 150 + 7 + 5
    assert totals["bytes_out"] == 10 + 1
    assert totals["connections"] == 4 + 1 + 1
    assert (totals["lost_connections"], totals["restarts"]) == (1, 2)


def test_a_status_that_is_told_again_is_not_counted_twice(world: World) -> None:
    for _ in range(5):
        assert world.totals(bytes_in=9, restarts=1)["bytes_in"] == 9
        world.tell(STOPPED, bytes_in=9, restarts=1)
    assert world.totals(STOPPED, bytes_in=9, restarts=1)["restarts"] == 1


@pytest.mark.parametrize(
    ("told", "failures", "reconnects"),
    [
        ([ACTIVE], 0, 0),
        ([ACTIVE, DEGRADED, ACTIVE], 1, 0),
        ([ACTIVE, DEGRADED, LOST, ACTIVE], 1, 1),
        ([ACTIVE, LOST, Status.SUSPENDED, LOST, ACTIVE, LOST, ACTIVE], 2, 2),
        ([Status.STARTING, Status.ERROR, ACTIVE], 1, 0),
        ([ACTIVE, STOPPED, Status.STARTING, ACTIVE], 0, 0),
        ([ACTIVE, LOST, STOPPED, Status.STARTING, ACTIVE, LOST], 2, 0),
    ],
)
def test_FR_CONN_05_an_outage_is_one_failure_and_its_end_one_reconnect(
    world: World, told: list[Status], failures: int, reconnects: int
) -> None:
    world.tell(*told)
    totals = world.totals(told[-1])
    assert (totals["failures"], totals["reconnects"]) == (failures, reconnects)


def test_FR_CONN_05_uptime_grows_only_while_it_serves(world: World) -> None:
    world.tell(ACTIVE)
    world.clock.time += 99
    world.tell(LOST)
    world.clock.time += 1000
    assert world.totals(LOST)["uptime_seconds"] == 100
    world.tell(DEGRADED)
    world.clock.time += 9
    assert world.totals(DEGRADED)["uptime_seconds"] == 110


def test_what_was_removed_and_comes_back_goes_on(world: World) -> None:
    world.tell(ACTIVE, bytes_in=5)
    world.counters.hear("removed", status(STOPPED, bytes_in=5))
    world.tell(ACTIVE, bytes_in=9)  # more than before, and of another runner all the same
    assert world.totals(bytes_in=9)["bytes_in"] == 14


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'{"forwards": 3}', b'{"forwards": {"a": {}}}'])
def test_a_torn_file_is_put_aside_and_all_is_counted_from_0(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "counters.json").write_bytes(raw)
    assert load(tmp_path / "counters.json") == {}
    assert (tmp_path / "counters.broken").read_bytes() == raw


def test_the_file_is_private_and_holds_the_names_that_were_seen_last(world: World) -> None:
    world.counters.sample([status(name=f"n{number}") for number in range(MOST + 3)])
    world.counters.save()
    assert world.path.stat().st_mode & 0o777 == 0o600
    names = load(world.path)
    assert len(names) == MOST
    assert RowId("", "n2") not in names
    assert RowId("", f"n{MOST + 2}") in names


@pytest.mark.asyncio
async def test_they_are_saved_every_minute_and_at_the_end_and_a_full_disk_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [status(bytes_in=1)]
    async with saving(world.counters, lambda: now, world.clock):  # type: ignore[arg-type]
        await settle()
        await world.clock.advance(SAVE_INTERVAL)
        await until(lambda: world.clock._sleepers)  # it is written, and the next minute has begun
        assert load(world.path)[API].bytes_in == 1
        with monkeypatch.context() as patched:
            patched.setattr("kfw.daemon.counters.write_atomic", _full)
            now = [status(bytes_in=2)]
            await world.clock.advance(SAVE_INTERVAL)
            await until(lambda: tried)
        now = [status(bytes_in=3)]
    assert load(world.path)[API].bytes_in == 3
    assert [file.name for file in world.path.parent.iterdir()] == ["counters.json"]


tried: list[Path] = []


def _full(path: Path, data: bytes) -> None:
    tried.append(path)
    raise KfwError(f"cannot write {path}: no space left on device")


def test_while_nothing_happens_the_disk_is_left_alone_for_ten_minutes(world: World) -> None:
    world.tell(ACTIVE, bytes_in=5)
    assert world.counters.due()
    world.counters.save()
    for _ in range(9):
        world.clock.time += SAVE_INTERVAL
        world.totals(bytes_in=5)
        assert not world.counters.due()
    world.clock.time += SAVE_INTERVAL
    assert world.counters.due()
    world.counters.save()
    world.tell(LOST, bytes_in=5)
    assert world.counters.due()


def test_what_shrank_is_another_runners() -> None:
    assert Sample(3, 9, 0, 5, 5).since(Sample(1, 8, 0, 4, 5)) == Sample(2, 1, 0, 1, 0)
    assert Sample(0, 9, 0, 5, 5).since(Sample(1, 8, 0, 4, 5)) == Sample(0, 9, 0, 5, 5)


def test_two_projects_with_one_name_are_counted_apart(world: World) -> None:
    world.counters.sample(
        [msgspec.structs.replace(status(bytes_in=n), project=f"/{n}/kfw.yaml") for n in (1, 2)]
    )
    world.counters.save()
    found = {row.project: totals.bytes_in for row, totals in load(world.path).items()}
    assert found == {"/1/kfw.yaml": 1, "/2/kfw.yaml": 2}


def test_what_an_older_kfw_has_counted_for_a_name_goes_on_with_the_forward_of_that_name(world: World) -> None:
    world.path.write_text(
        '{"version": 1, "forwards": {"api": {"since": "2026-01-01T00:00:00.000Z", "bytesIn": 40}}}'
    )
    world.again()
    (row,) = world.counters.sample([msgspec.structs.replace(status(bytes_in=2), project="/p/kfw.yaml")])
    assert isinstance(row.totals, Totals)
    assert (row.totals.bytes_in, row.totals.since) == (42, "2026-01-01T00:00:00.000Z")
    world.counters.save()
    assert list(load(world.path)) == [RowId("/p/kfw.yaml", "api")]
