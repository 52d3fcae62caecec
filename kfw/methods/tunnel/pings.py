"""Does the whole path answer? Five PINGs in a row: one for each worker of the container runtime, which takes them in turn.

A blocked worker answers none of its own (design/peer-figures.md, surprises 3 and 4). PINGs queue behind data that the
app has not read yet: during an upload a late answer is not a dead path.
"""

import asyncio
from time import perf_counter

from kfw.wire.spdy import SpdyConnection

WORKERS = 5


class Pings:
    def __init__(self, spdy: SpdyConnection) -> None:
        self._spdy = spdy
        self._loop = asyncio.get_running_loop()
        self._rounds: dict[int, _Round] = {}  # by the numbers of their PINGs

    def ask(self, seconds: float) -> tuple[bytes, "asyncio.Future[float | None]"]:
        """What to write, and what will be the seconds until all had answered, or None if one had not in time."""
        pings = [self._spdy.ping() for _ in range(WORKERS)]
        asked = _Round(self._loop, {number for number, _ in pings})
        for number, _ in pings:
            self._rounds[number] = asked
        late = self._loop.call_later(seconds, asked.over, None)
        asked.answer.add_done_callback(lambda _: self._forget(asked, late))
        return b"".join(wire for _, wire in pings), asked.answer

    def heard(self, number: int) -> None:
        asked = self._rounds.get(number)
        if asked:
            asked.missing.discard(number)
            if not asked.missing:
                asked.over(perf_counter() - asked.began)

    def end(self) -> None:
        """Nobody will answer any more."""
        for asked in set(self._rounds.values()):
            asked.over(None)

    def _forget(self, asked: "_Round", late: asyncio.TimerHandle) -> None:
        late.cancel()
        for number in asked.numbers:
            self._rounds.pop(number, None)


class _Round:
    def __init__(self, loop: asyncio.AbstractEventLoop, numbers: set[int]) -> None:
        self.numbers = frozenset(numbers)
        self.missing = numbers
        self.began = perf_counter()  # uvloop's own clock counts milliseconds
        self.answer: asyncio.Future[float | None] = loop.create_future()

    def over(self, seconds: float | None) -> None:
        if not self.answer.done():
            self.answer.set_result(seconds)
