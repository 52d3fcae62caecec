"""The files of the projects that are up, watched: when one has changed and is at rest, its project is read again."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from kfw.supervisor.wanted import FileStamp
from kfw.system.changes import FileChanges

#: Seconds without another change until a project is read: `git checkout` and editors write in several steps.
AT_REST = 0.3

Files = Mapping[str, FileStamp]


class ProjectWatch:
    """`read_again(project)` must not raise. What is changed while it runs is seen afterwards."""

    def __init__(self, changes: FileChanges, read_again: Callable[[str], Awaitable[None]]) -> None:
        self._changes = changes
        self._read_again = read_again
        self._followed: dict[str, Files] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def follow(self, projects: Mapping[str, Files]) -> None:
        """Each with its files as they were read. What was found to be wrong once is not told again until it changes."""
        for key in self._followed.keys() - projects.keys():
            self._changes.watch(key, {}, partial(self._on_change, key))
            self._forget(key)
        for key, files in projects.items():
            if self._followed.get(key) != files:
                self._followed[key] = dict(files)
                self._changes.watch(key, files, partial(self._on_change, key))

    def close(self) -> None:
        self._changes.close()
        for key in list(self._followed):
            self._forget(key)
        for task in self._reading:
            task.cancel()

    def _forget(self, key: str) -> None:
        self._followed.pop(key, None)
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def _on_change(self, key: str) -> None:
        if key not in self._followed:  # it was taken down meanwhile
            return
        if timer := self._timers.pop(key, None):
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(AT_REST, self._on_rest, key)

    def _on_rest(self, key: str) -> None:
        del self._timers[key]
        task = asyncio.ensure_future(self._read_again(key))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
