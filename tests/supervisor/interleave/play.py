"""One history through the real runner, machine, carrier, listener and tunnel; then the world is made well."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from kfw.environ import Environs
from kfw.methods.tunnel import method as tunnel_method
from kfw.methods.tunnel import pings, spare
from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.method import TunnelMethod
from kfw.methods.tunnel.placing import Placing
from kfw.methods.tunnel.spare import Spare
from kfw.methods.tunnel.stream import Stream
from kfw.model import Forward, Reason, Status, Target
from kfw.supervisor.machine import State, status_of
from kfw.supervisor.runner import Runner, World
from tests.supervisor.interleave import invariants
from tests.supervisor.interleave.client import Client
from tests.supervisor.interleave.cluster import HANGS, SETTLE, Cluster
from tests.supervisor.interleave.history import Event, History
from tests.supervisor.interleave.invariants import Wrong
from tests.supervisor.interleave.loop import START, Stuck, VirtualClock, VirtualLoop
from tests.supervisor.interleave.pipes import ListeningSocket

#: Everything of kfw's that is logged here at ERROR is a mistake of kfw's.
LOG = logging.getLogger("kfw")
_ENVIRONS = Environs({}, known=True)


@dataclass
class Outcome:
    """`wrong`: what must not be, "" if all is as it must be. `told`: what people could read meanwhile."""

    wrong: str = ""
    told: list[str] = field(default_factory=list)
    states: set[State] = field(default_factory=set)
    statuses: set[Status] = field(default_factory=set)


def play(history: History, *, verbose: bool = False) -> Outcome:
    """Deterministic: the same history has the same outcome. `verbose`: with what people could read."""
    loop = VirtualLoop()
    outcome = Outcome()
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(_words(context)))
    asyncio.set_event_loop(loop)
    with _patched(loop), _logged(complaints.append):
        life = Life(history, loop, outcome, complaints.append, verbose=verbose)
        loop.on_idle = life.check
        try:
            loop.run_until_complete(life.live())
            loop.run_until_complete(loop.shutdown_asyncgens())
            _run_off(loop)
            if left := asyncio.all_tasks(loop):
                raise Wrong(f"tasks are left: {sorted(task.get_name() for task in left)}")
        except (Wrong, Stuck) as wrong:
            outcome.wrong = str(wrong) or "nothing is pending, and nobody would ever wake it"
            _abandon(loop)
        finally:
            loop.close()
            asyncio.set_event_loop(None)
    unforeseen = [words for words in complaints if not life.foreseen(words)]
    if unforeseen and not outcome.wrong:
        outcome.wrong = f"complaint: {unforeseen[0]}"
    return outcome


class Life:
    def __init__(
        self,
        history: History,
        loop: VirtualLoop,
        outcome: Outcome,
        complain: Callable[[str], None],
        *,
        verbose: bool,
    ) -> None:
        self.history = history
        self._loop = loop
        self._outcome = outcome
        self._verbose = verbose
        self._chance = random.Random(history.seed + 1)
        self.cluster = Cluster(loop, self._chance, history.latency, sticky=history.sticky)
        self._socket = ListeningSocket()
        self._clients: list[Client] = []
        self._names = count(1)
        self._watch_ended = False
        self._ended_from_inside = False
        self._complain = complain
        self._method = TunnelMethod(self.cluster)
        self._method._spare = Spare(history.spare)
        self.placings: list[Placing] = []
        world = World(
            self.cluster,
            {"tunnel": self._method},
            VirtualClock(loop),
            LOG,
            bind=self._bind,  # type: ignore[arg-type]
            environs=_ENVIRONS,
        )
        forward = Forward(
            "api",
            Target.parse("service/api"),
            80,
            9080,
            context="dev",
            method="tunnel",
            hold=history.hold,
            hold_refused=min(2.0, history.hold),
            retry=history.retry,
            health=history.health,
        )
        self.runner = Runner(forward, world, self._changed)
        self._check = invariants.Invariants(self.runner, self.placings, loop)
        self._running: asyncio.Task[None] | None = None
        self._told: tuple[object, ...] = ()

    def check(self) -> None:
        if self._running is not None:
            self._check.while_it_runs(self._running)

    def foreseen(self, complaint: str) -> bool:
        """A watch that ends by a cancellation from inside is a mistake, which is told."""
        return self._watch_ended and "CancelledFromInside" in complaint

    async def live(self) -> None:
        with (
            _in_place_of(tunnel_method, "open_portforward", self.cluster.open_portforward),
            _in_place_of(tunnel_method, "Placing", self._placing),
        ):
            self._running = asyncio.ensure_future(self.runner.run())
            for event in self.history.events:
                self._happen(event)
                for _ in range(event.turns):
                    await asyncio.sleep(0)
                if event.seconds:
                    await asyncio.sleep(event.seconds)
            if not self.history.ends_early:
                await self._be_well_again()
            await self._end()

    def _bind(self, *_: object, **__: object) -> tuple[list[ListeningSocket], int]:
        self._socket.bound = True
        return [self._socket], 9080

    def _placing(self, *terms: Any) -> Placing:
        self.placings.append(Placing(*terms))
        return self.placings[-1]

    def _changed(self, runner: Runner) -> None:
        now = runner.now
        if now.problem and now.problem.reason is Reason.INTERNAL and not self._ended_from_inside:
            self._complain(f"told to the user: {now.problem.message}")
        told = now.state, now.problem
        if told != self._told:
            self._told = told
            self._outcome.states.add(now.state)
            self._outcome.statuses.add(status_of(now))
            if not self._verbose:
                return
            why = f" ({now.problem.reason.value}: {now.problem.message})" if now.problem else ""
            self._tell(f"{status_of(now).value} {now.state.value}{why}")

    def _tell(self, words: object) -> None:
        if self._verbose:
            self._outcome.told.append(f"{self._loop.time() - START:9.4f} {words}")

    # -- what happens

    def _happen(self, event: Event) -> None:
        if self._verbose:
            self._tell(f"-- {event}")
        _ACTS[event.what](self, event)

    def _seen(self, event: Event) -> None:
        self.cluster.notice(event.lag)

    def _pod_comes(self, event: Event) -> None:
        self.cluster.truth.pods[f"web-{next(self._names)}"] = event.how
        self._seen(event)

    def _pod_goes(self, event: Event) -> None:
        if pod := _which(list(self.cluster.truth.pods), event):
            del self.cluster.truth.pods[pod]
            self._break_links({pod}, event)
        self._seen(event)

    def _pods_are_replaced(self, event: Event) -> None:
        pods = self.cluster.truth.pods
        gone = set(pods)
        self.cluster.truth.pods = {f"web-{next(self._names)}": does for does in pods.values()}
        self._break_links(gone, event)
        self._seen(event)

    def _break_links(self, pods: set[str], event: Event) -> None:
        if event.how == "its links break":
            for pipe, node in self.cluster.links:
                if node.pod in pods:
                    pipe.fail(ConnectionResetError("connection reset by peer"))

    def _pod_changes(self, event: Event) -> None:
        if pod := _which(list(self.cluster.truth.pods), event):
            self.cluster.truth.pods[pod] = event.how

    def _api(self, event: Event) -> None:
        truth = self.cluster.truth
        match event.what:
            case "service":
                truth.service = event.how == "there"
            case "api":
                truth.api = event.how == "there"
            case "login":
                truth.login, truth.watch_lives_on = (
                    event.how == "works",
                    event.how != "fails, and the watch ends",
                )
            case "rights":
                truth.rights = event.how == "given"
            case "may list":
                truth.may_list = event.how == "yes"
            case "kubeconfig":
                truth.kubeconfig = event.how == "there"
            case "the kubeconfig names another cluster":
                truth.cluster = 3 - truth.cluster
                truth.pods = {f"web-{next(self._names)}": does for does in truth.pods.values()}
            case "another user":
                truth.user = "eve" if truth.user == "ada" else "ada"
        self._seen(event)

    def _dials(self, event: Event) -> None:
        self.cluster.truth.dials = event.how
        self._ended_from_inside = self._ended_from_inside or event.how == "end from inside"

    def _link(self, event: Event) -> None:
        links = [(pipe, node) for pipe, node in self.cluster.links if not pipe.lost]
        if not links:
            return
        pipe, node = links[event.which % len(links)]
        match event.how:
            case "breaks":
                pipe.fail(ConnectionResetError("connection reset by peer"))
            case "is silent":
                pipe.be_silent()
            case "speaks":
                pipe.speak()
            case "goes away":
                node.goaway()

    def _client(self, event: Event) -> None:
        if event.how.startswith("knocks"):
            self._knock(b"hello" if event.how == "knocks and speaks" else b"")
        elif client := _which([client for client in self._clients if client.is_there], event):
            client.do(event.how)

    def _knock(self, says: bytes) -> Client:
        client = Client(self._loop, self._socket, says)
        self._clients.append(client)
        return client

    def _user(self, event: Event) -> None:
        runner = self.runner
        acts = {
            "retry": runner.retry,
            "restart": runner.restart,
            "doubt": runner.doubt,
            "look again": runner.look_again,
        }
        acts[event.how]()

    def _watch(self, event: Event) -> None:
        self._watch_ended = self._ended_from_inside = True
        self.cluster.end_watch()

    def _time(self, event: Event) -> None: ...

    # -- and then

    async def _be_well_again(self) -> None:
        """See `invariants.WELL_WITHIN`."""
        self._make_well()
        await asyncio.sleep(1.0 + 2 * SETTLE)  # the watch has seen it
        await self._until(
            lambda: status_of(self.runner.now) is Status.ACTIVE, self._within, "it is not active"
        )
        await self._until(lambda: not self.runner.carrier.waiting, 3.0, "a connection still waits")
        client = self._knock(b"are you there?")
        await self._until(
            lambda: client.got == b"are you there?",
            3.0,
            "a new connection is not carried",
            lambda: f"it got {client.got!r} and {client.ended}",
        )
        if status_of(self.runner.now) is not Status.ACTIVE:
            raise Wrong(f"it did not stay active: {self.runner.now}")

    @property
    def _within(self) -> float:
        return invariants.well_within(self.history.retry, self.history.health)

    def _make_well(self) -> None:
        self._tell("-- all is well")
        truth = self.cluster.truth
        truth.service = truth.api = truth.login = truth.rights = truth.may_list = truth.kubeconfig = True
        truth.dials = "work"
        self.cluster.well.set()
        truth.pods = dict.fromkeys(truth.pods, "echo") or {"web-0": "echo"}
        for pipe, _ in self.cluster.links:
            if pipe.silent and not pipe.lost:
                if self._chance.random() < 0.5:
                    pipe.speak()
                else:
                    pipe.fail(ConnectionResetError("connection reset by peer"))
        self.cluster.notice(self._chance.choice((0.0, 0.5, 1.0)))
        if self.runner.now.state is State.PARKED:
            self.runner.retry()  # it has said that only this helps

    async def _until(
        self, true: Callable[[], object], seconds: float, wrong: str, more: Callable[[], str] = str
    ) -> None:
        deadline, pause = self._loop.time() + seconds, 0.01
        while not true():
            if self._loop.time() > deadline:
                raise Wrong(f"{wrong} within {seconds:g} s: {self._check.describe()} {more()}")
            if self.runner.now.state is State.PARKED and not self.runner._events.qsize():
                self.runner.retry()
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.5)

    async def _end(self) -> None:
        assert self._running
        self._running.cancel()
        done, _ = await asyncio.wait({self._running}, timeout=invariants.END_WITHIN)
        if not done:
            raise Wrong(f"it does not end: {self._check.describe()}")
        if not self._running.cancelled():
            raise Wrong(f"it ended otherwise than by its cancellation: {self._running.exception()!r}")
        self._running = None
        for client in self._clients:
            client.transport.abort()
        await asyncio.sleep(2.0)  # links linger
        self._check.after_it_ended(self._method, self.cluster, self._socket, self._clients)


_ACTS: dict[str, Callable[[Life, Event], None]] = {
    "a pod comes": Life._pod_comes,
    "a pod goes": Life._pod_goes,
    "all pods are replaced": Life._pods_are_replaced,
    "a pod changes": Life._pod_changes,
    **dict.fromkeys(
        (
            "service",
            "api",
            "login",
            "rights",
            "may list",
            "kubeconfig",
            "the kubeconfig names another cluster",
            "another user",
        ),
        Life._api,
    ),
    "dials": Life._dials,
    "a link": Life._link,
    "a client": Life._client,
    "user": Life._user,
    "the watch": Life._watch,
    "time": Life._time,
}


def _which(some: list[Any], event: Event) -> Any:
    return some[event.which % len(some)] if some else None


@contextmanager
def _in_place_of(owner: object, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _patched(loop: VirtualLoop) -> Iterator[None]:
    """One time for all, and sets whose order is the same in each run."""
    numbers = count()

    def number(self: Any) -> int:
        found: int = self.__dict__.setdefault("_number", next(numbers))
        return found

    with ExitStack() as stack:
        stack.enter_context(_in_place_of(pings, "perf_counter", loop.time))
        stack.enter_context(
            _in_place_of(spare, "give_back", lambda: None)
        )  # it collects the garbage of us all
        for kind in (Link, Stream):
            stack.enter_context(_in_place_of(kind, "__hash__", number))
        yield


@contextmanager
def _logged(tell: Callable[[str], object]) -> Iterator[None]:
    handler = _Handler(tell)
    before = LOG.level, LOG.propagate
    if before[0] != logging.ERROR:  # it forgets what all loggers have looked up
        LOG.setLevel(logging.ERROR)
    LOG.propagate = False
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.propagate = before[1]
        if before[0] != logging.ERROR:
            LOG.setLevel(before[0])


class _Handler(logging.Handler):
    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell
        self._formatter = logging.Formatter("%(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(self._formatter.format(record))


def _words(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context['message']}: {error!r} {context.get('task') or context.get('future') or context.get('handle') or ''}"


def _run_off(loop: VirtualLoop) -> None:
    """What is timed still comes."""
    loop.run_until_complete(asyncio.sleep(HANGS + 60))


def _abandon(loop: VirtualLoop) -> None:
    """Something is wrong already: end what runs, and do not look at it."""
    loop.on_idle = lambda: None
    for _ in range(3):
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        try:
            loop.run_until_complete(asyncio.wait(left, timeout=5) if left else asyncio.sleep(0))
        except (Stuck, Wrong, RuntimeError):
            return
