"""kfw against API servers that misbehave in every way that tests/kube/hostile.py knows.

Whatever a server does: `status` answers, the row says why, memory stays small, and all is well soon after it is good.
"""

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, port, service
from kfw.sandbox.manifests import namespace as namespace_object
from tests.kube import certificates
from tests.kube.hostile import MODES, admin, interposer, kubeconfig
from tests.kube.interposer import Interposer
from tests.real import talk
from tests.real.running import until
from tests.stopwatch import Stopwatch
from tests.whole.place import Place
from tests.whole.program import Program, Row

Make = Callable[..., Program]

#: Seconds: an answer of `status`; a row without a word; until a reason is told; until it works again.
STATUS, UNEXPLAINED, REASON, AGAIN = 1.0, 3.0, 10.0, 10.0
MOST_RSS, GROWTH = 100e6, 10e6
#: Of one processor, while a server does its worst.
MOST_PROCESSOR = 0.5

ALONE = [name for name, mode in MODES.items() if mode.storm]
_TOGETHER = [name for name, mode in MODES.items() if not mode.storm]
#: In as many groups, so that a small machine has the time for one.
GROUPS = 3


NAMESPACE = "hostile"


@pytest.fixture(scope="module", autouse=True)
def _web(shared: Place) -> Iterator[None]:
    """What is behind the servers once they are good."""
    shared.apply(
        namespace_object(NAMESPACE),
        deployment(NAMESPACE, "web", ports={"http": 8080}),
        service(NAMESPACE, "web", port(80, "http")),
    )
    yield
    shared.do(lambda sandbox: sandbox.delete("namespaces", "", NAMESPACE))


def forward_name(mode: str) -> str:
    return mode.replace(".", "-")


@contextmanager
def hostile(shared: Place, folder: Path, modes: Collection[str]) -> Iterator[dict[str, Interposer]]:
    """A server for each mode, and `folder`/kubeconfig, whose contexts lead to them."""
    upstream = ("127.0.0.1", shared.do(lambda sandbox: sandbox.port), admin(shared))
    servers = {name: interposer(upstream, MODES[name]) for name in modes}
    try:
        for server in servers.values():
            shared.run(server.start())
        (folder / "kubeconfig").write_text(kubeconfig(servers, certificates.ca()))
        yield servers
    finally:
        for server in servers.values():
            shared.run(server.close())


def forwards_to(modes: Collection[str]) -> dict[str, dict[str, object]]:
    """By tunnel: the nodes' ports do not need the API server."""
    locals_ = talk.free_ports(len(modes))
    return {
        forward_name(name): {
            "target": "service/web",
            "namespace": NAMESPACE,
            "context": name,
            "localPort": port,
            "method": "tunnel",
        }
        for name, port in zip(modes, locals_, strict=True)
    }


class Observer:
    """Looks at `status` again and again, and remembers what was wrong with it."""

    def __init__(self, kfw: Program, servers: int) -> None:
        """`servers`: the thread that they run in."""
        self._kfw = kfw
        self._others = servers, kfw.daemon_pid()
        self._silent: dict[str, Stopwatch] = {}
        self.unexplained: dict[str, float] = {}
        self.slowest = 0.0

    def look(self) -> dict[str, Row]:
        watch = self.stopwatch()
        rows = self._kfw.rows()
        self.slowest = max(self.slowest, watch.seconds())
        for name, row in rows.items():
            if row["status"] not in ("starting", "reconnecting") or row["message"]:
                self._silent.pop(name, None)
                continue
            seconds = self._silent.setdefault(name, self.stopwatch()).seconds()
            if seconds > UNEXPLAINED:
                self.unexplained[name] = max(self.unexplained.get(name, 0.0), seconds)
        return rows

    def stopwatch(self) -> Stopwatch:
        return Stopwatch(os.getpid(), *self._others)

    def until(self, true: Callable[[dict[str, Row]], bool], within: float) -> dict[str, Row]:
        """The rows, then or at the end of that time."""
        watch = self.stopwatch()
        while not true(rows := self.look()) and watch.seconds() < within:
            time.sleep(0.1)
        return rows


def is_told(mode: str, row: Row | None) -> bool:
    if row is None:
        return False
    if MODES[mode].harmless and row["status"] == "active":
        return True
    return row["status"] != "active" and bool(row["reason"])


