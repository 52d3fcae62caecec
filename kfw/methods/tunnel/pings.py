"""Does the whole path answer? Five PINGs in a row: one for each worker of the container runtime, which takes them in turn.

A blocked worker answers none of its own (docs/tunnel.md, Surprises of the wire). PINGs queue behind data that the app has
not read yet: during an upload a late answer is not a dead path.
"""

import asyncio
from collections.abc import Callable

from kfw.wire.spdy import SpdyConnection

WORKERS = 5


class Pings:
    """`clock`: seconds, finer than uvloop's own, which counts milliseconds."""

    def __init__(self, spdy: SpdyConnection, clock: Callable[[], float]) -> None:
        self._spdy = spdy
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._rounds: dict[int, _Round] = {}  # by the numbers of their PINGs

    def ask(self, seconds: float) -> tuple[bytes, "asyncio.Future[float | None]"]:
        """What to write, and what will be the seconds until all had answered, or None if one had not in time."""
        pings = [self._spdy.ping() for _ in range(WORKERS)]
        asked = _Round(self._loop, {number for number, _ in pings}, self._clock())
        for number, _ in pings:
            self._rounds[number] = asked
        late = self._loop.call_later(seconds, asked.over, None)
        asked.answer.add_done_callback(lambda _: self._forget(asked, late))
        return b"".join(wire for _, wire in pings), asked.answer

    def on_pong(self, number: int) -> None:
        asked = self._rounds.get(number)
        if asked:
            asked.missing.discard(number)
            if not asked.missing:
                asked.over(self._clock() - asked.began)

    def end(self) -> None:
        """Nobody will answer any more."""
        for asked in set(self._rounds.values()):
            asked.over(None)

    def _forget(self, asked: "_Round", late: asyncio.TimerHandle) -> None:
        late.cancel()
        for number in asked.numbers:
            self._rounds.pop(number, None)


class _Round:
    def __init__(self, loop: asyncio.AbstractEventLoop, numbers: set[int], began: float) -> None:
        self.numbers = frozenset(numbers)
        self.missing = numbers
        self.began = began
        self.answer: asyncio.Future[float | None] = loop.create_future()

    def over(self, seconds: float | None) -> None:
        if not self.answer.done():
            self.answer.set_result(seconds)


class Quarantine:
    """A link that a stream has left in doubt: is a worker of the runtime blocked, does a download still flow?

    `ask()` sends PINGs; `settled(True)` is called when all have been answered and nothing flows, `settled(False)` when one
    has not. `unwanted()`: bytes that came for streams that had left; `flood`: as many are a download.
    """

    def __init__(
        self,
        ask: "Callable[[], asyncio.Future[float | None]]",
        unwanted: Callable[[], int],
        settled: Callable[[bool], None],
        *,
        flood: int,
    ) -> None:
        self.active = False
        self._ask = ask
        self._unwanted = unwanted
        self._settled = settled
        self._flood = flood
        self._before = 0
        self._doubts = 0

    def suspect(self) -> None:
        self._doubts += 1
        if not self.active:
            self._begin()

    def on_left(self) -> None:
        """A stream, without doubts; an app that says something only now is seen all the same."""
        if not self.active:
            self._before = self._unwanted()

    @property
    def floods(self) -> bool:
        return self._unwanted() - self._before >= self._flood

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

        self._ask().add_done_callback(answered)
