"""The links of one forward: to which pods, how many, and which of them are kept warm."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from kfw.errors import KfwError
from kfw.kube.pod_upgrade import PodGone
from kfw.methods.tunnel import balancer
from kfw.methods.tunnel.idle_links import IdleLinks
from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.pending_dials import Dial, PendingDials
from kfw.methods.tunnel.stream import Stream
from kfw.model import Endpoint
from kfw.system.open_files import OPEN_FILES, Use
from kfw.wire.codec import WireError

#: Links of one forward that move; beyond it connections share. And all of them, also those that stand still.
CAP, MOST = 32, 128
#: Dials at a time while there is no link, and for each link more: the first is there sooner, and says whether others will.
FIRST_DIALS = 2
#: A forward without a new connection for so many seconds keeps one link warm, else one for each pod, up to so many.
RECENT = 60.0
WARM = 4


@dataclass(frozen=True)
class PoolConfig:
    """`spare` is that of all forwards. `dial(pod)` makes a link, raising KfwError. `broke` is told when there is
    none and none can be made.

    `hold`: seconds that a connection is tried again which no pod takes; `hold_refused`: which every pod refuses because
    nothing listens. `refused` is told when every pod has. `sticky`: connections go to the same pod as long as it takes
    them.
    """

    name: str
    hold: float
    hold_refused: float
    spare: IdleLinks
    dial: Dial
    broke: Callable[[KfwError], None]
    refused: Callable[[str], None]
    log: logging.Logger
    sticky: bool = False


class Pool:
    """`changed` is called when there may be a link for who waits for one, or none to be had."""

    def __init__(self, terms: PoolConfig, changed: Callable[[], None]) -> None:
        self.links: set[Link] = set()
        self.endpoints: dict[str, Endpoint] = {}
        self.used_at = float("-inf")
        self.round_trip = 0.0  # seconds, as last measured
        self.proved_at = float("-inf")
        self.spare = terms.spare
        self._terms = terms
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._dials = PendingDials(terms.dial, self._made, self._dial_failed, terms.spare)
        self._turn: dict[str, int] = {}  # the number of the last connection to each pod
        self._count = 0
        self.sticky_pod = (
            ""  # the pod that has got the last connection; where they are sticky, the one that gets the next
        )
        self._closed = False
        self._empty = asyncio.Event()

    # -- for the tunnel

    def target(self, endpoints: Iterable[Endpoint]) -> None:
        """These pods are ready now. What goes to others drains."""
        self.endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        if self.sticky_pod not in self.endpoints:
            self.sticky_pod = next(iter(self.endpoints), "")
        self._dials.forget(self.endpoints)
        for link in tuple(self.links):
            if link.pod not in self.endpoints:
                link.retire("its pod takes no more connections")
        self._changed()
        self.keep_warm()

    def renew(self, why: str) -> None:
        """The links that there are take no more connections, and drain."""
        for link in tuple(self.links):
            link.retire(why)
        self.keep_warm()

    async def fresh(self, pod: str) -> Link:
        """A new link. Raises KfwError. Who is cancelled leaves it to others."""
        if pod not in self.endpoints:  # it went while others were asked first
            raise KfwError(f"pod {pod} is gone", reason="endpoint-gone")
        dial = self._dials.join(pod)
        try:
            return await asyncio.shield(dial)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if dial.cancelled() and not (task and task.cancelling()):
                why = "the tunnel was closed while it dialled" if self._closed else "the dial was cancelled"
                raise KfwError(why, reason="endpoint-gone") from None
            self._dials.left_alone(dial)
            raise

    def spare_free(self) -> None:
        """Those that nobody needs now."""
        for link in tuple(self.links):
            if link.free:
                self.spare.add(link)

    async def close(self) -> None:
        self._closed = True
        try:
            await self._dials.close()
        finally:
            for link in tuple(self.links):
                link.abort("the forward ends")
        if self.links:
            await self._empty.wait()

    # -- for who waits

    @property
    def coming(self) -> int:
        """Dials of which a link is to be expected soon."""
        return len(self._dials.pods)

    @property
    def full(self) -> bool:
        return self._room() <= 0

    @property
    def parked(self) -> bool:
        """It is well without a link: others are used more."""
        return not self.links and not self.spare.room and self.why_not(self.endpoints) is None

    def pods_for(self, tried: Collection[str]) -> list[str]:
        sticky = self.sticky_pod if self._terms.sticky else None
        return balancer.pods_for(
            list(self.endpoints), tried=tried, bad=self._dials.passed_over(), sticky=sticky
        )

    def link_for(self, pods: Collection[str], *, share: bool) -> Link | None:
        link = balancer.free_link(self.links, pods, self._turn)
        if link is None and share:
            return balancer.shared_link(self.links, pods)
        return link

    def open(self, link: Link, stream: Stream) -> bool:
        """False: that link is of no use any more."""
        if link.pod in self.endpoints:
            stream.port = self.endpoints[link.pod].port
        try:
            link.open(stream)
        except WireError as error:
            link.retire(error.what)
            return False
        self.spare.discard(link)
        self._count += 1
        self._turn[link.pod] = self._count
        self.sticky_pod = link.pod
        return True

    def why_not(self, pods: Iterable[str]) -> KfwError | None:
        """The error, if a dial to each of them has failed just now."""
        return self._dials.why_not(pods)

    @property
    def failure(self) -> KfwError | None:
        """Of a pod to which a dial has failed just now."""
        return next(filter(None, (self.why_not([pod]) for pod in self.endpoints)), None)

    def dial(self, pods: Sequence[str], use: Use = Use.DIAL) -> bool:
        """False: no more now."""
        possible = [pod for pod in pods if self._dials.may_start(pod)]
        if self.full or not possible or self.coming >= FIRST_DIALS * (1 + len(self.links)):
            return False
        if self._dials.short or not OPEN_FILES.has_room(use):
            return False
        pod = balancer.pod_to_dial(possible, self.links, self._dials.pods)
        self._dials.start(pod, use)
        return True

    @property
    def starved(self) -> bool:
        """There is no link, and this machine has no room for one."""
        if self.links or self._dials.pods:
            return False
        return self._dials.short or not OPEN_FILES.has_room(Use.DIAL)

    def keep_warm(self) -> None:
        """Who comes next finds a link."""
        if self._closed:
            return
        passed_over = self._dials.passed_over()
        good = [pod for pod in self.endpoints if pod not in passed_over]
        there = {*self._dials.pods, *(link.pod for link in self.links if link.free)}
        recent = self._loop.time() - self.used_at < RECENT
        wanted = good[:WARM] if recent else good[:1] if not self.links else []
        for pod in wanted:
            if pod not in there and self.spare.room:
                self.dial([pod], Use.WARM)

    # -- for links and dials

    def on_idle(self, link: Link) -> None:
        self._changed()
        if link.free:
            self.spare.add(link)

    def retired(self, link: Link) -> None:
        self.spare.discard(link)
        self._changed()
        self.keep_warm()

    def gone(self, link: Link) -> None:
        self.links.discard(link)
        self.spare.gone(link)
        self._terms.log.debug("%s: a tunnel to pod %s is closed: %s", self._terms.name, link.pod, link.why)
        if not self.links:
            self._empty.set()
        if not link.proven and not self._closed:
            why = f"the tunnel to pod {link.pod} broke at once: {link.why}"
            self._dials.fail(link.pod, KfwError(why, reason="cluster-unreachable"))
        self._changed()
        self.keep_warm()

    def _made(self, link: Link, asked: bool) -> None:
        if link.closed:  # before anybody had it; `gone` has been called
            self._changed()
            return
        self._empty.clear()
        self.links.add(link)
        if self._closed or link.pod not in self.endpoints:
            link.retire("its pod takes no more connections")
        self._changed()
        if link.free and not asked:  # who has asked for it asks it something first
            self.spare.add(link)

    def _dial_failed(self, error: KfwError) -> None:
        defect = error.__cause__ if error.reason == "internal" else None
        level = logging.ERROR if defect else logging.DEBUG
        self._terms.log.log(level, "%s: %s", self._terms.name, error.what, exc_info=defect)
        gone = isinstance(error, PodGone)  # the watch will tell
        if not self.links and not gone and self.why_not(self.endpoints):
            self._terms.broke(error)
        self._changed()

    def _room(self) -> int:
        moving = sum(not link.stalled for link in self.links)
        return min(CAP - moving, MOST - len(self.links)) - self.coming
