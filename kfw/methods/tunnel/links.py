"""The links of one forward: which pod and which link a new connection gets, and how many links are kept warm.

SPDY has no flow control, so a connection that stalls stops its link: each gets a link without another one, up to CAP.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from kfw.errors import KfwError
from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.stream import Stream
from kfw.model import Endpoint, Problem
from kfw.relay.dial import DialFailed
from kfw.wire.base import WireError
from kfw.wire.portforward import Refusal

#: Links of one forward; beyond it connections share.
CAP = 32
#: Dials at the same time; who comes meanwhile shares, if there is a link to share.
DIALS = 8
#: Seconds that a link beyond the one that is kept warm may be idle, and between two looks after all of them.
IDLE = 30.0
TEND = 10.0
#: Seconds that an idle link may be silent until it is asked; middleboxes cut after 60 s and more.
KEEPALIVE = 20.0
#: Seconds for the answer of a path that is well.
ANSWER = 5.0
#: Seconds between two rounds over all pods when every one of them refused.
ROUND = 0.25

Dial = Callable[[str, Callable[[Link], None]], Awaitable[Link]]


class Links:
    """`dial(pod, gone)` makes a link, raising KfwError. `broke` is told when no link can be had any more."""

    def __init__(
        self, name: str, dial: Dial, broke: Callable[[KfwError], None], log: logging.Logger, hold: float
    ) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.problem: Problem | None = None
        self._name = name
        self._dial = dial
        self._broke = broke
        self._log = log
        self._hold = hold
        self._links: set[Link] = set()
        self._streams: dict[Stream, float] = {}  # and until when it may be tried
        self._dialling: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened_at = float("-inf")

    def __len__(self) -> int:
        return len(self._links)

    def target(self, endpoints: Iterable[Endpoint]) -> None:
        """These pods are ready now. What goes to others drains."""
        self.endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        for link in tuple(self._links):
            if link.pod not in self.endpoints:
                link.retire("its pod takes no more connections")

    async def connect(self, protocol: asyncio.Protocol, *, patience: float | None = None) -> Stream:
        """Raises DialFailed(safe=True): the app got nothing. For `patience` seconds, default the hold, it is tried
        on one pod after the other while each refuses."""
        stream = Stream(protocol, self, 0)
        patience = self._hold if patience is None else patience
        self._streams[stream] = asyncio.get_running_loop().time() + patience
        try:
            await self._place(stream)
        except DialFailed:
            self._streams.pop(stream, None)
            raise
        protocol.connection_made(stream)
        return stream

    async def alive(self, seconds: float) -> None:
        """Prove the path to a runtime: by an idle link, or by a fresh one. Raises KfwError."""
        for link in self._idle():
            if await link.answers(min(seconds, 0.5)):
                return
            link.retire("it does not answer")
        pod = next(iter(self.endpoints), None)
        if pod is None:
            raise KfwError("no pod is ready", reason="no-ready-pod")
        link = await self._fresh(pod)
        if not await link.answers(seconds):
            link.abort("it does not answer")
            raise KfwError(
                f"the tunnel to pod {pod} does not answer within {seconds:g} s", reason="unhealthy"
            )

    def start(self) -> None:
        self._spawn(self._tend())

    async def close(self) -> None:
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in tuple(self._links):
            link.abort("the forward ends")
        for stream in tuple(self._streams):
            stream.lost(ConnectionResetError("the forward ends"))

    # -- for streams

    def failed(self, stream: Stream, refusal: Refusal) -> bool:
        if asyncio.get_running_loop().time() >= self._streams.get(stream, 0.0):
            return False
        self._log.info("%s: a connection goes to another pod: %s", self._name, refusal.text)
        self._spawn(self._again(stream))
        return True

    def ended(self, stream: Stream) -> None:
        self._streams.pop(stream, None)

    # -- inside

    async def _again(self, stream: Stream) -> None:
        if stream.tried.issuperset(self.endpoints):
            stream.tried.clear()
            await asyncio.sleep(ROUND)
        try:
            await self._place(stream)
        except DialFailed as error:
            stream.lost(ConnectionResetError(error.why))
        else:
            stream.unchoke()

    async def _place(self, stream: Stream) -> None:
        pod = self._pod_for(stream)
        if pod is None:
            raise DialFailed("no pod is ready", safe=True)
        try:
            link = self._link_to(pod) or await self._fresh(pod)
            stream.tried.add(pod)
            if stream.is_closing():
                return  # the client has left meanwhile
            stream.port = self.endpoints[pod].port if pod in self.endpoints else stream.port
            link.open(stream)
        except (KfwError, WireError) as error:
            raise DialFailed(error.what, safe=True) from error
        self._warm_up(pod)

    def _pod_for(self, stream: Stream) -> str | None:
        """The least live connections; of equals one with a link that waits, then the order of the cluster."""
        pods = [pod for pod in self.endpoints if pod not in stream.tried] or list(self.endpoints)
        load = dict.fromkeys(pods, 0)
        for link in self._links:
            if link.pod in load:
                load[link.pod] += link.live
        waits = {link.pod for link in self._idle()}
        return min(pods, key=lambda pod: (load[pod], pod not in waits), default=None)

    def _link_to(self, pod: str) -> Link | None:
        """One without a connection; the least busy one if there may be no more; None: dial."""
        usable = [link for link in self._links if link.pod == pod and link.usable]
        best = min(usable, key=lambda link: (link.stalled, link.live, -link.idle_since), default=None)
        if best is None or best.live == 0:
            return best
        dialling = sum(self._dialling.values())
        return best if len(self._links) + dialling >= CAP or dialling >= DIALS else None

    def _idle(self) -> list[Link]:
        return [link for link in self._links if link.usable and not link.live]

    async def _fresh(self, pod: str) -> Link:
        self._dialling[pod] = self._dialling.get(pod, 0) + 1
        try:
            link = await self._dial(pod, self._gone)
        except KfwError as error:
            if not any(link.usable for link in self._links):
                self._broke(error)
            raise
        finally:
            self._dialling[pod] -= 1
        self._links.add(link)
        if pod not in self.endpoints:
            link.retire("its pod takes no more connections")
        return link

    def _warm_up(self, pod: str) -> None:
        """Connections that come close after one another find a link that waits."""
        now = asyncio.get_running_loop().time()
        busy, self._opened_at = now - self._opened_at < TEND, now
        if busy and not self._idle() and not any(self._dialling.values()) and len(self._links) < CAP:
            self._spawn(self._spare(pod))

    async def _spare(self, pod: str) -> None:
        with suppress(KfwError):
            await self._fresh(pod)

    def _gone(self, link: Link) -> None:
        self._links.discard(link)
        if not self._links and self.endpoints and link.why != "the forward ends":
            self._spawn(self._spare(next(iter(self.endpoints))))

    async def _tend(self) -> None:
        """Idle links: one is kept, the others end after a while; all prove from time to time that they live."""
        while True:
            await asyncio.sleep(TEND)
            now = asyncio.get_running_loop().time()
            idle = sorted(self._idle(), key=lambda link: link.idle_since)
            kept = idle[-1:]
            for link in idle[: len(idle) - len(kept)]:
                if now - link.idle_since > IDLE:
                    link.close()
            for link in kept:
                if now - link.heard_at > KEEPALIVE and not await link.answers(ANSWER):
                    link.abort("it does not answer")

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()):
            self._log.error("%s: a tunnel's task failed", self._name, exc_info=defect)
