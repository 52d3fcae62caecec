"""Files that others change: who names some is told when one of them is another one, or another content, than before."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two looks. A look is a stat for each file: 2 microseconds, and no process waits for it.
INTERVAL = 1.0

#: Modification time, size, inode and device; None: it is not there, or cannot be looked at.
Stamp = tuple[int, int, int, int] | None


def stamp(path: str) -> Stamp:
    """Blocking: a file system that hangs holds it."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


@dataclass
class _Watched:
    known: dict[str, Stamp]
    tell: Callable[[], None]

    def take(self, found: Mapping[str, Stamp]) -> bool:
        """Whether one of them is not what it was; from now on it is what was found."""
        news = {path: now for path, now in found.items() if path in self.known and self.known[path] != now}
        self.known.update(news)
        return bool(news)


class FileChanges:
    """Looks at the files that are watched now, in a thread of its own, as long as there are any.

    A file counts as changed when its stamp does; a link is followed, so that a mounted secret's `..data` is seen. What
    was read must be compared all the same: a change within one tick of the file system's clock can keep the stamp.
    """

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._watched: dict[object, _Watched] = {}
        self._paths = frozenset[str]()  # of all that are watched
        self._found: dict[str, Stamp] = {}  # at the last look; none when somebody has come since
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, owner: object, known: Mapping[str, Stamp], tell: Callable[[], None]) -> None:
        """`known`: each file with its stamp from just before it was read. `tell` is called in the event loop.

        Replaces what this owner watched before; it watches nothing with no file.
        """
        with self._lock:
            self._watched[owner] = _Watched(dict(known), tell)
            self._found = {}
            if not known:
                del self._watched[owner]
            elif self._thread is None:
                self._thread = threading.Thread(target=self._run, name="file-changes", daemon=True)
                self._thread.start()

    def close(self) -> None:
        with self._lock:
            self._watched.clear()
            self._found = {}
        self._wake.set()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._found:
                    self._paths = frozenset(path for one in self._watched.values() for path in one.known)
                if not self._paths:
                    self._thread = None
                    return
                before, paths = self._found, self._paths
            found = {path: stamp(path) for path in paths}
            if found != before:  # a thousand forwards watch the same few files
                self._compare(found)
            self._wake.wait(self._interval)

    def _compare(self, found: dict[str, Stamp]) -> None:
        with self._lock:
            changed = [one for one in self._watched.values() if one.take(found)]
            if found.keys() == {path for one in self._watched.values() for path in one.known}:
                self._found = found
        for one in changed:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(one.tell)
