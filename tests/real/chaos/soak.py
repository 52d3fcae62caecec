"""usage: python -m tests.real.chaos.soak [--minutes 60] [--seed N] [--cluster NAME]

Two forwards by each method under load, and a random fault every 30 s. A line a minute. Exit code 1 when something needed a
hand, or when memory or descriptors of the daemon grew in the last half. Ctrl+C takes all back.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.real import rig as rigs
from tests.real import talk
from tests.real.chaos import scene as scenes
from tests.real.chaos import watch
from tests.real.chaos.__main__ import be_interruptible
from tests.real.chaos.cell import METHODS
from tests.real.chaos.faults import FAULTS, Fault
from tests.real.chaos.load import Plan, Records, clients
from tests.real.chaos.measure import GRACE
from tests.real.chaos.scene import Cluster, Scene
from tests.real.running import until
from tests.whole.program import Row

#: The daemon lives on, on a disk that is as it is, with a login of its own.
FAULTS_LEFT_OUT = ("daemon-killed", "disk-full", "login-revoked")
#: Seconds between the beginnings of two faults, at least.
EVERY = 30.0
#: Load stops so often, and what the daemon has without clients is measured.
PARTS = 10
#: MB, descriptors and connections to the API server that the daemon may have more at the end of the last half.
GROWTH = {"MB": 1.0, "descriptors": 3.0, "links": 24.0}
#: New connections a second to each of eight forwards, and live ones.
RATE, LIVE = 5.0, 2


@dataclass
class Course:
    """What came of it so far. `quiet`: (MB, descriptors, links) at the end of each part."""

    tried: int = 0
    failed: int = 0
    live_lost: int = 0
    faults: int = 0
    last: str = ""
    hands: list[str] = field(default_factory=list)
    quiet: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, records: Records) -> None:
        new = [one for one in records.attempts if not one.live]
        self.tried += len(new)
        self.failed += sum(not one.ok for one in new)
        self.live_lost += sum(one.live and one.words > 0 for one in records.attempts)


def growth(values: Sequence[float]) -> float:
    """Over the last half of equally spaced values, by the straight line through them."""
    last = values[len(values) // 2 :]
    middle_x, middle_y = (len(last) - 1) / 2, sum(last) / len(last)
    spread = sum((x - middle_x) ** 2 for x in range(len(last)))
    slope = sum((x - middle_x) * (y - middle_y) for x, y in enumerate(last)) / spread if spread else 0.0
    return slope * (len(last) - 1)


def wrong(course: Course) -> list[str]:
    """Sentences about what does not hold."""
    said = [f"needed a hand: {hand}" for hand in course.hands]
    for (unit, allowed), values in zip(GROWTH.items(), zip(*course.quiet, strict=True), strict=False):
        if (more := growth(values)) >= allowed:
            said.append(f"{more:.1f} {unit} more at the end of the last half: {values}")
    return said


def faults() -> list[Fault]:
    return [fault for fault in FAULTS.values() if not any(name in fault.name for name in FAULTS_LEFT_OUT)]


def soak(cluster: Cluster, minutes: float, rng: random.Random) -> Course:
    course, began = Course(), time.monotonic()
    with scenes.scene(cluster, METHODS, user="account", rng=rng) as place:
        more = _bring_the_demo(place)
        plan = Plan(str(place.program.folder / "load"), _targets(place, more), RATE, LIVE)
        told = Told(place, course, began)
        for part in range(1, PARTS + 1):
            with clients(plan) as records:
                while time.monotonic() < began + 60 * minutes * part / PARTS:
                    _one_fault(place, rng.choice(faults()), course, began)
                    told.each_minute()
            course.add(records)
            files, links = watch.open_files(place.program.daemon_pid(), cluster.rig.api_port)
            course.quiet.append((watch.memory(place.program.daemon_pid()), files, links))
    return course


class Told:
    """A line a minute."""

    def __init__(self, place: Scene, course: Course, began: float) -> None:
        self._place = place
        self._course = course
        self._began = began
        self._next = began + 60

    def each_minute(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 60
        course, rss = self._course, watch.memory(self._place.program.daemon_pid())
        rows = self._place.program.rows().values()
        lost = sum(row["lostConnections"] for row in rows)
        active = sum(row["status"] == "active" for row in rows)
        print(
            f"{(time.monotonic() - self._began) / 60:5.1f} min: {course.faults} faults, the last {course.last}, "
            f"{active} of {len(rows)} active, "
            f"{sum(row['totalConnections'] for row in rows)} connections ({lost} lost), {rss:.1f} MB, "
            f"{len(course.hands)} hands",
            flush=True,
        )


def _bring_the_demo(place: Scene) -> dict[str, int]:
    """The second forward by each method."""
    ports = dict(zip(METHODS, talk.free_ports(len(METHODS)), strict=True))
    for method, port in ports.items():
        argv = ("add", f"demo-{method}", "service/multi", f"{port}:echo", "-n", "demo", "--method", method)
        place.program(*argv)
    return {f"demo-{method}": port for method, port in ports.items()}


def _targets(place: Scene, more: dict[str, int]) -> dict[str, tuple[str, int]]:
    mine = {name: port for name, port in place.ports.items() if name in METHODS} | more
    return {name: ("127.0.0.1", port) for name, port in mine.items()}


def _one_fault(place: Scene, fault: Fault, course: Course, began: float) -> None:
    """Then all forwards must be active, and answer, by themselves."""
    start = time.monotonic()
    course.faults, course.last = course.faults + 1, fault.name
    with fault.act(place):
        time.sleep(min(fault.hold, 10))
    names = [*METHODS, *(f"demo-{method}" for method in METHODS)]
    _cluster_is_well(place.cluster)
    end = time.monotonic()
    bad = dict.fromkeys(names, "")
    while bad and time.monotonic() < end + GRACE:
        rows = place.program.rows()
        bad = {name: _trouble(rows.get(name, {})) for name in names if _trouble(rows.get(name, {}))}
        time.sleep(0.2)
    for name, why in bad.items():
        said = f"{(start - began) / 60:.1f} min, {fault.name}: {name} {why}"
        print(f"   NEEDS A HAND: {said}", flush=True)
        course.hands.append(said)
    if bad:
        place.program("restart", code=None)
    time.sleep(max(0.0, start + EVERY - time.monotonic()))


def _trouble(row: Row) -> str:
    if row.get("status") != "active":
        return f"says {row.get('status')} ({row.get('reason')})"
    return "" if scenes.answers(row["localPort"]) else "does not answer"


def _cluster_is_well(cluster: Cluster) -> None:
    """Faults of nodes and pods go on for a while after their end; that is not kfw's time."""
    until(lambda: len(cluster.nodes()) == 2, 60, lambda: "two ready nodes", pause=0.5)
    cluster.ready_pods(2, 60)
    cluster.kubectl("rollout", "status", "deployment/web", "-n", "demo", "--timeout=60s", timeout=60)


def main(argv: Sequence[str]) -> int:
    be_interruptible()
    parser = argparse.ArgumentParser(prog="python -m tests.real.chaos.soak", description="Random faults.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--cluster", default="kfw-soak", help="a cluster of the rig that is made for it")
    asked = parser.parse_args(argv)
    print(f"seed {asked.seed}", flush=True)
    cluster = Cluster(rigs.up(asked.cluster))
    try:
        cluster.prepare()
        course = soak(cluster, asked.minutes, random.Random(asked.seed))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        rigs.cluster("down", asked.cluster)
    print(
        f"{course.faults} faults, {course.failed} of {course.tried} new connections failed, "
        f"{course.live_lost} live ones lost; "
        f"MB, descriptors, links: {course.quiet}"
    )
    said = wrong(course)
    print("\n".join(said) or "all holds")
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
