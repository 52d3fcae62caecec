"""One task per forward: does what the machine says and feeds back what happened."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from kfw.aio import Complaints, expose_cancellation
from kfw.environ import Environs
from kfw.errors import KfwError, Shortage, describe
from kfw.methods.base import CountsLosses, TellsRefusals, Tunnel
from kfw.methods.choose import Chosen, Methods, needs_api, obstacle
from kfw.model import Forward, Problem, Reason, Resolution, problem_of
from kfw.reasons import About
from kfw.relay.listener import NULL_OBSERVER, ConnectionObserver
from kfw.relay.suspicion import Hint
from kfw.supervisor import machine
from kfw.supervisor.backoff import delay
from kfw.supervisor.forward_path import ForwardPath
from kfw.supervisor.health import HealthChecks
from kfw.supervisor.machine import Action, Phase, Snapshot, step
from kfw.supervisor.tasks import Tasks
from kfw.system import local_ports
from kfw.system.clock import Clock

#: Seconds that a way must be up until old failures are forgotten (pebble's okay delay).
SETTLED_AFTER = 10.0
#: Seconds that an attempt may take until it is said what is waited for.
SLOW_AFTER = 2.0
#: Seconds between attempts while this machine has no room for one (files, memory).
NO_ROOM_PAUSE = 0.3
#: A new local connection brings the next attempt forward, but not more often than this, in seconds.
KNOCK_INTERVAL = 1.0


class Clusters(Protocol):
    def follow(self, forward: Forward) -> AsyncIterator[Resolution]: ...
    def poke(self, forward: Forward) -> None: ...
    def look_again(self, forward: Forward) -> None: ...

    def want(self, forward: Forward, *, asked_for: bool) -> None: ...


@dataclass(frozen=True)
class World:
    """What a runner needs of its surroundings."""

    clusters: Clusters
    methods: Methods
    clock: Clock
    log: logging.Logger
    claims: dict[int, str] = field(default_factory=dict)  # local ports that children own, and whose they are
    bind: local_ports.Bind = local_ports.bind
    watcher: ConnectionObserver = NULL_OBSERVER  # of the connections
    environs: Environs = field(default_factory=lambda: Environs(os.environ, known=True))


class Runner:
    """`changed` is called after everything that may have changed what `report.Row` shows."""

    def __init__(self, forward: Forward, world: World, changed: Callable[["Runner"], None]) -> None:
        self.forward = forward
        self.world = world
        self.now = Snapshot()
        self.resolution = Resolution()
        self.next_attempt: float | None = None  # wall clock, seconds
        self._tasks = Tasks(forward.name, self._defect)
        self._complaints = Complaints(world.log, f"{forward.name}: internal error: it")
        self.path = ForwardPath(
            forward,
            world.methods,
            world.claims,
            self._knock,
            world.log,
            bind=world.bind,
            watcher=world.watcher,
            environ=lambda: world.environs.of(forward.name),
            on_hint=self._hear_hint,
        )
        self._health = HealthChecks(
            forward.health,
            world.clock,
            self._tell,
            self.path,
            Complaints(world.log, f"the health check of {forward.name}"),
        )
        self._changed = changed
        self._events: asyncio.Queue[machine.Event | Exception] = asyncio.Queue()
        self._last_knock = -KNOCK_INTERVAL
        self._bound = False
        self._asked_for_pods = False
        self._opened_for = self.resolution  # what was known when the last attempt began

    def retry(self) -> None:
        """Try now what waits or is in error."""
        self.want()
        self.world.clusters.poke(self.forward)
        self._events.put_nowait(machine.RetryAsked())

    def look_again(self) -> None:
        """Its environment is another one: the next login, dial and child are in that. What is open stays."""
        self.world.clusters.look_again(self.forward)

    def want(self) -> None:
        """Somebody has asked for it and waits: a login that needs a person may begin."""
        self.world.clusters.want(self.forward, asked_for=True)

    def restart(self) -> None:
        """Open another way. The port stays bound and new connections wait meanwhile; live ones stay on the old way."""
        if self.now.phase is Phase.UP:
            self._events.put_nowait(machine.Broke(Problem(Reason.ENDPOINT_GONE, "restarted by the user")))
        else:
            self.retry()

    def recheck(self) -> None:
        """The machine has slept or the network has changed: look now whether the way and the cluster are still there."""
        self.world.clusters.poke(self.forward)
        if self.now.phase is Phase.UP and self.path.way:
            self._check_health(self.path.way, at_once=True)
        else:
            self._events.put_nowait(machine.ConnectionWaiting())

    async def run(self) -> None:
        """Keep the forward until cancelled; then leave nothing behind."""
        try:
            await self._survive(self._begin())
            while True:
                await self._survive(self._take(await self._events.get()))
        finally:
            try:
                await self._tasks.end()
            finally:
                await self.path.end()

    async def _begin(self) -> None:
        self._bind()

    async def _take(self, event: machine.Event | Exception) -> None:
        if isinstance(event, Exception):
            raise event
        await self._happened(event)

    async def _survive(self, work: Coroutine[Any, Any, None]) -> None:
        """The runner lives until its owner ends it, whatever happens in it."""
        try:
            await expose_cancellation(work, self.forward.name)
            self._changed(self)
        except Exception as defect:  # noqa: BLE001  logged, told, and put right by `_recover`
            await self._recover(defect)
            with suppress(Exception):  # it may be what has failed; the log has it
                self._changed(self)

    async def _recover(self, defect: Exception) -> None:
        """A mistake in kfw: the port stays bound, new connections wait, live ones go on; all begins again after a delay."""
        self._complaints.tell(defect)
        await self._tasks.end()
        for end in (self.path.close_pending, self.path.retire):
            try:
                await expose_cancellation(end(), self.forward.name)
            except Exception as another:  # noqa: BLE001  the runner lives until its owner ends it
                self._complaints.tell(another)
        told = Problem(Reason.INTERNAL, f"internal error: {describe(defect)}", "`kfw logs` shows where")
        failures = self.now.failures + 1
        pause = delay(failures, self.forward.retry, told.reason)
        self.now = Snapshot(
            Phase.WAITING, told, failures=failures, was_active=self.now.was_active, delay=pause
        )
        self.path.hold(told.message)
        self.next_attempt = self.world.clock.now() + pause
        self._tasks.start("recover", self._begin_again(pause))

    async def _begin_again(self, pause: float) -> None:
        await self.world.clock.sleep(pause)
        self.next_attempt = None
        if self._bound:
            self._tasks.start("follow", self._follow())
        else:
            self._bind()

    async def _happened(self, event: machine.Event) -> None:
        if not self._bound:
            if isinstance(event, machine.RetryAsked):
                self._bind()
            return
        self.now, do = step(self.now, event, self.forward.retry, self.forward.health)
        if self._way_is_over(event):
            self._tasks.cancel("watch", "refusals", "losses", "health", "settle")
            if isinstance(event, machine.ProbeFailed) and self.path.way:
                self.path.avoid(self.path.way.tunnel.endpoint)
            await self.path.retire()
        await self._do(do)
        if isinstance(event, machine.Opened):
            await self._opened()

    def _way_is_over(self, event: machine.Event) -> bool:
        if isinstance(event, machine.Broke):
            return True
        if self.now.phase in (Phase.UP, Phase.OPENING) or isinstance(event, machine.OpenFailed):
            return False
        return self.now.problem is not None and not self.now.problem.reason.traits.keeps_path

    async def _do(self, do: Action) -> None:
        if do is Action.NOTHING:
            return
        if do is Action.ASK:
            self.world.clusters.poke(self.forward)
            if "recover" in self._tasks:  # somebody wants it now
                self._tasks.start("recover", self._begin_again(0.0))
            return
        self.next_attempt = None
        self._tasks.cancel("delay", "slow", "refusals", "losses", "hint", "health", "settle")
        await self._tasks.stop("open")
        await self.path.close_pending()
        if do is Action.OPEN:
            self._tasks.start("open", self._open())
            self._tasks.start("slow", self._later(SLOW_AFTER, machine.Slow(self._slow())))
            if self.path.way:
                return  # it serves until the new one is up
        problem = self.now.problem
        refused = problem is not None and problem.reason is Reason.APP_REFUSES
        self.path.hold(problem.message if problem else "there is no way yet", refused=refused)
        if do is Action.WAIT:
            self.next_attempt = self.world.clock.now() + self.now.delay if self.now.delay else None
            self._tasks.start("delay", self._later(self.now.delay, machine.DelayOver()))

    async def _opened(self) -> None:
        if self.now.phase is not Phase.UP:
            await self.path.close_pending()
            return
        before = self.path.last
        way = self.path.activate()
        if way is None:  # it broke between the probe and now
            self._events.put_nowait(machine.Broke(Problem(Reason.ENDPOINT_GONE, "the way is gone")))
            return
        self._look_again()
        if before and before != way.tunnel.endpoint:
            self.world.log.info("%s: moved from %s to %s", self.forward.name, before, way.tunnel.endpoint)
        self._tasks.start("watch", self._watch(way.tunnel))
        if isinstance(way.tunnel, TellsRefusals):
            self._tasks.start("refusals", self._hear_refusals(way.tunnel))
        if isinstance(way.tunnel, CountsLosses):
            self._tasks.start("losses", self._hear_losses(way.tunnel))
        self._check_health(way)
        self._tasks.start("settle", self._later(SETTLED_AFTER, machine.Settled()))

    # -- what makes events

    def _defect(self, error: Exception) -> None:
        self._events.put_nowait(error)

    def _bind(self) -> None:
        try:
            self.path.bind()
        except KfwError as error:
            self.now = replace(self.now, phase=Phase.PARKED, problem=problem_of(error))
            return
        self._bound = True
        self.now = Snapshot()
        self._tasks.start("follow", self._follow())

    async def _follow(self) -> None:
        async for resolution in self.world.clusters.follow(self.forward):
            self.resolution = resolution
            self._events.put_nowait(self._seen(resolution))
        raise RuntimeError("nobody follows the target any more")

    def _seen(self, resolution: Resolution) -> machine.Event:
        problem = resolution.problem
        nowhere = obstacle(self.world.methods, self.forward, resolution)
        if problem and problem.reason.traits.about is not About.TARGET:
            api_is_away = problem.reason is Reason.CLUSTER_UNREACHABLE and self._through_api()
            return machine.Missing(problem, stale=nowhere is None and not api_is_away)
        if nowhere or problem:
            return machine.Missing(nowhere or problem or Problem(Reason.INTERNAL, "nothing to go to"))
        same = self.path.retarget(resolution)
        way = self.path.way
        moved = way is not None and way.cluster != resolution.cluster
        return machine.Found(same=same, moved=moved, warning=resolution.warning)

    def _through_api(self) -> bool:
        """What carries, or else all that could carry, is nothing without the API server."""
        if self.path.way:
            return self.path.way.method.wants == "pod"
        return needs_api(self.world.methods, self.forward, self.resolution)

    def _knock(self) -> None:
        """The first at once; those that come soon after it together, when the interval is over."""
        left = self._last_knock + KNOCK_INTERVAL - self.world.clock.monotonic()
        if left <= 0:
            self._knock_now()
        elif "knock" not in self._tasks:
            self._tasks.start("knock", self._knock_later(left))

    async def _knock_later(self, seconds: float) -> None:
        await self.world.clock.sleep(seconds)
        if self.path.waiting:
            self._knock_now()

    def _knock_now(self) -> None:
        self._last_knock = self.world.clock.monotonic()
        self.world.clusters.want(self.forward, asked_for=False)
        self._events.put_nowait(machine.ConnectionWaiting())

    async def _open(self) -> None:
        self._opened_for = self.resolution
        try:
            await self._open_when_there_is_room()
        except KfwError as error:
            problem = self._with_fix(problem_of(error))
            if problem.reason is Reason.ENDPOINT_GONE:
                self.world.clusters.poke(self.forward)  # the cluster knows something that we do not yet
            elif problem.reason is Reason.APP_REFUSES and not self._asked_for_pods:
                self._asked_for_pods = True  # who may be able to say which ports there are
                self.world.clusters.poke(self.forward)
            self._events.put_nowait(machine.OpenFailed(problem, awaited=self.path.waiting > 0))
            self._look_again()
        else:
            self._events.put_nowait(machine.Opened())

    async def _open_when_there_is_room(self) -> None:
        """Raises KfwError. What this machine has no room for is not a failure: it is tried again, and told meanwhile."""
        while True:
            try:
                await self.path.open(self.resolution)
            except Shortage as short:
                told = Problem(Reason.TIMED_OUT, short.what, short.fix)
                self._events.put_nowait(machine.Slow(told, instead=True))
                await self.world.clock.sleep(NO_ROOM_PAUSE)
            else:
                return

    def _look_again(self) -> None:
        """At what has changed while a way was opened: it was opened without it."""
        if self.resolution is not self._opened_for:
            self._events.put_nowait(self._seen(self.resolution))

    def _slow(self) -> Problem:
        ends = (*self.resolution.pods, *self.resolution.nodes)
        to = f" to {ends[0]}" if ends else ""
        return Problem(Reason.TIMED_OUT, f"waiting for the way{to} to open")

    async def _watch(self, tunnel: Tunnel) -> None:
        problem = await tunnel.broken()
        if self.path.way and self.path.way.tunnel is tunnel:
            self._events.put_nowait(machine.Broke(problem))

    async def _hear_refusals(self, tunnel: TellsRefusals) -> None:
        self._events.put_nowait(machine.Refused(self._with_fix(await tunnel.refused())))

    def _with_fix(self, problem: Problem) -> Problem:
        """What an app does, only the app knows."""
        forward = self.forward
        if problem.reason is not Reason.APP_REFUSES or problem.fix:
            return problem
        where = f"--context {forward.context} -n {forward.namespace}"
        return replace(problem, fix=f"kubectl {where} logs {forward.target}")

    def _check_health(self, way: Chosen, *, at_once: bool = False, hinted: bool = False) -> None:
        eof_behaviour = self.path.eof_behaviour(way.method)
        checks = self._health.run(way.tunnel, eof_behaviour, at_once=at_once, hinted=hinted)
        self._tasks.start("health", checks)

    def _tell(self, event: machine.Event) -> None:
        self._events.put_nowait(event)

    async def _hear_losses(self, tunnel: CountsLosses) -> None:
        while True:
            self._hear_hint(await tunnel.suspected())

    def _hear_hint(self, hint: Hint) -> None:
        """Connections are late or fail: look at the way now, or when the pause after the last look is over."""
        way = self.path.way
        if way is None or self.now.phase is not Phase.UP or self.now.failed_checks or self._health.looking:
            return
        left = self._health.wait(hint)
        if left <= 0:
            self._tasks.cancel("hint")
            self._check_health(way, hinted=True)
        elif hint is Hint.ALL or "hint" not in self._tasks:
            self._tasks.start("hint", self._look_later(left))

    async def _look_later(self, seconds: float) -> None:
        await self.world.clock.sleep(seconds)
        listener = self.path.listener
        if hint := listener.suspicion.now if listener else Hint.ALL:
            self._hear_hint(hint)

    async def _later(self, seconds: float, event: machine.Event) -> None:
        await self.world.clock.sleep(seconds)
        self._events.put_nowait(event)
