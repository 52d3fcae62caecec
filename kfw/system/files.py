"""Files that others must not read, never see half-written, and do not hold at the same time."""

import asyncio
import errno
import fcntl
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from kfw.errors import KfwError, words_of
from kfw.folders import user_name

log = logging.getLogger("kfw.files")

#: Opening a FIFO or a device must not wait, and must not make a terminal ours.
_NO_WAITING = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

T = TypeVar("T")

#: Bytes that a file which others name may have, and seconds that reading it may take.
OUTSIDE_LIMIT = 4 << 20
OUTSIDE_TIMEOUT = 2.0


class Locked(KfwError):
    """Another process has the lock: `who` is "pid 41"."""

    def __init__(self, what: str, fix: str = "", *, who: str = "another process") -> None:
        super().__init__(what, fix)
        self.who = who


def make_private_dir(path: Path) -> Path:
    """The directory, 0700 and ours: made with its parents if need be, closed to others if it was open to them.

    One behind a symbolic link is left as it is. Raises KfwError when it cannot be had, is a link to a directory that
    others may look into, or belongs to somebody else, who could swap what we put there.
    """
    try:
        for folder in (*reversed(path.parents), path):  # `parents=True` would leave the parents to the umask
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        link = path.lstat()
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NO_WAITING)
        try:
            found = os.fstat(handle)
            _refuse_foreign(path, link.st_uid, found.st_uid)
            if found.st_mode & 0o077:
                if stat.S_ISLNK(link.st_mode):
                    raise _open_behind_link(path)
                os.fchmod(handle, 0o700)
        finally:
            os.close(handle)
    except OSError as error:
        raise _cannot("make", path, error) from error
    return path


def _refuse_foreign(path: Path, *owners: int) -> None:
    for owner in owners:
        if owner != os.geteuid():
            raise KfwError(
                f"cannot use {path}: it belongs to another user, {user_name(owner)}",
                "set KFW_HOME to a directory of your own",
            )


def _open_behind_link(path: Path) -> KfwError:
    target = os.path.realpath(path)
    return KfwError(
        f"cannot use {path}: it is a link to {target}, which is open to others",
        f"chmod 700 {target} if only kfw uses it, or set KFW_HOME to a directory of your own",
    )


def put_aside(path: Path) -> Path:
    """Rename what is there, so that its name is free, and nothing is lost. Returns the new name. Raises KfwError."""
    places = [path.with_suffix(".broken"), *(path.with_suffix(f".broken-{n}") for n in range(2, 10))]
    for number, place in enumerate(places, start=1):
        try:
            path.rename(place)  # in the place of an older one, if that is a file as well
        except OSError as error:
            if number == len(places) or error.errno not in _ANOTHER_IS_THERE:
                raise _cannot("put aside", path, error) from error
        else:
            return place
    raise AssertionError("the last try returns or raises")


_ANOTHER_IS_THERE = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR})


