"""Links in the making, and what failed lately."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass

from kfw.errors import KfwError, Shortage, describe
from kfw.methods.tunnel.idle_links import IdleLinks
from kfw.methods.tunnel.link import Link
from kfw.system.limits import Use, opens_for

#: Seconds that a pod is passed over, if it can be, after a dial to it has failed.
BAD = 0.5
#: Seconds until another dial, after one for which this machine had no room.
SHORT = 0.2
#: A dial takes long after so many seconds, and so many times what one took lately.
SLOW, TIMES = 0.3, 4.0
#: At the same time, not counting those that take long; and to a pod to which they take long.
DIALS, TO_A_SLOW_ONE = 8, 2

Dial = Callable[[str], Awaitable[Link]]


@dataclass(frozen=True)
class _Failure:
    at: float
    error: KfwError


@dataclass
class _Dialling:
    pod: str
    since: float
    asked: bool = False  # somebody wants to know what becomes of it


class PendingDials:
    """`made(link, asked)` and `failed(error)` are called at the end of each."""

    def __init__(
        self,
        dial: Dial,
        made: Callable[[Link, bool], None],
        failed: Callable[[KfwError], None],
        spare: IdleLinks,
    ) -> None:
        self._dial = dial
        self._spare = spare
        self._made = made
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._running: dict[asyncio.Task[Link], _Dialling] = {}
        self._failures: dict[str, _Failure] = {}
        self._usual = 0.0  # seconds that a dial takes
        self._closed = False
        self._short_at = float("-inf")  # this machine had no room for one

    @property
    def pods(self) -> list[str]:
        """Of those that run and do not take long."""
        return [one.pod for one in self._running.values() if not self._takes_long(one)]

    def start(self, pod: str, use: Use) -> "asyncio.Task[Link]":
        with opens_for(use):
            task = asyncio.ensure_future(self._dial(pod))
        self._running[task] = _Dialling(pod, self._loop.time())
        self._spare.coming += 1
        task.add_done_callback(self._done)
        return task

    def join(self, pod: str) -> "asyncio.Task[Link]":
        """One that runs, if it does not take long, or a new one; the caller wants to know what becomes of it."""
        running = (
            task for task, one in self._running.items() if one.pod == pod and not self._takes_long(one)
        )
        task = next(running, None) or self.start(pod, Use.UPKEEP)
        self._running[task].asked = True
        return task

    def left_alone(self, task: "asyncio.Task[Link]") -> None:
        if task in self._running:
            self._running[task].asked = False

    def may_start(self, pod: str) -> bool:
        """One that has failed just now would only fail again, as fast as the network says so."""
        failure = self._failures.get(pod)
        if failure and self._is_new(failure):
            return False
        slow = [one for one in self._running.values() if one.pod == pod and self._takes_long(one)]
        return len(self.pods) < DIALS and len(slow) < TO_A_SLOW_ONE

    def passed_over(self) -> set[str]:
        slow = {one.pod for one in self._running.values() if self._takes_long(one)}
        return slow | {pod for pod, failure in self._failures.items() if self._is_new(failure)}

    def why_not(self, pods: Iterable[str]) -> KfwError | None:
        """The error of the first, if a dial to each has failed just now."""
        failures = [self._failures.get(pod) for pod in pods]
        new = [failure for failure in failures if failure and self._is_new(failure)]
        return new[0].error if new and len(new) == len(failures) else None

    @property
    def short(self) -> bool:
        """This machine has had no room for one just now."""
        return self._loop.time() - self._short_at < SHORT

    def forget(self, pods: Collection[str]) -> None:
        """What has failed, but for these."""
        self._failures = {pod: failure for pod, failure in self._failures.items() if pod in pods}

    async def close(self) -> None:
        self._closed = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _takes_long(self, dialling: _Dialling) -> bool:
        return self._loop.time() - dialling.since >= max(SLOW, TIMES * self._usual)

    def _is_new(self, failure: _Failure) -> bool:
        return self._loop.time() - failure.at < BAD

    def _done(self, task: "asyncio.Task[Link]") -> None:
        dialling = self._running.pop(task)
        self._spare.coming -= 1
        if task.cancelled():
            if not self._closed:  # by what it waited for: who waits for a link must hear of it all the same
                self.fail(dialling.pod, KfwError(f"the dial of a tunnel to pod {dialling.pod} was cancelled"))
            return
        error = task.exception()
        if isinstance(error, Shortage):
            self._short_at = self._loop.time()
            return  # no verdict on the pod; who waits looks again by himself
        if error is None:
            self._failures.pop(dialling.pod, None)
            self._usual += (self._loop.time() - dialling.since - self._usual) / 4
            self._made(task.result(), dialling.asked)
            return
        if not isinstance(error, KfwError):
            told = KfwError(f"kfw failed to make a tunnel to pod {dialling.pod}: {describe(error)}")
            defect, error = error, told
            error.__cause__ = defect
        self.fail(dialling.pod, error)

    def fail(self, pod: str, error: KfwError) -> None:
        """Also for a link that was of no use."""
        self._failures[pod] = _Failure(self._loop.time(), error)
        self._failed(error)
