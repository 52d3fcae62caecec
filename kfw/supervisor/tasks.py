"""The tasks of one owner, by name: starting one ends its predecessor, and all end with the owner."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from kfw.aio import CancelledFromInside as CancelledFromInside


class Tasks:
    """`on_defect` hears of every task that ended with an exception, or by a cancellation that was not asked for here:
    nothing ends unheard, so that nobody waits for it for ever."""

    def __init__(self, owner: str, on_defect: Callable[[Exception], None]) -> None:
        self._owner = owner
        self._on_defect = on_defect
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self.cancel(name)
        task = asyncio.create_task(work, name=f"{self._owner}: {name}")
        task.add_done_callback(partial(self._done, name))
        self._running[name] = task

    def __contains__(self, name: str) -> bool:
        """It runs."""
        return name in self._running and not self._running[name].done()

    def cancel(self, *names: str) -> None:
        """Ask these to end, without waiting; `end` waits. The task that calls is left alone."""
        for name in names:
            task = self._running.pop(name, None)
            if task is not None and task is not asyncio.current_task():
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)

    async def stop(self, name: str) -> None:
        """End this one and wait until it has cleaned up."""
        task = self._running.get(name)
        self.cancel(name)
        if task is not None and task is not asyncio.current_task():
            await asyncio.wait([task])  # its cancellation is not ours

    async def end(self) -> None:
        self.cancel(*self._running)
        while self._ending:
            await asyncio.wait(self._ending)

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        asked = self._running.get(name) is not task
        if not asked:
            del self._running[name]
        if task.cancelled():
            if not asked:
                self._on_defect(CancelledFromInside(f"{task.get_name()} was cancelled by what it waited for"))
        elif isinstance(error := task.exception(), Exception):
            self._on_defect(error)
