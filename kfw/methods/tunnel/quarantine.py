"""A link that a stream has left in doubt: is a worker of the runtime blocked, does a download still flow?"""

import asyncio
from collections.abc import Callable

#: Seconds for the answer to PINGs.
SETTLE = 5.0
#: Bytes for nobody: a download that was left still flows.
FLOOD = 64 * 1024


class Quarantine:
    """`ask(seconds)` sends PINGs; `settled(True)` is called when all have been answered and nothing flows, `settled(False)`
    when one has not."""

    def __init__(
        self,
        ask: "Callable[[float], asyncio.Future[float | None]]",
        unwanted: Callable[[], int],
        settled: Callable[[bool], None],
    ) -> None:
        self.active = False
        self._ask = ask
        self._unwanted = unwanted  # bytes that came for streams that had left
        self._settled = settled
        self._before = 0
        self._doubts = 0

    def doubt(self) -> None:
        self._doubts += 1
        if not self.active:
            self._begin()

    def left(self) -> None:
        """A stream, without doubts; an app that says something only now is seen all the same."""
        if not self.active:
            self._before = self._unwanted()

    @property
    def floods(self) -> bool:
        return self._unwanted() - self._before >= FLOOD

    def _begin(self) -> None:
        self.active = True
        self._before = self._unwanted()
        doubts = self._doubts

        def answered(answer: "asyncio.Future[float | None]") -> None:
            again = self.floods or doubts != self._doubts
            self.active = False
            if answer.result() is None:
                self._settled(False)
            elif again:
                self._begin()
            else:
                self._settled(True)

        self._ask(SETTLE).add_done_callback(answered)
