"""Children as the daemon has them: real processes, some of them stubs (tests/stubs)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from kfw.errors import ToolMissing
from kfw.system import process
from kfw.system.ledger import Ledger
from kfw.system.process import Children, use_pidfd_watcher
from kfw.system.process_identity import MARKER, everybody, look
from tests.stopwatch import Stopwatch
from tests.stubs import FOREVER, Heard, Stubs, eventually
from tests.system.test_files import no_file_longer_than
from tests.until import until


@pytest_asyncio.fixture
async def children(ledger: Ledger) -> AsyncIterator[Children]:
    made = Children(ledger)
    yield made
    await made.stop_all(0)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After each test none of its processes is alive; a kfw that somebody else runs here has children, too."""
    monkeypatch.setenv("KFW_TEST_IN", str(tmp_path))
    yield
    deadline = time.monotonic() + 5
    while (
        left := [seen for seen in everybody() if _is_of(tmp_path, seen.pid)]
    ) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == []


def _is_of(test: Path, pid: int) -> bool:
    try:
        return f"KFW_TEST_IN={test}".encode() in (proc(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def proc(pid: int) -> Path:
    return Path(f"/proc/{pid}")


def open_files(pid: int) -> dict[int, str]:
    found = {}
    for fd in (proc(pid) / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed by now
            found[int(fd.name)] = str(fd.readlink())
    return found


def name(pid: int) -> str:
    return (proc(pid) / "comm").read_text().strip()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.asyncio
async def test_a_child_gets_its_arguments_its_marker_and_no_stdin(children: Children, stubs: Stubs):
    stubs.script("kubectl", FOREVER)
    child = await children.start(["kubectl", "get", "pods; rm -rf /"], label="api", env={"KUBECONFIG": "/x"})
    await eventually(lambda: stubs.calls("kubectl"))
    call = stubs.calls("kubectl")[0]
    assert call.argv == ["get", "pods; rm -rf /"]
    assert call.pid == child.pid
    assert call.env["KUBECONFIG"] == "/x"
    assert call.env[MARKER] == child.entry.marker
    assert child.argv == ("kubectl", "get", "pods; rm -rf /")
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    assert open_files(child.pid)[0] == "/dev/null"


@pytest.mark.asyncio
async def test_a_child_is_found_and_runs_in_the_environment_of_whoever_wants_it(
    children: Children, tmp_path: Path
):
    tool = tmp_path / "tool-of-another-shell"
    tool.write_text("#!/bin/sh\nenv\n")
    tool.chmod(0o755)
    heard = Heard()
    base = {"PATH": f"{tmp_path}:/usr/bin:/bin", "AWS_PROFILE": "dev", "KFW_TEST_IN": str(tmp_path)}
    child = await children.start([tool.name], label="x", base=base, env={"KUBECONFIG": "/k"}, on_line=heard)
    assert await child.wait() == 0
    told = dict(line.partition("=")[::2] for _, line in heard)
    assert told.keys() - {"_", "PWD", "SHLVL", "OLDPWD"} == {*base, "KUBECONFIG", MARKER}
    assert (told["AWS_PROFILE"], told["KUBECONFIG"]) == ("dev", "/k")
    with pytest.raises(ToolMissing, match="cannot find tool-of-another-shell on PATH"):
        await children.start([tool.name], label="x")


@pytest.mark.asyncio
async def test_a_child_has_none_of_our_files_open(children: Children):
    ours = os.open("/etc/hosts", os.O_RDONLY)
    os.set_inheritable(ours, True)
    child = await children.start(["sleep", "60"], label="api")
    await eventually(lambda: name(child.pid) == "sleep" and sorted(open_files(child.pid)) == [0, 1, 2])
    os.close(ours)


@pytest.mark.asyncio
async def test_output_comes_line_by_line_with_the_name_of_its_stream(children: Children, stubs: Stubs):
    stubs.script(
        "kubectl", {"out": "one"}, {"err": "\x1b[31mtwo\x1b[0m"}, {"bytes": ["stdout", "no newline", 1]}
    )
    heard = Heard()
    child = await children.start(["kubectl"], label="api", on_line=heard)
    assert await child.wait() == 0
    assert sorted(heard) == [("stderr", "two"), ("stdout", "no newline"), ("stdout", "one")]
    assert child.last_words() == "two"


@pytest.mark.asyncio
async def test_the_last_twenty_lines_of_stderr_are_its_last_words(children: Children, stubs: Stubs):
    stubs.script("kubectl", *({"err": f"line {n}"} for n in range(30)), {"err": "  "}, {"exit": 3})
    child = await children.start(["kubectl"], label="api")
    assert await child.wait() == 3
    assert child.last_words().splitlines() == [f"line {n}" for n in range(10, 30)]
    assert child.how_it_ended() == "kubectl exited with code 3"


@pytest.mark.asyncio
async def test_FR_MON_05_long_lines_and_bytes_that_are_not_UTF_8_survive(children: Children, stubs: Stubs):
    stubs.script("kubectl", {"bytes": ["stdout", "x" * 200_000 + "\n\xff\xfe\n", 1]})
    heard = Heard()
    child = await children.start(["kubectl"], label="api", on_line=heard)
    await child.wait()
    assert "".join(line for _, line in heard) == "x" * 200_000 + "\ufffd\ufffd"


@pytest.mark.asyncio
async def test_NFR_REL_01_ten_megabytes_neither_block_nor_stay(children: Children, stubs: Stubs):
    stubs.script(
        "kubectl", {"bytes": ["stderr", "spew" * 16_000, 164]}, {"bytes": ["stdout", "x\n" * 1000, 10]}
    )
    size, longest = 0, 0.0

    def count(stream: str, line: str) -> None:
        nonlocal size
        size += len(line) if stream == "stderr" else 0

    child = await children.start(["kubectl"], label="api", on_line=count)
    over = asyncio.ensure_future(child.wait())
    while not over.done():
        watch = Stopwatch()
        await asyncio.sleep(0)
        longest = max(longest, watch.seconds())
    assert size == 164 * 64_000
    assert len(child.last_words()) <= 20 * 65537
    assert longest < 0.3


@pytest.mark.asyncio
async def test_KB5_an_exit_is_noticed_as_an_event_with_its_last_words(children: Children, stubs: Stubs):
    stubs.script("kubectl", {"err": "error: lost connection to pod"}, FOREVER)
    heard = Heard()
    child = await children.start(["kubectl"], label="api", on_line=heard)
    await heard.until("lost connection")
    watch = Stopwatch()
    os.kill(child.pid, signal.SIGKILL)
    assert await child.wait() == -9
    assert watch.seconds() < 1
    assert child.how_it_ended() == "kubectl was killed by SIGKILL"
    assert child.last_words() == "error: lost connection to pod"


@pytest.mark.asyncio
async def test_several_may_wait_and_giving_up_does_not_end_the_others(children: Children):
    child = await children.start(["sleep", "60"], label="api")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(child.wait(), 0.01)
    waiting = [asyncio.ensure_future(child.wait()) for _ in range(2)]
    await child.stop()
    assert await asyncio.gather(*waiting) == [-15, -15]


@pytest.mark.asyncio
async def test_stopping_twice_is_harmless_and_leaves_the_ledger_empty(children: Children, ledger: Ledger):
    child = await children.start(["sleep", "60"], label="api")
    assert [entry.pid for entry in ledger.entries()] == [child.pid]
    await asyncio.gather(child.stop(), child.stop())
    await child.stop()
    assert ledger.entries() == []
    assert not child.running
    assert len(ledger.path.read_text().splitlines()) == 3


@pytest.mark.asyncio
async def test_a_child_that_ignores_TERM_is_killed_after_the_grace(children: Children, stubs: Stubs):
    stubs.script("kubectl", {"ignore": "TERM"}, {"out": "deaf"}, FOREVER)
    heard = Heard()
    child = await children.start(["kubectl"], label="api", on_line=heard)
    await heard.until("deaf")
    watch, before = Stopwatch(), time.monotonic()
    await child.stop(grace=0.1)
    assert time.monotonic() - before >= 0.1 and watch.seconds() < 2
    assert await child.wait() == -9


@pytest.mark.asyncio
async def test_stopping_ends_what_the_child_left_in_its_group(
    children: Children, stubs: Stubs, ledger: Ledger
):
    stubs.script("socat", {"leave_behind": 60}, {"out": "forked"}, FOREVER)
    heard = Heard()
    child = await children.start(["socat"], label="api", on_line=heard)
    await heard.until("forked")
    group = [seen.pid for seen in everybody() if seen.group == child.pid]
    assert len(group) == 2
    await child.stop()
    assert [pid for pid in group if look(pid)] == []
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_stopping_a_child_that_has_crashed_ends_what_it_left(
    children: Children, stubs: Stubs, ledger: Ledger
):
    stubs.script("socat", {"leave_behind": 60}, {"exit": 1})
    child = await children.start(["socat"], label="api")
    assert await child.wait() == 1
    assert [entry.pid for entry in ledger.entries()] == [child.pid]
    left = [seen.pid for seen in everybody() if seen.group == child.pid]
    assert len(left) == 1
    await child.stop()
    assert look(left[0]) is None
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_a_cancelled_stop_kills_at_once(children: Children, stubs: Stubs, ledger: Ledger):
    stubs.script("kubectl", {"ignore": "TERM"}, {"leave_behind": 60}, {"out": "deaf"}, FOREVER)
    heard = Heard()
    child = await children.start(["kubectl"], label="api", on_line=heard)
    await heard.until("deaf")
    stopping = asyncio.ensure_future(child.stop(grace=60))
    await asyncio.sleep(0.01)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await asyncio.wait_for(child.wait(), 1) == -9
    assert [seen for seen in everybody() if seen.group == child.pid] == []
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_B17_a_stranger_with_the_same_command_lives_on(
    children: Children, stranger: subprocess.Popen[bytes]
):
    child = await children.start(["sleep", "60"], label="api")
    await child.stop()
    assert stranger.poll() is None


@pytest.mark.asyncio
async def test_a_group_whose_number_belongs_to_a_stranger_now_is_not_killed(
    children: Children, stranger: subprocess.Popen[bytes]
):
    """After the child is gone its pid may be given to somebody who leads a group of the same number."""
    child = await children.start(["true"], label="api")
    await child.wait()
    child.pid = stranger.pid
    child.entry = replace(child.entry, pid=stranger.pid)
    await child.stop()
    assert stranger.poll() is None


@pytest.mark.asyncio
async def test_NFR_REL_01_two_hundred_crashes_leave_nothing(children: Children, stubs: Stubs, ledger: Ledger):
    argv = ["sh", "-c", "echo no >&2; exit 1"]
    opened = len(list((proc(os.getpid()) / "fd").iterdir()))
    for _ in range(200):
        child = await children.start(argv, label="api")
        assert await child.wait() == 1
        assert child.last_words() == "no"
        await child.stop()
    assert ledger.entries() == []
    assert len(list((proc(os.getpid()) / "fd").iterdir())) <= opened + 1
    assert threading.active_count() < 10


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: None, "cannot find oddtool on PATH"),
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.touch(0o644), "is not executable"),
    ],
)
async def test_NFR_REL_01_what_cannot_be_run_says_why(children, ledger, tmp_path, make, what):
    make(tmp_path / "oddtool")
    with pytest.raises(ToolMissing, match=what):
        await children.start(["oddtool"], label="api", env={"PATH": str(tmp_path)})
    assert ledger.entries() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("prefix", [(), None], ids=["plain", "by setpriv"])
