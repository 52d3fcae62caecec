"""What this process has freed goes back to the system: soon, and at little cost however much lives on."""

import asyncio
import ctypes
import gc
import time
from collections.abc import Callable

#: Seconds until it goes back: what is freed meanwhile goes with it.
SOON = 2.0
#: Of the processor, at most. A collection looks at every object of the process: 20 ms for few forwards, 0.2 s for 1,600.
SHARE = 1 / 400


def give_back() -> None:
    """Now. Connections that have ended are freed by the collector of cycles."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


class FreedMemory:
    """`clock` counts seconds of this thread's processor time."""

    def __init__(
        self, give_back: Callable[[], None] = give_back, clock: Callable[[], float] = time.thread_time
    ) -> None:
        self._give_back = give_back
        self._clock = clock
        self._is_planned = False
        self._not_before = float("-inf")  # in the loop's time

    def give_back_soon(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time() + SOON, self._not_before), self._act)

    def _act(self) -> None:
        self._is_planned = False
        began = self._clock()
        self._give_back()
        self._not_before = asyncio.get_running_loop().time() + (self._clock() - began) / SHARE
