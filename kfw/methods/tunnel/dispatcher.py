"""The connections of one forward, and those of them that wait for a link."""

import asyncio
import errno
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.messages import in_short
from kfw.methods.tunnel.pool import Pool, PoolConfig
from kfw.methods.tunnel.stream import ResetByApp, Stream
from kfw.relay.dialer import DialFailed, RefusedByApp
from kfw.wire.portforward import FailureKind, Refusal

#: Seconds that a connection waits for a link of its own while there is one to share.
ALONE = 0.1
#: Seconds between two looks while somebody waits: a dial may take long, so that another one is tried beside it.
TICK = 0.05
#: Why a connection waits for which no link may be made.
NO_ROOM = os.strerror(errno.EMFILE).lower()
#: Seconds in which one pod after the other is asked, although nothing shall be held.
ASK_ALL = 1.0
#: Seconds in which a dial has had its chance, also where nothing shall be held: kube.upgrade.ANSWER.
ENOUGH = 10.0
#: Seconds until a connection that every pod has refused is tried again, doubled from the first to the last.
FIRST_ROUND, LAST_ROUND = 0.25, 1.0


@dataclass(eq=False)
class PendingConnection:
    """`placed`: somebody awaits it; None: the relay has it already, and it is tried again."""

    stream: Stream
    since: float
    placed: "asyncio.Future[None] | None" = None
    not_before: float = 0.0


def _latest(waiter: PendingConnection) -> float:
    """When it hears that there is no link, by the loop's time: dials that hang one after the other may go on for ever."""
    return max(waiter.stream.until, waiter.since + ENOUGH)