def clear_the_way(path: Path) -> Path | None:
    """Put aside what is not a regular file: a FIFO, a directory, a link. Returns where it is now. Raises KfwError."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot("look at", path, error) from error
    if stat.S_ISREG(kind):
        return None
    aside = put_aside(path)
    log.warning("%s was not a file, so it was renamed to %s", path, aside.name)
    return aside


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Whoever reads finds the old content or the new, also after a power cut. Raises KfwError (full disk and so on)."""
    try:
        name = path.parent / f".{path.name}.{os.urandom(8).hex()}"
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot("write", path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        name.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            name.unlink()
        raise _cannot("write", path, error) from error


class Unreadable(OSError):
    """A file that others name, and that is not read: no regular file, too large, or too slow. `strerror` says which."""


def read_bounded(path: str | os.PathLike[str], limit: int = OUTSIDE_LIMIT) -> bytes:
    """A file that somebody else names: a regular one only, of at most `limit` bytes. Raises OSError with its name.

    A pipe, a device or a socket is not even opened, so that nothing waits for its other end. On a file system that
    hangs it hangs, too: `read_outside` does not.
    """
    _check(path, Path(path).stat(), limit)
    handle = os.open(path, os.O_RDONLY | _NO_WAITING)
    try:
        _check(path, os.fstat(handle), limit)  # it may be another file by now
        return _read_all(path, handle, limit)
    finally:
        os.close(handle)


#: Files whose reading took too long and has not ended yet.
_hanging = set[str]()
_hanging_lock = threading.Lock()


async def read_outside(
    path: str | os.PathLike[str], limit: int = OUTSIDE_LIMIT, timeout: float = OUTSIDE_TIMEOUT
) -> bytes:
    """`read_bounded` off the event loop, in at most `timeout` seconds. Raises OSError.

    Of a file on a dead file system one reading hangs, not one for each try.
    """
    name = os.fspath(path)
    if name in _hanging:
        raise Unreadable(errno.EIO, "reading it has hung for a while", name)
    ended = False

    def read() -> bytes:
        nonlocal ended
        try:
            return read_bounded(path, limit)
        finally:
            with _hanging_lock:
                ended = True
                _hanging.discard(name)

    try:
        return await outside(read, timeout)
    except TimeoutError as error:
        with _hanging_lock:
            if not ended:
                _hanging.add(name)
        raise Unreadable(errno.EIO, f"reading it takes more than {timeout:g} s", name) from error


async def outside(work: Callable[[], T], timeout: float) -> T:
    """What blocks, off the event loop. Raises what it raises, and TimeoutError after `timeout` seconds.

    A thread of its own that nobody waits for: one that hangs in a dead network file system takes no other's place.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(set_it: Callable[[], None]) -> None:
        if not answer.done():
            set_it()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  it is raised where it is waited for
            done = partial(answer.set_exception, error)
        else:
            done = partial(answer.set_result, result)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, done)

    threading.Thread(target=run, name="outside", daemon=True).start()
    async with asyncio.timeout(timeout):
        return await answer


def _check(path: str | os.PathLike[str], found: os.stat_result, limit: int) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(errno.EINVAL, "not a regular file", os.fspath(path))
    if found.st_size > limit:
        raise Unreadable(errno.EFBIG, f"larger than {limit} bytes", os.fspath(path))


def _read_all(path: str | os.PathLike[str], handle: int, limit: int) -> bytes:
    """Also of a file that grows meanwhile, or whose file system tells no sizes (/proc)."""
    parts, size = list[bytes](), 0
    while part := os.read(handle, 1 << 16):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise Unreadable(errno.EFBIG, f"larger than {limit} bytes", os.fspath(path))
    return b"".join(parts)


def append(path: Path, data: bytes) -> None:
    """Add to the end in one write, 0600; a torn end of an earlier write is closed with a newline first.

    Survives the death of this process at once, not a power cut. Raises KfwError.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | _NO_WAITING, 0o600)
        try:
            _regular(handle)
            end = os.fstat(handle).st_size
            torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
            _write_all(handle, b"\n" + data if torn else data)
        finally:
            os.close(handle)
    except OSError as error:
        raise _cannot("write", path, error) from error


@contextmanager
def lock(path: Path, what: str = "", *, wait: float = 0.0) -> Iterator[int]:
    """Hold the file's lock; its content is our pid. The file stays, so that two never lock different files.

    Gives the open file: whoever has a copy of it holds the lock, too, until the last copy is closed (flock(2)).

    The kernel takes it back when the process ends, however it ends. Raises Locked naming who has it, if it is
    not free within `wait` seconds (blocking), KfwError when it cannot be had at all.
    """
    clear_the_way(path)
    handle = _open_lock(path)
    try:
        deadline = time.monotonic() + wait
        while not _take(handle, path):
            if time.monotonic() >= deadline:
                raise _held(handle, path, what)
            time.sleep(0.02)
        write_pid(handle, path)
        yield handle
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether a process holds this lock now; what is not a file is not a lock. Raises KfwError."""
    if path.is_symlink() or not path.is_file():
        return False
    handle = _open_lock(path)
    try:
        return not _take(handle, path)
    finally:
        os.close(handle)


def _open_lock(path: Path) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | _NO_WAITING, 0o600)
        try:
            _regular(handle)
        except OSError:
            os.close(handle)
            raise
    except OSError as error:
        raise _cannot("lock", path, error) from error
    return handle


def _take(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        raise _cannot("lock", path, error) from error
    return True


def write_pid(handle: int, path: Path) -> None:
    """Ours, into the file of a lock that we hold. Raises KfwError."""
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise _cannot("write", path, error) from error


def _held(handle: int, path: Path, what: str) -> Locked:
    """The pid may be that of the one before, in the moment in which the lock changes hands."""
    pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
    who = f"pid {pid}" if pid.isdecimal() and _exists(int(pid)) else "another process"
    return Locked(f"{what or path.name} is already in use by {who}", f"{path} is its lock", who=who)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _regular(handle: int) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise Unreadable(errno.EINVAL, "it is not a regular file")


def _write_all(handle: int, data: bytes) -> None:
    if os.write(handle, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_directory(path: Path) -> None:
    """Without it the new name may be lost in a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot(do: str, path: Path, error: OSError) -> KfwError:
    return KfwError(f"cannot {do} {path}: {words_of(error)}", _fix(error))


def _fix(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free space on that disk, or set KFW_HOME to a directory on another one"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "set KFW_HOME to a directory that you may write to"
    return ""