async def test_a_file_that_is_no_program_ends_in_an_error(children, ledger, tmp_path, monkeypatch, prefix):
    if prefix is not None:
        monkeypatch.setattr(process, "_setpriv", lambda: prefix)
    tool = tmp_path / "oddtool"
    tool.write_bytes(b"#!/nowhere/to/be/found\n")
    tool.chmod(0o755)
    try:
        child = await children.start([str(tool)], label="api")
    except ToolMissing as error:
        assert error.what.startswith(f"cannot run {tool}: ")
    else:
        assert await child.wait() == 127
        assert "No such file" in child.last_words()
        await child.stop()
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_a_child_starts_though_the_ledger_cannot_be_written_and_is_in_it_when_it_can(
    children: Children, ledger: Ledger, stubs: Stubs, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(process, "LEDGER_LOOK", 0.05)
    stubs.script("kubectl", FOREVER)
    with no_file_longer_than(10):
        child = await children.start(["kubectl"], label="api")
        assert child.running
        assert "its child process keeps running: cannot write" in child.warning
        await asyncio.sleep(0.1)
        assert child.warning
    await until(lambda: not child.warning)
    assert ledger.entries() == [child.entry]
    await child.stop()


@pytest.mark.asyncio
async def test_a_ledger_that_was_taken_away_is_there_again_soon(
    children: Children, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(process, "LEDGER_LOOK", 0.05)
    child = await children.start(["sleep", "60"], label="api")
    ledger.path.unlink()
    await until(ledger.path.exists)
    assert ledger.entries() == [child.entry]
    await child.stop()


@pytest.mark.asyncio
async def test_a_start_that_is_cancelled_leaves_nothing(children: Children, ledger: Ledger):
    for turns in range(8):
        starting = asyncio.ensure_future(children.start(["sleep", "60"], label="api"))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
        if not starting.cancelled():
            await starting.result().stop()
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_stop_all_stops_all(children: Children, ledger: Ledger):
    started = [await children.start(["sleep", "60"], label=f"c{n}") for n in range(5)]
    await children.stop_all()
    assert [child.running for child in started] == [False] * 5
    assert ledger.entries() == []


DAEMON = """
import asyncio, json, sys
from pathlib import Path
from kfw.system.ledger import Ledger
from kfw.system.process import Children, use_pidfd_watcher
async def main():
    child = await Children(Ledger(Path(sys.argv[1]))).start(json.loads(sys.argv[2]), label="api")
    print(child.pid, flush=True)
    await asyncio.sleep(60)
use_pidfd_watcher()
asyncio.run(main())
"""


def daemon_killed_with_a_child(ledger: Ledger, argv: list[str], processes: int) -> list[int]:
    """Returns what was in the child's group when the daemon got its SIGKILL."""
    line = [sys.executable, "-c", DAEMON, str(ledger.path), json.dumps(argv)]
    daemon = subprocess.Popen(line, stdout=subprocess.PIPE)
    assert daemon.stdout
    pid = int(daemon.stdout.readline())
    deadline = time.monotonic() + 5
    while len(group := [seen.pid for seen in everybody() if seen.group == pid]) < processes:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    daemon.kill()
    daemon.communicate()
    return group


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 1
    while look(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return look(pid) is None


@pytest.mark.skipif(not process._setpriv(), reason="no setpriv that can do it")
def test_A13_a_child_ends_when_the_daemon_is_killed(ledger: Ledger):
    (pid,) = daemon_killed_with_a_child(ledger, ["sleep", "60"], 1)
    assert wait_until_gone(pid)
    assert ledger.reclaim() == []


def test_A13_what_outlives_a_killed_daemon_is_ended_by_the_next_one(ledger: Ledger):
    """Like socat with open connections: the parent gets the signal, its forks do not."""
    group = daemon_killed_with_a_child(ledger, ["sh", "-c", "sleep 60 & sleep 61"], 3)
    assert [entry.pid for entry in ledger.reclaim()] == [min(group)]
    assert all(wait_until_gone(pid) for pid in group)
    assert ledger.entries() == []


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="it is the default there")
def test_with_the_pidfd_watcher_a_child_costs_no_thread(ledger: Ledger):
    before = asyncio.get_child_watcher()
    try:
        use_pidfd_watcher()
        assert asyncio.run(_threads_beside_a_child(ledger)) == threading.active_count()
    finally:
        asyncio.set_child_watcher(before)


async def _threads_beside_a_child(ledger: Ledger) -> int:
    child = await Children(ledger).start(["sleep", "60"], label="api")
    threads = threading.active_count()
    await child.stop()
    return threads
