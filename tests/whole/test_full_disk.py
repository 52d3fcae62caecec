"""A disk that is full at the start, or later: a tmpfs of some pages in a mount namespace of its own, so this needs root."""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kfw.protocol import ADDED
from kfw.sandbox.manifests import deployment, namespace, service
from kfw.sandbox.manifests import port as service_port
from kfw.system.files import is_locked
from kfw.system.ledger import Ledger
from tests.real import talk
from tests.real.running import KFW, until
from tests.whole.place import Place
from tests.whole.program import Program, Row, kill

PAGE = os.sysconf("SC_PAGE_SIZE")
#: $1: pages that are free, $2: what else is done before the command that follows.
_ON_SMALL_DISK = """
set -eu
pages=$1 before=$2
shift 2
mkdir -p "$KFW_HOME"
mount -t tmpfs -o "size=$(((pages + 1) * PAGE))" kfw "$KFW_HOME"
head -c "$PAGE" /dev/zero >"$KFW_HOME/filler"
eval "$before"
exec "$@"
"""

Run = Callable[..., "subprocess.Popen[str]"]


def _may_mount() -> bool:
    try:
        done = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "kfw", "/mnt"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


pytestmark = pytest.mark.skipif(not _may_mount(), reason="a small disk can only be mounted by root")


@pytest.fixture
def kfw() -> Iterator[Program]:
    program = Program("/nonexistent")
    program.env["PAGE"] = str(PAGE)
    try:
        yield program
    finally:
        program.close()


@pytest.fixture
def run(kfw: Program) -> Iterator[Run]:
    """`run(pages, "serve", before="...")`: on a disk with so many pages free. Ended afterwards."""
    running: list[subprocess.Popen[str]] = []

    def begin(pages: int, *arguments: str, before: str = "") -> subprocess.Popen[str]:
        argv = ["unshare", "-m", "sh", "-c", _ON_SMALL_DISK, "sh", str(pages), before, str(KFW), *arguments]
        one = subprocess.Popen(
            argv, env=kfw.env, cwd=kfw.project, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        running.append(one)
        return one

    yield begin
    for one in running:
        one.send_signal(signal.SIGTERM)
        one.communicate(timeout=20)


def inside(one: "subprocess.Popen[str]", path: str, home: Path) -> Path:
    """A file as the process sees it."""
    return Path(f"/proc/{one.pid}/root{home}/{path}")


def ask(path: Path, verb: str, body: object = None) -> Any:
    connection = http.client.HTTPConnection("kfw", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(path))
        connection.request(
            "GET" if body is None else "POST", f"/v1/{verb}", None if body is None else json.dumps(body)
        )
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


#: With so many free pages, the file that does not get one, and the command.
FULL = [
    (0, "run/kfw.lock", ("serve", "--to-log-file")),
    (1, "state/kfw.log", ("serve", "--to-log-file")),
    (2, "state/ledger-", ("serve", "--to-log-file")),
    (3, "run/kfw.pid", ("serve", "--to-log-file")),
    (0, "run/kfw.lock", ("serve",)),
    (1, "state/ledger-", ("serve",)),
    (0, "run/start.lock", ("start",)),
    (1, "state/daemon.out", ("start",)),
]


@pytest.mark.parametrize(("pages", "file", "command"), FULL)
def test_a_disk_that_is_full_at_the_start_names_the_file(
    kfw: Program, run: Run, pages: int, file: str, command: tuple[str, ...]
) -> None:
    one = run(pages, *command)
    out, err = one.communicate(timeout=30)
    assert one.returncode == 1, out + err
    assert "Traceback" not in err
    what, fix = err.strip().splitlines()[-2:]
    assert f"{kfw.home}/{file}" in what
    assert "No space left on device" in what
    assert "free space on that disk, or set KFW_HOME" in fix


def test_start_passes_on_which_file_the_daemon_could_not_write(kfw: Program, run: Run) -> None:
    """There is room for both locks and the daemon's last words, and none for its log."""
    one = run(3, "start")
    _, err = one.communicate(timeout=30)
    assert one.returncode == 1
    assert err.startswith("kfw: cannot start the daemon: ")
    assert f"{kfw.home}/state/" in err and "No space left on device" in err


def test_a_disk_that_fills_up_later_is_a_line_in_status_and_ends_nothing(kfw: Program, run: Run) -> None:
    one = run(8, "serve", "--to-log-file")
    door = inside(one, "run/kfw.sock", kfw.home)
    until(door.exists, 10, lambda: "the daemon is up")
    filler = inside(one, "filler", kfw.home)
    with pytest.raises(OSError, match="No space"), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(PAGE))
    forward = {"name": "a", "target": {"kind": "service", "name": "a"}, "target_port": 80, "local_port": 0}
    ask(door, "up", {"forwards": [{**forward, "context": "none"}], "source": {"key": "k", "cwd": "/"}})
    (said,) = ask(door, "status")["daemon"]["warnings"]
    assert said.startswith("state was not saved; after a restart these forwards will not come back: ")
    assert said.endswith("up.json: No space left on device")
    os.truncate(filler, 0)
    ask(door, "down", {})
    assert ask(door, "status")["daemon"]["warnings"] == []
    assert one.poll() is None


# -- while it runs


WHERE = "full-disk"
METHODS = ("kubectl", "socat", "tunnel", "nodeport")
SMALL, LARGE = 24, 400  # pages

Undo = Callable[[], object]


def full(state: Path, home: Path, ledger: Path) -> Undo:
    filler = home / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(PAGE))
    return lambda: os.truncate(filler, 0)


