"""One history through the real runner, machine, carrier, listener and tunnel; then the world is made well."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kfw.environ import Environs
from kfw.methods.base import OpenRequest
from kfw.methods.tunnel.driver import PoolDriver
from kfw.methods.tunnel.method import Outside, PodTunnel, TunnelMethod
from kfw.methods.tunnel.policy import Policy
from kfw.model import Forward, Reason, Status, Target
from kfw.supervisor.machine import Phase, status_of
from kfw.supervisor.runner import Runner, World
from tests.supervisor.interleave import invariants
from tests.supervisor.interleave.acts import Acts
from tests.supervisor.interleave.cluster import HANGS, SETTLE, Cluster
from tests.supervisor.interleave.history import History
from tests.supervisor.interleave.invariants import Wrong
from tests.supervisor.interleave.loop import START, Stuck, VirtualClock, VirtualLoop
from tests.supervisor.interleave.pipes import ListeningSocket
from tests.supervisor.interleave.setting import LOG, logged

_ENVIRONS = Environs({}, known=True)
_TARGET = Target.parse("service/api")


@cache
def _policy(spare: int) -> Policy:
    return Policy(idle_links=spare)


@dataclass
class Outcome:
    """`wrong`: what must not be, "" if all is as it must be. `told`: what people could read meanwhile."""

    wrong: str = ""
    told: list[str] = field(default_factory=list)
    states: set[Phase] = field(default_factory=set)
    statuses: set[Status] = field(default_factory=set)


def play(history: History, *, verbose: bool = False) -> Outcome:
    """Deterministic: the same history has the same outcome. `verbose`: with what people could read."""
    loop = VirtualLoop()
    outcome = Outcome()
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(_words(context)))
    asyncio.set_event_loop(loop)
    with logged(complaints.append):
        life = Life(history, loop, outcome, complaints.append, verbose=verbose)
        loop.on_idle = life.check
        try:
            loop.run_until_complete(_from_birth_to_the_end(life, loop))
            if left := loop.pending_tasks():
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


class _Method(TunnelMethod):
    """It remembers the pools of its tunnels, also of those that could not be opened."""

    pools: list[PoolDriver]

    def make_tunnel(self, way: OpenRequest) -> PodTunnel:
        made = super().make_tunnel(way)
        self.pools.append(made.pool)
        return made


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
        self.acts = Acts(loop, self.cluster, self._socket)
        self._complain = complain
        self.pools: list[PoolDriver] = []
        outside = Outside(self.cluster.open_portforward, loop.time, lambda: None)
        self._method = _Method(self.cluster, _policy(history.spare), outside)
        self._method.pools = self.pools
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
            _TARGET,
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
        self.acts.runner = self.runner
        self._check = invariants.Invariants(self.runner, self.pools, loop)
        self._running: asyncio.Task[None] | None = None
        self._told: tuple[object, ...] = ()

    def check(self) -> None:
        if self._running is not None:
            self._check.while_it_runs(self._running)

    def foreseen(self, complaint: str) -> bool:
        """A watch that ends by a cancellation from inside is a mistake, which is told."""
        return self.acts.watch_ended and "CancelledFromInside" in complaint

    async def live(self) -> None:
        self._running = asyncio.ensure_future(self.runner.run())
        for event in self.history.events:
            if self._verbose:
                self._tell(f"-- {event}")
            self.acts.happen(event)
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

    def _changed(self, runner: Runner) -> None:
        now = runner.now
        if now.problem and now.problem.reason is Reason.INTERNAL and not self.acts.ended_from_inside:
            self._complain(f"told to the user: {now.problem.message}")
        told = now.phase, now.problem
        if told != self._told:
            self._told = told
            self._outcome.states.add(now.phase)
            self._outcome.statuses.add(status_of(now))
            if not self._verbose:
                return
            why = f" ({now.problem.reason.value}: {now.problem.message})" if now.problem else ""
            self._tell(f"{status_of(now).value} {now.phase.value}{why}")

    def _tell(self, words: object) -> None:
        if self._verbose:
            self._outcome.told.append(f"{self._loop.time() - START:9.4f} {words}")

    # -- and then

    async def _be_well_again(self) -> None:
        """See `invariants.well_within`."""
        self._make_well()
        await asyncio.sleep(1.0 + 2 * SETTLE)  # the watch has seen it
        await self._until(
            lambda: status_of(self.runner.now) is Status.ACTIVE, self._within, "it is not active"
        )
        await self._until(lambda: not self.runner.path.waiting, 3.0, "a connection still waits")
        client = self.acts.knock(b"are you there?")
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
        if self.runner.now.phase is Phase.PARKED:
            self.runner.retry()  # it has said that only this helps

    async def _until(
        self, true: Callable[[], object], seconds: float, wrong: str, more: Callable[[], str] = str
    ) -> None:
        deadline, pause = self._loop.time() + seconds, 0.01
        while not true():
            if self._loop.time() > deadline:
                raise Wrong(f"{wrong} within {seconds:g} s: {self._check.describe()} {more()}")
            if self.runner.now.phase is Phase.PARKED and not self.runner._events.qsize():
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
        for client in self.acts.clients:
            client.transport.abort()
        await asyncio.sleep(2.0)  # links linger
        self._check.after_it_ended(self._method, self.cluster, self._socket, self.acts.clients)


def _words(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context['message']}: {error!r} {context.get('task') or context.get('future') or context.get('handle') or ''}"


async def _from_birth_to_the_end(life: Life, loop: VirtualLoop) -> None:
    await life.live()
    await loop.shutdown_asyncgens()
    await asyncio.sleep(HANGS + 60)  # what is timed still comes


def _abandon(loop: VirtualLoop) -> None:
    """Something is wrong already: end what runs, and do not look at it."""
    loop.on_idle = lambda: None
    for _ in range(3):
        left = loop.pending_tasks()
        for task in left:
            task.cancel()
        try:
            loop.run_until_complete(asyncio.wait(left, timeout=5) if left else asyncio.sleep(0))
        except (Stuck, Wrong, RuntimeError):
            return
