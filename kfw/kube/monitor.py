"""Whether an API server is there: asked when it has been silent, and again and again while it is away.

A machine that is gone is noticed by the kernel (kube.dial), at no cost. A proxy, a load balancer, or the kernel of a
machine whose API server hangs, answers for a server that does not: so silence is asked about all the same.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kfw.aio import Broadcast, Complaints, keep_going
from kfw.errors import KfwError, Shortage, describe
from kfw.kube.api_errors import without_frames
from kfw.kube.timeouts import Timeouts

log = logging.getLogger(__name__)

#: Seconds between two tries to open a file for a question.
_NO_ROOM_PAUSE = 0.3
#: Dials that overlap.
_MOST_DIALS = 16

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
        self.judged_at = float("-inf")  # when the question was asked whose answer `away` is
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
        self._verdict_wanted = float("inf")  # of a question asked after that time

    def heard(self) -> None:
        self._heard = self._loop.time()

    def poke(self) -> None:
        """Ask now; while it is away, begin again with the shortest pauses."""
        self._since = self._loop.time()
        self._doubt.set()
        self._poked.notify_all()

    def judge_again(self) -> None:
        """While it is away: `changed` is called once it has been asked again, also when it still is."""
        self._verdict_wanted = self._loop.time()
        self.poke()

    async def wait_until_answers(self) -> None:
        """After a connection failed: returns when the server has been seen since."""
        self._there.clear()
        self._doubt.set()
        await self._there.wait()

    async def run(self) -> None:
        """For ever. A failure of its own is told as any other: nobody must trust what is not watched any more."""
        complaints = Complaints(log, "the check of an API server")

        def on_failure(error: Exception) -> None:
            complaints.tell(error)
            self._doubt.set()  # in what state it is, is open
            told = f"internal error: cannot ask the API server: {describe(error)}"
            self._say(KfwError(told, "`kfw logs` shows where"))

        await keep_going(self._turn, on_failure, self._poked.wait)

    async def _turn(self) -> None:
        await self._wait_until_idle()
        asked = self._loop.time()
        error = await self._ask_twice()
        if error:
            self.judged_at = asked
            self._say(error)
            await self._until_back()
            self.back_at = self._loop.time()
        if self.away:
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
        """On the line that stands, and when that takes long on a fresh one beside it: the line may be dead while the
        server is well, after a change of network."""
        standing = asyncio.create_task(self._error(False, self._timeouts.probe), name="api-probe")
        fresh: asyncio.Task[KfwError | None] | None = None
        try:
            done, _ = await asyncio.wait({standing}, timeout=self._timeouts.probe_beside)
            if done and standing.result() is None:
                return None
            fresh = asyncio.create_task(self._error(True, self._timeouts.fresh), name="api-probe-fresh")
            error, on_standing = await asyncio.gather(fresh, standing)
        finally:
            asked = [task for task in (standing, fresh) if task]
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        if on_standing is None:
            return None
        if error is None:
            self.back_at = self._loop.time()
            self._redial()
        return error

    async def _error(self, fresh: bool, seconds: float) -> KfwError | None:
        """None: it answers. While this machine has no room for a question there is no verdict."""
        while True:
            try:
                await self._ask(fresh, seconds)
            except Shortage:
                await asyncio.sleep(_NO_ROOM_PAUSE)
            except KfwError as error:
                return without_frames(error)
            else:
                return None

    async def _until_back(self) -> None:
        """Dials overlap: a lost SYN is repeated after 1, 3 and 7 s only, so each dial is a better try than the last."""
        self._since = self._loop.time()
        dials = set[asyncio.Task[bool]]()
        try:
            while not any(task.done() and task.result() for task in dials):
                dials = {task for task in dials if not task.done()}
                if len(dials) < _MOST_DIALS:
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
        asked = self._loop.time()
        error = await self._error(True, self._timeouts.dial)
        if error and self.away:
            self.judged_at = max(self.judged_at, asked)
            if error.what != self.away.what or asked >= self._verdict_wanted:
                self._verdict_wanted = float("inf")
                self._say(error)
        return error is None

    def _say(self, away: KfwError | None) -> None:
        self.away = away
        self._changed()