class Dispatcher:
    def __init__(self, terms: PoolConfig) -> None:
        self.pool = Pool(terms, self._look)
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._streams: set[Stream] = set()
        self._waiters: dict[PendingConnection, None] = {}  # in turn
        self._next_look: asyncio.TimerHandle | None = None
        self._closed = False

    async def connect(self, protocol: asyncio.Protocol, *, once_within: float | None = None) -> Stream:
        """Raises DialFailed(safe=True): the app got nothing.

        While one pod after the other refuses it is tried on the next, for as long as the terms say. `once_within`: only
        once on each, within so many seconds; that is a probe.
        """
        if self._closed:  # nobody would look after who waits
            raise DialFailed("the tunnel is closed", safe=True)
        now = self._loop.time()
        if once_within is None:
            self.pool.used_at = now
        patience = self._terms.hold if once_within is None else once_within
        waiter = PendingConnection(Stream(protocol, self, now + patience, once=once_within is not None), now)
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
        endpoint = self.pool.endpoints.get(stream.pod)
        declared = endpoint.declared if endpoint else None
        stream.refusal = in_short(refusal, stream.pod, stream.port, declared)
        stream.tried.add(stream.pod)
        stream.listens_nowhere = stream.listens_nowhere and refusal.kind is FailureKind.REFUSED
        pause = 0.0
        if self._was_tried_everywhere(stream):
            self._finish_round(stream, now)
            pause = min(FIRST_ROUND * 2.0**stream.rounds, LAST_ROUND)
            stream.rounds += 1
            if stream.once:
                return False
        if self._closed or now >= self._deadline(stream):
            return False
        self._waiters[PendingConnection(stream, now, not_before=now + pause)] = None
        self._look()
        return True

    def _was_tried_everywhere(self, stream: Stream) -> bool:
        return stream.tried.issuperset(self.pool.endpoints)

    def _finish_round(self, stream: Stream, now: float) -> None:
        """Each pod has refused it."""
        if not (stream.listens_nowhere and self.pool.endpoints):
            stream.refused_at = None
            return
        stream.refused_at = now if stream.refused_at is None else stream.refused_at
        if not stream.once:
            stream.tell_refusal()
            self._terms.refused(stream.refusal)

    def _deadline(self, stream: Stream) -> float:
        """That nothing listens is an answer, sooner than that there is no pod; but first each pod is asked."""
        if not self._was_tried_everywhere(stream):
            return max(stream.until, stream.began + ASK_ALL)
        if stream.refused_at is None:
            return stream.until
        return min(stream.until, stream.refused_at + self._terms.hold_refused)

    def returned(self, stream: Stream) -> bool:
        now = self._loop.time()
        if self._closed or now >= stream.until:
            return False
        self._waiters[PendingConnection(stream, now)] = None
        self._look()
        return True

    def ended(self, stream: Stream, error: Exception | None) -> None:
        self._streams.discard(stream)
        for waiter in [waiter for waiter in self._waiters if waiter.stream is stream]:
            del self._waiters[waiter]
        if error and not self._closed:
            quiet = isinstance(error, ResetByApp) or stream.once
            refused = stream.refusal and not stream.once
            level = logging.WARNING if refused else logging.DEBUG if quiet else logging.INFO
            self._terms.log.log(level, "%s: a connection is reset: %s", self._terms.name, error)

    # -- who waits

    async def _wait(self, waiter: PendingConnection) -> None:
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
        try:
            self._give_up(now)
            self._serve_all(now)
            self._dial(now)
        finally:  # a mistake in one look must not leave those who wait alone
            if self._next_look:
                self._next_look.cancel()
            next_round = min((w.not_before for w in self._waiters if w.not_before > now), default=now + TICK)
            self._next_look = self._loop.call_at(min(next_round, now + TICK), self._look)

    def _give_up(self, now: float) -> None:
        nowhere = not self.pool.endpoints
        if nowhere:
            for waiter in self._waiters:
                waiter.stream.refused_at = None  # nobody is there to refuse it any more
        late = [w for w in self._waiters if now >= (_latest(w) if w.placed else self._deadline(w.stream))]
        self._fail(late, "no pod is ready" if nowhere else "no tunnel to a pod could be opened in time")
        if nowhere:
            self._fail([w for w in self._waiters if w.placed], "no pod is ready")

    def _serve_all(self, now: float) -> None:
        """In turn; one that has been refused may wait for another pod than the rest."""
        for number, waiter in enumerate(tuple(self._waiters)):
            if waiter not in self._waiters or not self._is_due(waiter, now):
                continue
            surplus = self.pool.full and number >= self.pool.coming
            served = self._serve(waiter, share=surplus or now - waiter.since >= ALONE)
            if not (served or waiter.stream.tried):
                break

    def _is_due(self, waiter: PendingConnection, now: float) -> bool:
        """A pod that has not refused it yet is tried at once, the others after a pause."""
        return waiter.not_before <= now or not self._was_tried_everywhere(waiter.stream)

    def _serve(self, waiter: PendingConnection, *, share: bool = False) -> bool:
        pods = self.pool.pods_for(waiter.stream.tried)
        link = self.pool.link_for(pods, share=share or self.pool.why_not(pods) is not None)
        return link is not None and self._open(link, waiter)

    def _open(self, link: Link, waiter: PendingConnection) -> bool:
        """What it opens may end before this returns, and wait again."""
        self._waiters.pop(waiter, None)
        if self._was_tried_everywhere(waiter.stream):  # a new round
            waiter.stream.tried.clear()
            waiter.stream.listens_nowhere = True
        if not self.pool.open(link, waiter.stream):
            self._waiters[waiter] = None
            return False
        if waiter.placed and not waiter.placed.done():
            waiter.placed.set_result(None)
        return True

    def _dial(self, now: float) -> None:
        """One for each who waits, as far as there is room."""
        due = [waiter for waiter in self._waiters if self._is_due(waiter, now)]
        for waiter in due[self.pool.coming :]:  # as those that come are for those before
            pods = self.pool.pods_for(waiter.stream.tried)
            if failure := self.pool.why_not(pods):
                self._fail([waiter] if waiter.placed or waiter.stream.once else [], failure.what)
            elif not self.pool.dial(pods):
                if self.pool.starved:
                    self._fail([w for w in due if w.placed], NO_ROOM, short=True)
                break

    def _fail(self, waiters: Iterable[PendingConnection], why: str, *, short: bool = False) -> None:
        for waiter in tuple(waiters):
            self._waiters.pop(waiter, None)
            if waiter.placed is None:
                kind = ConnectionResetError if waiter.stream.refused_at is None else RefusedByApp
                waiter.stream.end(kind(waiter.stream.refusal or why))
            elif not waiter.placed.done():
                waiter.placed.set_exception(DialFailed(why, safe=True, short=short))
