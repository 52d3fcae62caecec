"""Files that others must not read, never see half-written, and do not hold at the same time."""

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kfw.errors import KfwError


def make_private_dir(path: Path) -> Path:
    """The directory, 0700 and ours: made with its parents if need be, closed to others if it was open to them.

    Raises KfwError when it cannot be had or belongs to somebody else, who could swap what we put there.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise KfwError(
                f"cannot use {path}: it belongs to another user (uid {found.st_uid})", "set KFW_HOME"
            )
        if found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise _cannot("make", path, error) from error
    return path


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Whoever reads finds the old content or the new, also after a power cut. Raises KfwError (full disk and so on)."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _cannot("write", path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            Path(name).unlink()
        raise _cannot("write", path, error) from error


def append(path: Path, data: bytes) -> None:
    """Add to the end in one write, 0600; a torn end of an earlier write is closed with a newline first.

    Survives the death of this process at once, not a power cut. Raises KfwError.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = os.fstat(handle).st_size
            torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
            _write_all(handle, b"\n" + data if torn else data)
        finally:
            os.close(handle)
    except OSError as error:
        raise _cannot("write", path, error) from error


@contextmanager
def lock(path: Path, what: str = "", *, wait: float = 0.0) -> Iterator[None]:
    """Hold the file's lock; its content is our pid. The file stays, so that two never lock different files.

    The kernel takes it back when the process ends, however it ends. Raises KfwError naming who has it, if it is
    not free within `wait` seconds (blocking).
    """
    handle = _open_lock(path)
    try:
        deadline = time.monotonic() + wait
        while not _take(handle, path):
            if time.monotonic() >= deadline:
                raise _held(handle, path, what)
            time.sleep(0.02)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _cannot("lock", path, error) from error


def _take(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        raise _cannot("lock", path, error) from error
    return True


def _held(handle: int, path: Path, what: str) -> KfwError:
    pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
    who = f"pid {pid}" if pid else "another process"
    return KfwError(f"{what or path.name} is already in use by {who}", f"{path} is its lock")


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
    return KfwError(f"cannot {do} {path}: {error.strerror or error}")
