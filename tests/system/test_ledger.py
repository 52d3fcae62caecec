"""The ledger ends what a killed daemon left behind, and nobody else. Its processes are real ones."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from kfw.errors import KfwError
from kfw.system import ledger as book
from kfw.system.ledger import Ledger, LedgerEntry, fold, members
from kfw.system.process_identity import MARKER, SeenProcess, look
from tests.system.test_files import no_file_longer_than

Popen = subprocess.Popen[bytes]
Start = Callable[..., Popen]

SLEEP = ("sleep", "300")
#: Seconds for a process that has been ended to be gone; the machine may be busy.
SOON = 10
#: Like socat: the parent forks a connection and sleeps; both have the same arguments.
FORKS = ("sh", "-c", "sleep 301 & sleep 302")
#: Makes the file $0 when the trap stands.
STUBBORN = ("sh", "-c", "trap '' TERM; : >\"$0\"; while :; do sleep 0.05; done")


@pytest.fixture
def start() -> Iterator[Start]:
    """`start(argv, marker)`: a process in a group of its own, whose parent is not the code under test."""
    started: list[Popen] = []

    def one(argv: Sequence[str], marker: str | None = None) -> Popen:
        env = {**os.environ, **({MARKER: marker} if marker else {})}
        started.append(subprocess.Popen(argv, env=env, start_new_session=True))
        return started[-1]

    yield one
    for child in started:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def begin(ledger: Ledger, start: Start, argv: Sequence[str] = SLEEP) -> tuple[LedgerEntry, Popen]:
    entry = ledger.intend(argv, "api")
    child = start(argv, entry.marker)
    return ledger.started(entry, child.pid), child


def ended(child: Popen) -> bool:
    return child.poll() is not None


def test_an_entry_is_there_from_the_intent_to_the_end(ledger: Ledger):
    entry = ledger.intend(["socat", "-d"], "api")
    assert ledger.entries() == [entry]
    assert ledger.path.stat().st_mode & 0o777 == 0o600
    running = ledger.started(entry, os.getpid())
    assert ledger.entries() == [running]
    assert running.pid == os.getpid()
    assert running.start
    ledger.ended(running)
    assert ledger.entries() == []


def test_A13_what_a_killed_daemon_left_is_ended_and_named(ledger: Ledger, start: Start):
    entry, child = begin(ledger, start)
    assert Ledger(ledger.path).reclaim() == [entry]
    child.wait(SOON)
    assert child.returncode == -signal.SIGTERM
    assert ledger.entries() == []
    assert str(entry) == f"api: sleep 300 (pid {child.pid})"


def test_B20_a_child_that_was_started_but_not_yet_written_down_is_found_by_its_marker(
    ledger: Ledger, start: Start
):
    entry = ledger.intend(SLEEP, "api")
    child = start(SLEEP, entry.marker)
    assert ledger.reclaim() == [entry]
    child.wait(SOON)


def test_B18_forked_connections_are_ended_although_their_parent_is_dead(ledger: Ledger, start: Start):
    entry, parent = begin(ledger, start, FORKS)
    while len(group := members(entry, book.everybody())) < 3:
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    assert ledger.reclaim() == [entry]
    assert [seen for pid in (one.pid for one in group) if (seen := look(pid))] == []


def test_what_ignores_TERM_is_killed_after_the_grace(ledger: Ledger, start: Start, tmp_path: Path):
    trapped = tmp_path / "trapped"
    entry, child = begin(ledger, start, (*STUBBORN, str(trapped)))
    while not trapped.exists():
        time.sleep(0.01)
    before = time.monotonic()
    assert ledger.reclaim(grace=0.2) == [entry]
    assert 0.2 <= time.monotonic() - before < 5
    child.wait(SOON)
    assert child.returncode == -signal.SIGKILL


def test_B17_strangers_with_the_same_command_live_on(ledger: Ledger, start: Start):
    entry, child = begin(ledger, start)
    stranger, other_kfw = start(SLEEP), start(SLEEP, "somebody-elses-marker")
    assert ledger.reclaim() == [entry]
    child.wait(SOON)
    assert not ended(stranger)
    assert not ended(other_kfw)


def test_B19_a_reused_pid_is_not_touched(ledger: Ledger, start: Start):
    """The same arguments, the same pid, even the same marker: the start time says that it is somebody else."""
    stranger = start(SLEEP)
    write(ledger, stranger.pid, "another-start")
    marked = start(SLEEP, "m2")
    write(ledger, marked.pid, "another-start", marker="m2")
    assert ledger.reclaim() == []
    assert not ended(stranger)
    assert not ended(marked)
    assert ledger.entries() == []


def test_a_process_with_our_pid_and_start_time_but_without_our_marker_is_not_touched(
    ledger: Ledger, start: Start
):
    stranger = start(SLEEP)
    seen = look(stranger.pid)
    assert seen
    write(ledger, stranger.pid, seen.start)
    assert ledger.reclaim() == []
    assert not ended(stranger)


def write(ledger: Ledger, pid: int, start: str, marker: str = "m1") -> None:
    lines = [
        {"marker": marker, "argv": SLEEP, "label": "api"},
        {"marker": marker, "pid": pid, "start": start},
    ]
    with ledger.path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_where_environments_cannot_be_read_the_arguments_must_agree():
    entry = LedgerEntry("m", ("kubectl", "port-forward", "pod/x", ":80"), "api", 41, "then")
    script = SeenProcess(41, 41, "then", "/bin/sh /usr/bin/kubectl port-forward pod/x :80", None)
    other = SeenProcess(41, 41, "then", "vim notes", None)
    fork = SeenProcess(42, 41, "later", script.command, None)
    stranger = SeenProcess(43, 43, "later", script.command, None)
    assert members(entry, [script, fork, stranger]) == [script, fork]
    assert members(entry, [other]) == []
    assert members(entry, [fork]) == [fork]
    assert members(entry, [replace(script, start="now"), fork]) == []
    assert members(replace(entry, pid=None), [script, fork, stranger]) == []


def test_a_browser_that_a_login_opened_in_a_session_of_its_own_is_not_ended():
    entry = LedgerEntry("m", ("kubectl", "port-forward"), "api", 41, "then")
    assert members(entry, [SeenProcess(50, 50, "later", "firefox https://login", "m")]) == []


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_a_torn_last_line_is_no_error(ledger: Ledger, start: Start, cut: int):
    kept = ledger.intend(SLEEP, "kept")
    ledger.intend(SLEEP, "torn")
    with ledger.path.open("r+b") as file:
        file.truncate(ledger.path.stat().st_size - cut)
    assert ledger.entries() == [kept]
    after = Ledger(ledger.path).intend(SLEEP, "after")
    assert ledger.entries() == [kept, after]


def test_lines_that_make_no_sense_are_passed_over():
    good = '{"marker": "m", "argv": ["a"], "label": "l"}'
    odd = ["", "null", "[]", "7", "{}", '{"marker": "n", "pid": 4}', "\ufffd", '{"marker": "m", "ended": 0}']
    assert fold([*odd, good, *odd]) == {"m": LedgerEntry("m", ("a",), "l")}


def test_the_file_does_not_grow_for_ever(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(book, "COMPACT_AFTER", 20)
    kept = ledger.started(ledger.intend(SLEEP, "kept"), os.getpid())
    for _ in range(200):
        ledger.ended(ledger.intend(SLEEP, "short"))
    assert ledger.entries() == [kept]
    assert len(ledger.path.read_text().splitlines()) <= 21


def test_without_a_file_there_is_nothing_to_reclaim(ledger: Ledger):
    assert ledger.reclaim() == []
    assert not ledger.path.exists()


Broken = Callable[[], AbstractContextManager[None]]
#: What a disk that takes nothing says.
ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


@contextmanager
def disk_says(number: int, *, halfway: bool) -> Iterator[None]:
    """Each write in this process fails: when the file is opened, or with half of it written."""
    opened, written = os.open, os.write

    def no_open(path: str, flags: int, *more: int, **named: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(number, os.strerror(number))
        return opened(path, flags, *more, **named)

    def half(handle: int, data: bytes) -> int:
        written(handle, data[: len(data) // 2])
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        if halfway:
            patch.setattr(os, "write", half)
            patch.setattr(book, "write_atomic", raise_it(number))
        else:
            patch.setattr(os, "open", no_open)
        yield


def raise_it(number: int) -> Callable[..., None]:
    def fail(path: Path, *_: object) -> None:
        raise KfwError(f"cannot write {path}: {os.strerror(number)}")

    return fail


@contextmanager
def no_more_room() -> Iterator[None]:
    with no_file_longer_than(10):
        yield


BROKEN = {
    f"{errno.errorcode[number]}{' halfway' if halfway else ''}": partial(disk_says, number, halfway=halfway)
    for number in ERRNOS
    for halfway in (False, True)
} | {"full": no_more_room}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_a_disk_does_not_take_is_kept_and_written_when_it_does_again(
    ledger: Ledger, start: Start, broken: Broken, caplog: pytest.LogCaptureFixture
):
    before, first = begin(ledger, start)
    over, gone = begin(ledger, start)
    with broken():
        entry, child = begin(ledger, start)
        gone.kill()
        ledger.ended(over)
        assert "keeps running: cannot write" in ledger.warning(entry)
        assert str(ledger.path) in ledger.warning(entry)
        assert ledger.warning(before) == ""
        ledger.catch_up()
        assert ledger.is_behind
    assert len(caplog.records) == 1
    ledger.catch_up()
    assert (ledger.warning(entry), ledger.is_behind) == ("", False)
    assert ledger.entries() == [before, entry]
    assert Ledger(ledger.path).reclaim() == [before, entry]
    assert first.wait(SOON) == child.wait(SOON) == -signal.SIGTERM


def test_the_next_line_writes_what_was_not_written_before(ledger: Ledger):
    with no_more_room():
        entry = ledger.intend(SLEEP, "api")
    another = ledger.intend(SLEEP, "db")
    assert ledger.entries() == [entry, another]
    assert not ledger.is_behind


def deleted(path: Path) -> None:
    path.unlink()


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").touch()


def another_file(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.write_text("mine\n")


def a_link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nonexistent/file")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "taken", [deleted, a_directory, another_file, a_link_to_nowhere, a_pipe], ids=lambda one: one.__name__
)
@pytest.mark.parametrize("by", ["the next line", "looking"])
def test_a_file_that_was_taken_away_is_written_again(ledger: Ledger, taken: Callable[[Path], None], by: str):
    entries = [ledger.intend(SLEEP, "api"), ledger.intend(SLEEP, "db")]
    taken(ledger.path)
    if by == "looking":
        ledger.catch_up()
    else:
        entries.append(ledger.intend(SLEEP, "more"))
    assert ledger.entries() == entries
    assert not ledger.is_behind


def test_a_folder_that_was_taken_away_is_a_warning_of_all_that_runs(tmp_path: Path):
    folder = tmp_path / "state"
    folder.mkdir()
    ledger = Ledger(folder / "ledger.jsonl")
    entry = ledger.intend(SLEEP, "api")
    shutil.rmtree(folder)
    assert ledger.warning(entry) == ""
    ledger.catch_up()
    assert "No such file or directory" in ledger.warning(entry)
    folder.mkdir()
    ledger.catch_up()
    assert (ledger.warning(entry), ledger.entries()) == ("", [entry])


def test_a_process_whose_start_could_not_be_seen_is_known_by_its_marker(ledger: Ledger, start: Start):
    entry = ledger.intend(SLEEP, "api")
    child = start(SLEEP, entry.marker)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "look", lambda pid: None)
        entry = ledger.started(entry, child.pid)
    assert ledger.reclaim() == [entry]
    child.wait(SOON)


KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from kfw.system.process_identity import MARKER
from kfw.system.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    entry = ledger.intend(["sleep", "300"], f"child {number}")
    env = {**os.environ, MARKER: entry.marker}
    child = subprocess.Popen(entry.argv, env=env, start_new_session=True, stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    if number % 2: ledger.started(entry, child.pid)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_B20_nothing_is_left_of_a_process_that_was_killed_in_the_middle(ledger: Ledger):
    argv = [sys.executable, "-c", KILLED, str(ledger.path), "5"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=20, check=False)
    pids = [int(pid) for pid in done.stdout.split()]
    assert all(look(pid) for pid in pids)
    assert {entry.label for entry in ledger.reclaim()} == {f"child {number}" for number in range(5)}
    assert not any(look(pid) for pid in pids)


@pytest.mark.parametrize(
    "line",
    [
        {"argv": ["sleep"], "pid": 4711},
        {"marker": "", "argv": ["sleep"]},
        {"marker": None, "argv": ["sleep"]},
        {"marker": 7, "argv": ["sleep"]},
        {"marker": ["m"], "argv": ["sleep"]},
        {"marker": " ", "argv": ["sleep"]},
        {"marker": "m" * 65, "argv": ["sleep"]},
        {"marker": "m", "argv": []},
        {"marker": "m", "argv": [""]},
        {"marker": "m", "argv": "sleep"},
    ],
)
def test_an_entry_without_a_marker_or_arguments_is_none(line: dict[str, object]) -> None:
    assert fold([json.dumps(line), json.dumps({**line, "pid": 4711, "start": "s"})]) == {}


@pytest.mark.parametrize("pid", [0, 1, -1, True, 2**22 + 1, 2**64, 4711.5, "4711"])
def test_what_cannot_be_one_process_is_no_pid(pid: object) -> None:
    lines = [{"marker": "m", "argv": ["sleep"]}, {"marker": "m", "pid": pid, "start": "s"}]
    assert fold(map(json.dumps, lines))["m"].pid is None


def test_lines_nested_without_end_are_passed_over() -> None:
    good = json.dumps({"marker": "m", "argv": ["sleep"]})
    assert list(fold(["[" * 100_000, good, '{"marker":' * 100_000])) == ["m"]


@pytest.mark.parametrize(
    "entry",
    [
        LedgerEntry("", ("sleep",), "x"),
        LedgerEntry("", ("sleep",), "x", 4711, "s"),
        LedgerEntry("", ("sleep",), "x", 0, None),
        LedgerEntry("", ("",), "x", 4711, "s"),
        LedgerEntry("other", ("sleep", "300"), "x", 4711, "s"),
    ],
)
def test_nobody_belongs_to_an_entry_that_fits_everybody(entry: LedgerEntry) -> None:
    live = [
        SeenProcess(4711, 4711, "s", "sleep 300", ""),
        SeenProcess(2, 0, "s", "", ""),
        SeenProcess(7, 7, "s", "", None),
    ]
    assert members(entry, live) == []