def state_moved_away(state: Path, home: Path, ledger: Path) -> Undo:
    away = state.with_suffix(".away")
    state.rename(away)
    state.write_text("in its place")

    def undo() -> None:
        state.unlink()
        away.rename(state)

    return undo


def state_in_another_place(state: Path, home: Path, ledger: Path) -> Undo:
    """A link to a place where nothing can be written."""
    away = state.with_suffix(".away")
    state.rename(away)
    state.symlink_to("/proc/self")

    def undo() -> None:
        state.unlink()
        away.rename(state)

    return undo


@pytest.mark.parametrize("fault", [full, state_moved_away, state_in_another_place], ids=lambda f: f.__name__)
def test_while_the_disk_takes_nothing_killed_children_come_back_with_a_warning(
    kfw: Program, run: Run, shared: Place, fault: Callable[[Path, Path, Path], Undo]
) -> None:
    forwards = web(shared)
    one = run(SMALL, "serve", "--to-log-file")
    door = inside(one, "run/kfw.sock", kfw.home)
    until(door.exists, 10, lambda: "the daemon is up")
    source = {"key": ADDED, "cwd": "/"}
    ask(door, "up", {"forwards": forwards, "source": source})
    ports = {forward["name"]: forward["local_port"] for forward in forwards}
    until(lambda: all(row["status"] == "active" for row in rows(door).values()), 15, lambda: str(rows(door)))
    home = inside(one, ".", kfw.home)
    (ledger,) = (home / "state").glob("ledger-*.jsonl")

    undo = fault(home / "state", home, ledger)
    before = {name: rows(door)[name]["pid"] for name in ("kubectl", "socat")}
    for _ in range(20):  # the last page of the ledger may have room for some of them
        kill(before.values())
        for name, pid in before.items():
            until(lambda name=name, pid=pid: is_back(rows(door)[name], pid), 15, lambda: str(rows(door)))  # type: ignore[misc]
        for port in ports.values():
            assert talk.pod_behind(port).startswith("web-")
        before = {name: rows(door)[name]["pid"] for name in before}
        if all(rows(door)[name]["message"] for name in before):
            break
    for name in before:
        row = rows(door)[name]
        assert (row["status"], row["reason"]) == ("active", None)
        assert row["message"].startswith("if kfw is killed now, its child process keeps running: cannot ")
    assert rows(door)["tunnel"]["message"] == rows(door)["nodeport"]["message"] == ""
    ask(door, "up", {"forwards": forwards, "source": source})
    ask(door, "reload", {})

    undo()
    until(
        lambda: not rows(door)["socat"]["message"],
        10,
        lambda: str(rows(door)) + (home / "state" / "kfw.log").read_text(),
    )
    until(lambda: not ask(door, "status")["daemon"]["warnings"], 10, lambda: str(ask(door, "status")))
    assert rows(door)["kubectl"]["message"] == ""
    known = {entry.pid for entry in Ledger(ledger).entries()}
    assert {rows(door)[name]["pid"] for name in before} <= known
    assert '"nodeport"' in (home / "state" / "up.json").read_text()
    log = (home / "state" / "kfw.log").read_text()
    assert log.count("only this kfw knows which child processes run") <= 1
    assert "Traceback" not in log
    assert one.poll() is None


@pytest.mark.parametrize("kind", ["deleted", "directory"])
def test_a_ledger_that_somebody_took_away_stops_no_child_and_is_written_again(
    kfw: Program, run: Run, shared: Place, kind: str
) -> None:
    forwards = web(shared)
    one = run(LARGE, "serve", "--to-log-file")
    door = inside(one, "run/kfw.sock", kfw.home)
    until(door.exists, 10, lambda: "the daemon is up")
    ask(door, "up", {"forwards": forwards, "source": {"key": "k", "cwd": "/"}})
    until(lambda: all(row["status"] == "active" for row in rows(door).values()), 15, lambda: str(rows(door)))
    (ledger,) = inside(one, "state", kfw.home).glob("ledger-*.jsonl")
    for file in (ledger, ledger.with_suffix(".lock")):
        file.unlink()
    if kind == "directory":
        (ledger / "inside").mkdir(parents=True)
    before = rows(door)["kubectl"]["pid"]
    kill([before])
    until(lambda: rows(door)["kubectl"]["pid"] not in (None, before), 15, lambda: str(rows(door)))
    pids = {row["pid"] for row in rows(door).values() if row["pid"]}
    assert pids <= {entry.pid for entry in Ledger(ledger).entries()}
    assert is_locked(ledger.with_suffix(".lock"))  # else the next kfw would end what runs here
    assert [row["message"] for row in rows(door).values()] == [""] * len(METHODS)


def web(shared: Place) -> list[dict[str, Any]]:
    """A deployment, and forwards to it as the socket takes them."""
    shared.apply(
        namespace(WHERE),
        deployment(WHERE, "web", ports={"http": 8080}),
        service(WHERE, "web", service_port(80, "http")),
    )
    context = yaml.safe_load(shared.kubeconfig.read_text())["current-context"]
    to = {"target": {"kind": "service", "name": "web"}, "target_port": 80, "namespace": WHERE}
    retry = {"initial_delay": 0.05, "max_delay": 0.05}
    mine = {**to, "context": context, "kubeconfig": [str(shared.kubeconfig)], "retry": retry}
    ports = talk.free_ports(len(METHODS))
    return [
        {**mine, "name": method, "method": method, "local_port": port}
        for method, port in zip(METHODS, ports, strict=True)
    ]


def is_back(row: Row, killed: int) -> bool:
    return row["pid"] not in (None, killed) and row["status"] == "active"


def rows(door: Path) -> dict[str, Any]:
    return {row["name"]: row for row in ask(door, "status")["forwards"]}