@pytest.mark.parametrize("group", range(GROUPS))
def test_each_of_many_hostile_servers_is_told_and_its_forward_comes_back_when_it_is_good(
    shared: Place, make_kfw: Make, tmp_path: Path, group: int
) -> None:
    names = _TOGETHER[group::GROUPS]
    with hostile(shared, tmp_path, names) as servers:
        kfw = make_kfw(tmp_path / "kubeconfig")
        kfw.up(forwards_to(names), "--no-wait")
        observer = Observer(kfw, shared.thread_id)

        told = set[str]()

        def all_told(rows: dict[str, Row]) -> bool:
            told.update(name for name in names if is_told(name, rows.get(forward_name(name))))
            return len(told) == len(names)

        rows = observer.until(all_told, REASON)
        assert "\n".join(words(rows, name) for name in names if name not in told) == ""

        harmless = [name for name in names if MODES[name].harmless]
        rows = observer.until(lambda rows: all(is_active(rows, name) for name in harmless), AGAIN)
        assert "\n".join(words(rows, name) for name in harmless if not is_active(rows, name)) == ""

        late = list[str]()
        turned = dict[str, Stopwatch]()
        for name, server in servers.items():
            shared.run(server.turn_good())
            turned[name] = observer.stopwatch()
            observer.look()
        for name in servers:
            left = AGAIN - turned[name].seconds()
            row = observer.until(lambda rows, name=name: is_active(rows, name), max(left, 0.0))
            if not is_active(row, name):
                late.append(words(row, name))
        assert "\n".join(late) == ""
        assert observer.unexplained == {}
        assert observer.slowest < STATUS


def words(rows: dict[str, Row], mode: str) -> str:
    """For who reads a failure."""
    row = rows.get(forward_name(mode), {})
    return f"{mode}: {row.get('status')} {row.get('reason')} {row.get('message')}"


def is_active(rows: dict[str, Row], mode: str) -> bool:
    return bool(rows[forward_name(mode)]["status"] == "active")


@pytest.fixture(scope="module")
def alone(shared: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Path]]:
    """A daemon for the servers that are looked at one by one, with one forward that is well all the time."""
    folder = tmp_path_factory.mktemp("alone")
    program = Program(folder / "kubeconfig")
    try:
        yield program, folder
    finally:
        program.close()


@pytest.mark.parametrize("mode", ALONE)
def test_a_server_that_never_stops_costs_little_memory_and_processor_and_gives_both_back(
    shared: Place, alone: tuple[Program, Path], mode: str
) -> None:
    kfw, folder = alone
    with hostile(shared, folder, [mode, "closed-port"]) as servers:
        shared.run(servers["closed-port"].turn_good())
        entries = forwards_to(servers)
        kfw.up({"closed-port": entries["closed-port"]})
        before = rss(kfw)
        kfw.up(entries, "--no-wait")
        observer = Observer(kfw, shared.thread_id)
        name = forward_name(mode)

        rows = observer.until(lambda rows: is_told(mode, rows.get(name)), REASON)
        assert is_told(mode, rows[name]), words(rows, mode)
        if MODES[mode].harmless:
            rows = observer.until(lambda rows: is_active(rows, mode), AGAIN)
            assert is_active(rows, mode), words(rows, mode)

        began, used, most = time.monotonic(), processor(kfw), 0.0
        while time.monotonic() - began < 2:
            most = max(most, rss(kfw))
            observer.look()
            time.sleep(0.05)
        share = (processor(kfw) - used) / (time.monotonic() - began)
        assert is_active(rows, "closed-port")

        shared.run(servers[mode].turn_good())
        rows = observer.until(lambda rows: is_active(rows, mode), AGAIN)
        assert is_active(rows, mode), words(rows, mode)
        until(lambda: rss(kfw) < before + GROWTH, AGAIN, lambda: f"{rss(kfw)} is not far beyond {before}")
        assert most < MOST_RSS
        assert share < MOST_PROCESSOR
        assert observer.slowest < STATUS
        assert observer.unexplained == {}


def rss(kfw: Program) -> float:
    """Bytes of memory that the daemon has."""
    pages = Path(f"/proc/{kfw.daemon_pid()}/statm").read_text().split()[1]
    return int(pages) * 4096.0


def processor(kfw: Program) -> float:
    """Seconds that the daemon has used (proc_pid_stat(5): utime and stime in hundredths)."""
    fields = Path(f"/proc/{kfw.daemon_pid()}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
