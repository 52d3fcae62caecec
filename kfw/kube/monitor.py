"""Whether an API server is there: asked when it has been silent, and again and again while it is away."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kfw.aio import Broadcast
from kfw.errors import KfwError
from kfw.kube.timeouts import Timeouts

#: Asks the server on a fresh line, or on the one that stands (fresh False), within that many seconds.
#: Raises KfwError if it does not answer.
Ask = Callable[[bool, float], Awaitable[None]]


class ServerMonitor:
    """`changed` is called when `away` changes, `redial` when the server is there but old connections may be dead.

    HTTP/1.1 has no ping for a request in flight, so silence must be asked about.
    """

    def __init__(
        self, ask: Ask, timeouts: Timeouts, changed: Callable[[], None], redial: Callable[[], None]
    ) -> None:
        self.away: KfwError | None = None
        self.back_at = float("-inf")  # when it was last there again, in the loop's time
        self._ask = ask
        self._timeouts = timeouts
        self._changed = changed
        self._redial = redial
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._doubt = asyncio.Event()
        self._there = asyncio.Event()
        self._there.set()
        self._poked = Broadcast()
        self._since = 0.0

    def heard(self) -> None:
        self._heard = self._loop.time()

    def poke(self) -> None:
        """Ask now; while it is away, begin again with the shortest pauses."""
        self._since = self._loop.time()
        self._doubt.set()
        self._poked.notify_all()

    async def wait_until_answers(self) -> None:
        """After a connection failed: returns when the server has been seen since."""
        self._there.clear()
        self._doubt.set()
        await self._there.wait()

    async def run(self) -> None:
        while True:
            await self._wait_until_idle()
            error = await self._ask_twice()
            if error:
                self._say(error)
                await self._until_back()
                self.back_at = self._loop.time()
                self._say(None)
            self.heard()
            self._there.set()

    async def _wait_until_idle(self) -> None:
        while not self._doubt.is_set():
            left = self._heard + self._timeouts.idle_before_probe - self._loop.time()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._doubt.wait()
        self._doubt.clear()

    async def _ask_twice(self) -> KfwError | None:
        """First on the line that stands: it may be dead while the server is well, after a change of network."""
        try:
            await self._ask(False, self._timeouts.probe)
        except KfwError:
            try:
                await self._ask(True, self._timeouts.fresh)
            except KfwError as error:
                return error
            self.back_at = self._loop.time()
            self._redial()
        return None

    async def _until_back(self) -> None:
        """Dials overlap: a lost SYN is repeated after 1, 3 and 7 s only, so each dial is a better try than the last."""
        self._since = self._loop.time()
        dials = set[asyncio.Task[bool]]()
        try:
            while not any(task.done() and task.result() for task in dials):
                dials = {task for task in dials if not task.done()}
                dials.add(asyncio.create_task(self._answered(), name="api-dial"))
                await self._wait_for_first(dials)
        finally:
            for task in dials:
                task.cancel()
            await asyncio.gather(*dials, return_exceptions=True)

    async def _wait_for_first(self, dials: set[asyncio.Task[bool]]) -> None:
        """Until one has answered, or it is time for the next."""
        pause = self._timeouts.reconnect_after(self._loop.time() - self._since)
        waiting = asyncio.create_task(self._poked.wait(pause), name="api-pause")
        try:
            pending: set[asyncio.Task[bool] | asyncio.Task[None]] = {*dials, waiting}
            while waiting in pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if any(task.result() for task in done):
                    return
        finally:
            waiting.cancel()

    async def _answered(self) -> bool:
        try:
            await self._ask(True, self._timeouts.dial)
        except KfwError as error:
            if self.away and error.what != self.away.what:
                self._say(error)
            return False
        return True

    def _say(self, away: KfwError | None) -> None:
        self.away = away
        self._changed()
