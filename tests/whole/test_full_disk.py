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

from tests.real.running import KFW, until
from tests.whole.program import Program

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
    assert "make room on that disk, or set KFW_HOME" in fix


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
