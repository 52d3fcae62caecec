"""The connections of one forward, and those of them that wait for a link."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from kfw.methods.tunnel.attach import AnyLink
from kfw.methods.tunnel.pool import Pool, Terms
from kfw.methods.tunnel.stream import ResetByApp, Stream
from kfw.methods.tunnel.words import in_short
from kfw.relay.dial import DialFailed
from kfw.wire.portforward import Refusal

#: Seconds that a connection waits for a link of its own while there is one to share.
ALONE = 0.1
#: Seconds between two looks while somebody waits: a dial may take long, so that another one is tried beside it.
TICK = 0.05
#: Seconds until a connection that every pod has refused is tried again, doubled from the first to the last.
FIRST_ROUND, LAST_ROUND = 0.25, 2.0


@dataclass(eq=False)
class Waiter:
    """`placed`: somebody awaits it; None: the relay has it already, and it is tried again."""

    stream: Stream
    since: float
    placed: "asyncio.Future[None] | None" = None
    not_before: float = 0.0


class Placing:
    def __init__(self, terms: Terms) -> None:
        self.pool = Pool(terms, self._look)
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._streams: set[Stream] = set()
        self._waiters: dict[Waiter, None] = {}  # in turn
        self._next_look: asyncio.TimerHandle | None = None
        self._closed = False

    async def connect(self, protocol: asyncio.Protocol, *, patience: float | None = None) -> Stream:
        """Raises DialFailed(safe=True): the app got nothing.

        While one pod after the other refuses it is tried on the next, for `patience` seconds, by default the hold.
        """
        now = self._loop.time()
        if patience is None:
            patience, self.pool.used_at = self._terms.hold, now
        waiter = Waiter(Stream(protocol, self, now + patience if patience else 0.0), now)
        self._streams.add(waiter.stream)
        if self._waiters or not self._serve(waiter):
            await self._wait(waiter)
        self.pool.keep_warm()
        return waiter.stream

    async def close(self) -> None:
        self._closed = True
        if self._next_look:
            self._next_look.cancel()
        self._fail(self._waiters, "the forward ends")
        for stream in tuple(self._streams):
            stream.end(ConnectionResetError("the forward ends"))
        await self.pool.close()

    # -- for streams

    def refused(self, stream: Stream, refusal: Refusal) -> bool:
        now = self._loop.time()
        self._terms.log.debug("%s: pod %s: %s", self._terms.name, stream.pod, refusal.text)
        if self._closed or now >= stream.until:
            return False
        stream.refusal = in_short(refusal, stream.pod, stream.port)
        stream.tried.add(stream.pod)
        pause = 0.0
        if stream.tried.issuperset(self.pool.endpoints):
            stream.tried.clear()
            pause = min(FIRST_ROUND * 2.0**stream.rounds, LAST_ROUND)
            stream.rounds += 1
        self._waiters[Waiter(stream, now, not_before=now + pause)] = None
        self._look()
        return True

    def returned(self, stream: Stream) -> bool:
        now = self._loop.time()
        if self._closed or now >= stream.until:
            return False
        self._waiters[Waiter(stream, now)] = None
        self._look()
        return True

    def ended(self, stream: Stream, error: Exception | None) -> None:
        self._streams.discard(stream)
        for waiter in [waiter for waiter in self._waiters if waiter.stream is stream]:
            del self._waiters[waiter]
        if error and not self._closed:
            quiet = isinstance(error, ResetByApp) or not stream.until  # a probe
            level = logging.WARNING if stream.refusal else logging.DEBUG if quiet else logging.INFO
            self._terms.log.log(level, "%s: a connection is reset: %s", self._terms.name, error)

    # -- who waits

    async def _wait(self, waiter: Waiter) -> None:
        placed = waiter.placed = self._loop.create_future()
        self._waiters[waiter] = None
        self._look()
        try:
            await placed
        except BaseException:
            waiter.stream.abort()
            raise

    def _look(self) -> None:
        """Whenever something has changed, and again after a while as long as somebody waits."""
        if self._closed or not self._waiters:
            return
        now = self._loop.time()
        self._give_up(now)
        self._serve_all(now)
        self._dial(now)
        if self._next_look:
            self._next_look.cancel()
        next_round = min((w.not_before for w in self._waiters if w.not_before > now), default=now + TICK)
        self._next_look = self._loop.call_at(min(next_round, now + TICK), self._look)

    def _give_up(self, now: float) -> None:
        nowhere = not self.pool.endpoints
        self._fail(
            (w for w in self._waiters if (nowhere if w.placed else now >= w.stream.until)), "no pod is ready"
        )

    def _serve_all(self, now: float) -> None:
        """In turn; one that has been refused may wait for another pod than the rest."""
        for number, waiter in enumerate(tuple(self._waiters)):
            if waiter.not_before > now or waiter not in self._waiters:
                continue
            surplus = self.pool.full and number >= self.pool.coming
            served = self._serve(waiter, share=surplus or now - waiter.since >= ALONE)
            if not (served or waiter.stream.tried):
                break

    def _serve(self, waiter: Waiter, *, share: bool = False) -> bool:
        pods = self.pool.pods_for(waiter.stream.tried)
        link = self.pool.link_for(pods, share=share or self.pool.why_not(pods) is not None)
        return link is not None and self._open(link, waiter)

    def _open(self, link: AnyLink, waiter: Waiter) -> bool:
        """What it opens may end before this returns, and wait again."""
        self._waiters.pop(waiter, None)
        if not self.pool.open(link, waiter.stream):
            self._waiters[waiter] = None
            return False
        if waiter.placed and not waiter.placed.done():
            waiter.placed.set_result(None)
        return True

    def _dial(self, now: float) -> None:
        """One for each who waits, as far as there is room."""
        due = [waiter for waiter in self._waiters if waiter.not_before <= now]
        for waiter in due[self.pool.coming :]:  # as those that come are for those before
            pods = self.pool.pods_for(waiter.stream.tried)
            if failure := self.pool.why_not(pods):
                self._fail([waiter] if waiter.placed else [], failure.what)
            elif not self.pool.dial(pods):
                break

    def _fail(self, waiters: Iterable[Waiter], why: str) -> None:
        for waiter in tuple(waiters):
            self._waiters.pop(waiter, None)
            if waiter.placed is None:
                waiter.stream.end(ConnectionResetError(waiter.stream.refusal or why))
            elif not waiter.placed.done():
                waiter.placed.set_exception(DialFailed(why, safe=True))
