import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfw.errors import KfwError
from kfw.system import files
from kfw.system.files import (
    OUTSIDE_LIMIT,
    Locked,
    Unreadable,
    append,
    clear_the_way,
    is_locked,
    lock,
    make_private_dir,
    read_bounded,
    read_outside,
    write_atomic,
)
from tests.until import until

HOLD = """
import pathlib, sys, time
from kfw.system.files import lock
with lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder_for(path: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that has the lock."""
    argv = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A unix socket's path may have 103 bytes."""
    with tempfile.TemporaryDirectory(prefix="kfw-") as folder:
        yield Path(folder)


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """What a full disk is to a writer: the write fails half-way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_private_directory_is_closed_to_others_even_if_it_was_open(tmp_path: Path):
    made = make_private_dir(tmp_path / "a" / "b")
    assert mode(made) == 0o700
    made.chmod(0o755)
    assert mode(make_private_dir(made)) == 0o700


def test_a_directory_that_cannot_be_made_says_why(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(KfwError, match=r"cannot make .*file/sub: Not a directory"):
        make_private_dir(tmp_path / "file" / "sub")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path):
    os.chown(tmp_path, 1234, 1234)
    with pytest.raises(KfwError, match=r"belongs to another user, uid 1234"):
        make_private_dir(tmp_path)


def test_a_written_file_is_private_and_nothing_else_is_left(tmp_path: Path):
    write_atomic(tmp_path / "state", b"one")
    write_atomic(tmp_path / "state", b"two")
    assert (tmp_path / "state").read_bytes() == b"two"
    assert mode(tmp_path / "state") == 0o600
    assert names(tmp_path) == ["state"]


def test_the_mode_is_what_was_asked_for_whatever_the_umask(tmp_path: Path):
    before = os.umask(0o077)
    try:
        write_atomic(tmp_path / "public", b"", 0o644)
    finally:
        os.umask(before)
    assert mode(tmp_path / "public") == 0o644


def test_a_full_disk_leaves_the_old_content_and_no_rubbish(tmp_path: Path):
    write_atomic(tmp_path / "state", b"old")
    with no_file_longer_than(4), pytest.raises(KfwError, match=r"cannot write .*state: File too large"):
        write_atomic(tmp_path / "state", b"new and longer")
    assert (tmp_path / "state").read_bytes() == b"old"
    assert names(tmp_path) == ["state"]


def test_appending_closes_a_torn_line_first(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"whole\ntor")
    append(tmp_path / "log", b"next\n")
    append(tmp_path / "log", b"last\n")
    assert (tmp_path / "log").read_bytes() == b"whole\ntor\nnext\nlast\n"


def test_appending_makes_the_file_private(tmp_path: Path):
    append(tmp_path / "log", b"line\n")
    assert mode(tmp_path / "log") == 0o600


def test_appending_to_a_full_disk_is_an_error_even_if_a_part_went_in(tmp_path: Path):
    append(tmp_path / "log", b"12\n")
    with no_file_longer_than(6), pytest.raises(KfwError, match="cannot write"):
        append(tmp_path / "log", b"3456789\n")


def test_a_lock_that_is_held_names_its_holder(tmp_path: Path):
    with lock(tmp_path / "lock"):
        with pytest.raises(KfwError, match=f"the daemon is already in use by pid {os.getpid()}"):
            with lock(tmp_path / "lock", what="the daemon"):
                pass
    with lock(tmp_path / "lock"):
        pass


def test_B19_a_lock_of_a_process_that_was_killed_is_free_whatever_pid_it_names(tmp_path: Path):
    path = tmp_path / "lock"
    holder = holder_for(path, 60)
    with pytest.raises(KfwError, match=f"pid {holder.pid}"), lock(path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with lock(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_waiting_for_a_lock_gets_it_when_it_comes_free(tmp_path: Path):
    path = tmp_path / "lock"
    holder = holder_for(path, 0.1)
    with lock(path, wait=5):
        pass
    holder.communicate()
    assert holder.returncode == 0


def test_a_lock_where_there_is_no_directory_says_so(tmp_path: Path):
    with pytest.raises(KfwError, match=r"cannot lock .*: No such file or directory"):
        with lock(tmp_path / "nix" / "lock"):
            pass


def nothing_at(path: Path) -> None:
    pass


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def a_link_to_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_link_to_a_terminal(path: Path) -> None:
    path.symlink_to(os.ttyname(os.openpty()[1]))


def a_folder(path: Path) -> None:
    path.mkdir()


def a_sparse_giant(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


HOSTILE = [
    nothing_at,
    a_fifo,
    a_socket,
    a_link_to_zero,
    a_link_to_a_terminal,
    a_folder,
    a_sparse_giant,
    a_link_to_itself,
]


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_file_that_others_name_is_never_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "s"
    make(path)

    with pytest.raises(OSError) as raised:
        read_bounded(path)

    assert raised.value.filename == str(path)
    with pytest.raises(OSError):
        asyncio.run(read_outside(path))


def test_a_file_is_read_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"x" * OUTSIDE_LIMIT)

    assert read_bounded(path) == b"x" * OUTSIDE_LIMIT
    assert asyncio.run(read_outside(path)) == b"x" * OUTSIDE_LIMIT
    with pytest.raises(Unreadable, match="larger than 10 bytes"):
        read_bounded(path, 10)


def test_a_file_of_unknown_size_has_the_limit_too() -> None:
    with pytest.raises(Unreadable, match="larger than 3 bytes"):
        read_bounded("/proc/self/environ", 3)


def test_a_file_system_that_hangs_takes_a_thread_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.touch()
    hang = threading.Event()
    monkeypatch.setattr(
        "kfw.system.files._read_all", lambda *_: hang.wait(10)
    )  # such a file system cannot be had here

    async def three() -> list[BaseException | bytes]:
        return await asyncio.gather(
            *(read_outside(path, timeout=0.05) for _ in range(3)), return_exceptions=True
        )

    assert [type(one) for one in asyncio.run(three())] == [Unreadable] * 3
    hang.set()


@pytest.mark.asyncio
async def test_a_file_that_hangs_takes_no_further_thread_for_each_try_and_is_read_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"good")
    hang, real = threading.Event(), files._read_all
    monkeypatch.setattr(files, "_read_all", lambda *which: hang.wait(10) and real(*which))

    before = set(threading.enumerate())  # of which some may end meanwhile

    def readers() -> int:
        return sum(thread.name == "outside" for thread in threading.enumerate() if thread not in before)

    with pytest.raises(Unreadable, match="takes more than"):
        await read_outside(path, timeout=0.05)
    for _ in range(20):
        with pytest.raises(Unreadable, match="has hung for a while"):
            await read_outside(path, timeout=0.05)
    assert readers() == 1
    hang.set()
    await until(lambda: readers() == 0)
    assert await read_outside(path) == b"good"


#: What may lie where a file should.
IN_THE_WAY: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "a directory with a file": lambda path: (path.mkdir(), (path / "x").touch()),
    "a link to a file": lambda path: path.symlink_to(__file__),
    "a link to nothing": lambda path: path.symlink_to("/nonexistent/file"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a socket": lambda path: bound(path),
}


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_what_is_not_a_file_is_put_aside_and_nothing_is_lost(short_path: Path, kind: str) -> None:
    path = short_path / "state.json"
    for number in (1, 2, 3):
        IN_THE_WAY[kind](path)
        aside = clear_the_way(path)
        assert aside and os.path.lexists(aside), number
        assert not os.path.lexists(path)
        assert clear_the_way(path) is None
    path.touch()
    assert clear_the_way(path) is None
    assert path.exists()


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_a_lock_that_is_not_a_file_is_put_aside_and_taken(short_path: Path, kind: str) -> None:
    path = short_path / "kfw.lock"
    IN_THE_WAY[kind](path)
    assert not is_locked(path)
    with lock(path):
        assert path.is_file()
        assert is_locked(path)


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_nothing_is_added_to_what_is_not_a_file(short_path: Path, kind: str) -> None:
    path = short_path / "ledger.jsonl"
    IN_THE_WAY[kind](path)
    with pytest.raises(KfwError, match=r"cannot write .*ledger\.jsonl"):
        append(path, b"line\n")


def test_a_lock_whose_owner_is_gone_names_nobody(tmp_path: Path) -> None:
    """In the moment in which it changes hands its file still names the one before."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    holder = holder_for(tmp_path / "x.lock", 30)
    (tmp_path / "x.lock").write_text(f"{gone.pid}\n")
    try:
        with pytest.raises(Locked, match="in use by another process"), lock(tmp_path / "x.lock"):
            pass
    finally:
        holder.kill()
        holder.communicate()
