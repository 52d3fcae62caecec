"""The processor time that one API server may take: what it sends without a pause must not hold up everything else."""

import asyncio
import time
from collections.abc import Callable

#: Of the time, and seconds that may be taken at once: 5,000 pods are read in some 0.2 s.
RATE, BURST = 0.25, 0.5
#: Seconds after which the event loop gets its turn.
SLICE = 0.005


class ProcessorShare:
    """A bucket of seconds that fills while they are not taken. Shared by all that is read from one server."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._left = BURST
        self._at = clock()

    def take(self, seconds: float) -> float:
        """Seconds to wait, now that these have been used."""
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._at) * RATE) - seconds
        self._at = now
        return max(-self._left / RATE, 0.0)


class Reading:
    """One who reads from it: says when the processor is his and when he only waits, and pauses when it is time.

    `clock` counts the processor time of this thread: a machine that is busy with others is not held against a server.
    """

    def __init__(self, share: ProcessorShare, clock: Callable[[], float] = time.thread_time) -> None:
        self._share = share
        self._clock = clock
        self._since = clock()
        self._used = 0.0

    def waits(self) -> None:
        self._used += self._clock() - self._since

    def goes_on(self) -> None:
        self._since = self._clock()

    async def pause_when_due(self) -> None:
        """Between two steps of a few milliseconds at most."""
        if self._used + self._clock() - self._since < SLICE:
            return
        self.waits()
        used, self._used = self._used, 0.0
        await asyncio.sleep(self._share.take(used))
        self.goes_on()
