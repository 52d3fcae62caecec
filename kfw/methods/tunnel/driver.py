"""The pool of one forward at work: it does what pool.plan says, and tells the state what came of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from math import inf

from kfw.errors import KfwError, Shortage, describe
from kfw.kube.pod_upgrade import PodGone
from kfw.methods.tunnel.budget import DialLimiter, DialTurn, IdleLinks, dismiss
from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.policy import Policy
from kfw.methods.tunnel.pool import Assign, Dial, Fail, Retire, plan, tidy
from kfw.methods.tunnel.pool_state import NEVER, PendingDial, PoolRequest, PoolState
from kfw.methods.tunnel.stream import ResetByApp, Stream
from kfw.model import Endpoint
from kfw.names import RowName
from kfw.relay.dialer import DialFailed, RefusedByApp
from kfw.system.open_files import OPEN_FILES, OpensFor, Use
from kfw.wire.codec import WireError
from kfw.wire.portforward import FailureKind, Refusal, in_short

ENDS = "the forward ends"


@dataclass(frozen=True)
class PoolConfig:
    """`idle` and `turns` are those of all forwards. `dial(pod)` makes a link, raising KfwError. `on_broken` is told when
    there is none and none can be made.

    `hold`: seconds that a connection is tried again which no pod takes; `hold_refused`: which every pod refuses because
    nothing listens. `on_refused` is told when every pod has. `sticky`: connections go to the same pod as long as it takes
    them.
    """

    name: str | RowName
    hold: float
    hold_refused: float
    idle: IdleLinks
    turns: DialLimiter
    dial: Callable[[str], Awaitable[Link]]
    on_broken: Callable[[KfwError], None]
    on_refused: Callable[[str], None]
    log: logging.Logger
    policy: Policy
    sticky: bool = False


class PoolDriver:
    """Links, streams and dials tell it what happens to them."""

    def __init__(self, config: PoolConfig) -> None:
        self.state = PoolState[Link](config.policy, config.hold_refused, config.sticky)
        self.idle = config.idle
        self.policy = config.policy
        self.round_trip = 0.0  # seconds, as last measured
        self.proved_at = NEVER
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._streams: dict[PoolRequest, Stream] = {}
        self._placed: dict[PoolRequest, asyncio.Future[None]] = {}  # of those that somebody awaits
        self._dials: dict[PendingDial, asyncio.Task[Link]] = {}
        self._turns: dict[PendingDial, DialTurn] = {}
        self._next_look: asyncio.TimerHandle | None = None
        self._looking = self._again = False
        self._empty = asyncio.Event()  # there is no link

    # -- for the tunnel

    @property
    def links(self) -> Collection[Link]:
        return self.state.links.keys()

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        return self.state.endpoints

    @property
    def name(self) -> str | RowName:
        """The forward's."""
        return self._config.name

    @property
    def is_used(self) -> bool:
        """It had a new connection lately."""
        return self._loop.time() - self.state.used_at < self.policy.used_within

    @property
    def parked(self) -> bool:
        """It is well without a link: others are used more."""
        return not self.links and self.idle.room <= 0 and self.why_not(self.endpoints) is None

    @property
    def failure(self) -> KfwError | None:
        """Of a pod to which a dial has failed just now."""
        return next(filter(None, (self.why_not([pod]) for pod in self.endpoints)), None)

    def why_not(self, pods: Collection[str]) -> KfwError | None:
        """The error, if a dial to each of them has failed just now."""
        return self.state.why_not(pods, self._loop.time())

    async def connect(self, protocol: asyncio.Protocol, *, once_within: float | None = None) -> Stream:
        """Raises DialFailed(safe=True): the app got nothing.

        While one pod after the other refuses it is tried on the next, for as long as the config says. `once_within`: only
        once on each, within so many seconds; that is a probe.
        """
        if self.state.closed:  # nobody would look after who waits
            raise DialFailed("the tunnel is closed", safe=True)
        now = self._loop.time()
        if once_within is None:
            self.state.used_at = now
        patience = self._config.hold if once_within is None else once_within
        request = PoolRequest(now, now + patience, once=once_within is not None)
        stream = self._streams[request] = Stream(protocol, self, request, self.policy)
        placed = self._placed[request] = self._loop.create_future()
        self.state.wait(request, now)
        try:
            self.keep_warm()  # one plan for both
            at_once = placed.done()
            await placed
        except BaseException:
            stream.abort()
            raise
        if not at_once:
            self.keep_warm()
        return stream

    def retarget(self, endpoints: Iterable[Endpoint]) -> None:
        """These pods are ready now. What goes to others drains."""
        self.state.on_target(endpoints)
        self.look()

    def renew(self, why: str) -> None:
        """The links that there are take no more connections, and drain."""
        for link in tuple(self.links):
            link.retire(why)
        self.keep_warm()

    def keep_warm(self) -> None:
        """Who comes next finds a link."""
        self.state.warm = True
        self.look()

    def close_idle(self) -> None:
        for link in tidy(self.state, self._loop.time()):
            dismiss(link, "it is not needed any more")

    def share_idle(self) -> None:
        """Those that nobody needs now."""
        for link in tuple(self.links):
            if link.free:
                self.idle.add(link)

    async def new_link(self, pod: str, on_turn: Callable[[float], None] = lambda _: None) -> Link:
        """Raises KfwError. Who is cancelled leaves it to others. `on_turn`: of the seconds for which it waited until it
        could dial."""
        if pod not in self.endpoints:  # it went while others were asked first
            raise KfwError(f"pod {pod} is gone", reason="endpoint-gone")
        dial = self.state.join_dial(pod, self._loop.time()) or self._start_dial(pod, Use.UPKEEP)
        dial.asked = True
        task, turn, asked = self._dials[dial], self._turns[dial], self._loop.time()
        try:
            await turn.wait()
            on_turn(self._loop.time() - asked)
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if task.cancelled() and not (caller and caller.cancelling()):
                closed = self.state.closed
                why = "the tunnel was closed while it dialled" if closed else "the dial was cancelled"
                raise KfwError(why, reason="endpoint-gone") from None
            dial.asked = False
            raise

    async def close(self) -> None:
        self.state.closed = True
        if self._next_look:
            self._next_look.cancel()
        for request in tuple(self.state.waiting):
            self._fail(Fail(request, ENDS))
        for stream in tuple(self._streams.values()):
            stream.end(ConnectionResetError(ENDS))
        dials = tuple(self._dials.values())
        for dial in dials:
            dial.cancel()
        try:
            await asyncio.gather(*dials, return_exceptions=True)
            await asyncio.sleep(
                0
            )  # from Python 3.12 on gather does not wait until what is done has been told
        finally:
            for link in tuple(self.links):
                link.abort(ENDS)
        if self.links:
            await self._empty.wait()

    # -- for streams

    def on_refused(self, stream: Stream, refusal: Refusal) -> bool:
        self._config.log.debug("%s: pod %s: %s", self._config.name, stream.pod, refusal.text)
        endpoint = self.endpoints.get(stream.pod)
        words = in_short(refusal, stream.pod, stream.port, endpoint.declared if endpoint else None)
        told = self.state.on_refused(
            stream.request,
            stream.pod,
            words,
            self._loop.time(),
            nothing_listens=refusal.kind is FailureKind.REFUSED,
        )
        if told.by_all and not stream.request.once:
            stream.tell_refusal()
            self._config.on_refused(words)
        self.look()
        return told.again

    def on_returned(self, stream: Stream) -> bool:
        again = self.state.on_returned(stream.request, self._loop.time())
        self.look()
        return again

    def on_ended(self, stream: Stream, error: Exception | None) -> None:
        request = stream.request
        self._streams.pop(request, None)
        self._placed.pop(request, None)
        self.state.forget(request)
        if error and not self.state.closed:
            quiet = isinstance(error, ResetByApp) or request.once
            refused = request.refusal and not request.once
            level = logging.WARNING if refused else logging.DEBUG if quiet else logging.INFO
            self._config.log.log(level, "%s: a connection is reset: %s", self._config.name, error)

    # -- for links

    def on_idle(self, link: Link) -> None:
        if self.state.waiting:
            self.look()
        if link.free:
            self.idle.add(link)

    def on_retired(self, link: Link) -> None:
        self.idle.discard(link)
        self.keep_warm()

    def on_gone(self, link: Link) -> None:
        self.state.on_gone(link)
        self.idle.on_gone(link)
        self._config.log.debug("%s: a tunnel to pod %s is closed: %s", self._config.name, link.pod, link.why)
        if not self.links:
            self._empty.set()
        if not link.proven and not self.state.closed:
            why = f"the tunnel to pod {link.pod} broke at once: {link.why}"
            self._on_failure(link.pod, KfwError(why, reason="cluster-unreachable"))
        self.look()

    # -- plans

    def look(self) -> None:
        """Whenever something has changed, and again after a while as long as somebody waits. What changes while it looks is
        looked at afterwards."""
        self._again = True
        if self._looking or self.state.closed:
            return
        self._looking = self.state.files = True
        try:
            while self._again:
                self._again = False
                self._look_once()
        finally:  # a mistake in one look must not leave those who wait alone
            self._looking = False
            self._plan_next_look()

    def _look_once(self) -> None:
        state, now = self.state, self._loop.time()
        if state.waiting:
            for turn in self._turns.values():
                turn.hurry()
        if state.waiting and state.is_bare(now):
            state.files = state.files and OPEN_FILES.has_room(Use.DIAL)
        state.idle_room = self.idle.room
        actions = plan(state, now)
        state.warm = False
        for action in actions:
            match action:
                case Retire(link, why):
                    link.retire(why)
                case Fail():
                    self._fail(action)
                case Assign(request, link):
                    self._assign(request, link)
                case Dial(pod, warm):
                    self._dial(pod, Use.WARM if warm else Use.DIAL)

    def _plan_next_look(self) -> None:
        if self._next_look:
            self._next_look.cancel()
            self._next_look = None
        if self.state.waiting and not self.state.closed:
            now = self._loop.time()
            rounds = (one.not_before for one in self.state.waiting if one.not_before > now)
            self._next_look = self._loop.call_at(min((*rounds, now + self.policy.tick)), self.look)

    def _assign(self, request: PoolRequest, link: Link) -> None:
        if request not in self.state.waiting or not link.usable:  # since the plan was made
            self._again = True
            return
        stream, endpoint = self._streams[request], self.endpoints[link.pod]
        self.state.on_assigned(request)
        stream.port = endpoint.port
        try:
            link.open(stream)
        except WireError as error:
            self.state.waiting[request] = None
            link.retire(error.what)
            return
        self.idle.discard(link)
        self.state.on_opened(request, link.pod)
        placed = self._placed.pop(request, None)
        if placed and not placed.done():
            placed.set_result(None)

    def _fail(self, fail: Fail) -> None:
        request = fail.request
        if request not in self.state.waiting:
            return
        self.state.forget(request)
        placed = self._placed.pop(request, None)
        if placed is None:
            kind = ConnectionResetError if request.refused_at is None else RefusedByApp
            self._streams[request].end(kind(request.refusal or fail.why))
        elif not placed.done():
            placed.set_exception(DialFailed(fail.why, safe=True, short=fail.short))

    # -- dials

    def _dial(self, pod: str, use: Use) -> None:
        if OPEN_FILES.has_room(use):
            self._start_dial(pod, use)
        elif use is Use.DIAL:
            self.state.files, self._again = False, True

    def _start_dial(self, pod: str, use: Use) -> PendingDial:
        dial = self.state.start_dial(pod, inf)
        turn = self._turns[dial] = self._config.turns.queue(awaited=use is Use.DIAL)
        with OpensFor(use):
            task = self._dials[dial] = asyncio.ensure_future(self._dial_in_turn(dial, turn))
        self.idle.coming += 1
        task.add_done_callback(partial(self._on_dialled, dial))
        return dial

    async def _dial_in_turn(self, dial: PendingDial, turn: DialTurn) -> Link:
        await turn.wait()
        dial.since = self._loop.time()
        return await self._config.dial(dial.pod)

    def _on_dialled(self, dial: PendingDial, task: "asyncio.Task[Link]") -> None:
        del self._dials[dial]
        self._turns.pop(dial).end()
        self.idle.coming -= 1
        if not task.cancelled() and task.exception() is None:
            self._on_link(dial, task.result())
            return
        self.state.on_dial_ended(dial)
        if task.cancelled():
            if (
                not self.state.closed
            ):  # by what it waited for: who waits for a link must hear of it all the same
                why = f"the dial of a tunnel to pod {dial.pod} was cancelled"
                self._on_failure(dial.pod, KfwError(why))
        elif isinstance(error := task.exception(), Shortage):
            self.state.on_shortage(self._loop.time())  # who waits looks again by himself
        elif error is not None:
            self._on_failure(dial.pod, _as_kfw_error(dial.pod, error))

    def _on_link(self, dial: PendingDial, link: Link) -> None:
        self.state.on_made(dial, link, self._loop.time(), closed=link.closed)
        if link.closed:  # before anybody had it; `on_gone` has been called
            self.look()
            return
        self._empty.clear()
        if self.state.closed:
            link.abort(ENDS)
            return
        self.look()
        if link.free and not dial.asked:  # who has asked for it asks it something first
            self.idle.add(link)

    def _on_failure(self, pod: str, error: KfwError) -> None:
        defect = error.__cause__ if error.reason == "internal" else None
        level = logging.ERROR if defect else logging.DEBUG
        self._config.log.log(level, "%s: %s", self._config.name, error.what, exc_info=defect)
        hopeless = self.state.on_failure(pod, error, self._loop.time())
        if hopeless and not isinstance(error, PodGone):  # of a pod that is gone the watch will tell
            self._config.on_broken(error)
        self.look()


def _as_kfw_error(pod: str, error: BaseException) -> KfwError:
    if isinstance(error, KfwError):
        return error
    told = KfwError(f"kfw failed to make a tunnel to pod {pod}: {describe(error)}")
    told.__cause__ = error
    return told
