"""A pass over the whole cluster soon after a change, one for however many changes came before it."""

import asyncio
from collections.abc import Callable

from kfw.sandbox.api.store import Change, Store


class Passes:
    """Runs inside the event loop, without a task: a change that `matters` schedules a `look`."""

    def __init__(self, store: Store, look: Callable[[], None], matters: Callable[[Change], bool]) -> None:
        self._store = store
        self._look = look
        self._matters = matters
        self._scheduled: asyncio.Handle | None = None
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        return self._scheduled is not None

    def start(self) -> None:
        """The first pass comes without a change."""
        self._unsubscribe = self._store.subscribe(self._changed)
        self._soon()

    def stop(self) -> None:
        if self._unsubscribe:
            self._unsubscribe()
        if self._scheduled:
            self._scheduled.cancel()

    def _changed(self, change: Change) -> None:
        if self._matters(change):
            self._soon()

    def _soon(self) -> None:
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = None
        self._look()
