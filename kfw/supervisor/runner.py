"""One task per forward: does what the machine says and tells it what happened. It decides nothing by itself."""

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
from kfw.methods.choose import Methods, OpenPath, needs_api, obstacle
from kfw.model import Forward, Kind, Problem, Reason, Resolution, problem_of
from kfw.names import RowId, RowName
from kfw.relay.listener import NULL_OBSERVER, ConnectionObserver
from kfw.relay.suspicion import Hint
from kfw.supervisor import machine
from kfw.supervisor.forward_path import ForwardPath
from kfw.supervisor.health import HealthChecks
from kfw.supervisor.inheritance import Inheritance
from kfw.supervisor.machine import Snapshot, step
from kfw.supervisor.machine_events import (
    Action,
    Broke,
    ConnectionWaiting,
    ContextChanged,
    Crashed,
    DelayOver,
    Event,
    Opened,
    OpenFailed,
    PortNotTaken,
    PortTaken,
    RecheckAsked,
    Refused,
    RestartAsked,
    Retargeted,
    RetryAsked,
    Settled,
    Slow,
    Started,
)
from kfw.supervisor.moved_ports import MovedPorts
from kfw.supervisor.tasks import Tasks
from kfw.system import local_ports
from kfw.system.clock import Clock
from kfw.target.watcher import Lookup

#: Seconds that a path must be up until old failures are forgotten (pebble's okay delay).
SETTLED_AFTER = 10.0
#: Seconds that an attempt may take until it is said what is waited for.
SLOW_AFTER = 2.0
#: Seconds between attempts while this machine has no room for one (files, memory).
NO_ROOM_PAUSE = 0.3
#: A new local connection brings the next attempt forward, but not more often than this, in seconds.
KNOCK_INTERVAL = 1.0


class Clusters(Protocol):
    def follow(self, forward: Forward, lookup: Lookup | None = None) -> AsyncIterator[Resolution]: ...
    def poke(self, forward: Forward) -> None: ...
    def look_again(self, forward: Forward) -> None: ...
    def hand_on(self, old: Forward, new: Forward) -> None: ...

    def want(self, forward: Forward, *, asked_for: bool) -> None: ...


@dataclass(frozen=True)
class World:
    """What a runner needs of its surroundings."""

    clusters: Clusters
    methods: Methods
    clock: Clock
    log: logging.Logger
    claims: dict[int, str] = field(default_factory=dict)  # local ports that children own, and whose they are
    #: Of listeners, by address and port: for the message of another one that wants it.
    owners: dict[tuple[str, int], RowName] = field(default_factory=dict)
    bind: local_ports.Bind = local_ports.bind
    watcher: ConnectionObserver = NULL_OBSERVER  # of the connections
    environs: Environs = field(default_factory=lambda: Environs(os.environ, known=True))
    inheritance: Inheritance = field(default_factory=Inheritance)
    moved_ports: MovedPorts = field(default_factory=MovedPorts)
    #: What people read in place of a row's id.
    shown: Callable[[RowId], str] = lambda row: row.name


class Runner:
    """`changed` is called after everything that may have changed what `report.Row` shows."""

    def __init__(self, forward: Forward, world: World, changed: Callable[["Runner"], None]) -> None:
        self.forward = forward
        self.world = world
        self.now = Snapshot()
        self.resolution = Resolution()
        self.next_attempt: float | None = None  # wall clock, seconds
        self._tasks = Tasks(forward.name, self._defect)
        self._name = RowName(forward.id, world.shown)
        self._complaints = Complaints(world.log, f"{forward.name}: internal error: it")
        self.path = ForwardPath(
            forward,
            world.methods,
            world.claims,
            self._knock,
            world.log,
            bind=world.bind,
            watcher=world.watcher,
            environ=lambda: world.environs.of(self.forward.id),
            on_hint=self._hear_hint,
            inheritance=world.inheritance,
            name=self._name,
            owners=world.owners,
            moved_ports=world.moved_ports,
        )
        self._health = HealthChecks(
            forward.health,
            world.clock,
            self._tell,
            self.path,
            Complaints(world.log, f"the health check of {forward.name}"),
        )
        self._changed = changed
        self._events: asyncio.Queue[Event | Resolution] = asyncio.Queue()
        self._last_knock = -KNOCK_INTERVAL
        self._left = False  # the port is another process's, and a child's there

    def retry(self) -> None:
        """Retry waiting or failed forwards now."""
        self.want()
        self.world.clusters.poke(self.forward)
        self._tell(RetryAsked())

    def look_again(self) -> None:
        """Its environment is another one: the next login, dial and child are in that. What is open stays."""
        self.world.clusters.look_again(self.forward)

    def want(self) -> None:
        """Somebody has asked for it and waits: a login that needs a person may begin."""
        self.world.clusters.want(self.forward, asked_for=True)

    def restart(self) -> None:
        """Open another path. The port stays bound and new connections wait meanwhile; live ones stay on the old path."""
        self._tell(RestartAsked())

    def move(self, forward: Forward) -> None:
        """To another context. The port stays bound and new connections wait meanwhile; live ones stay on the old path."""
        self._tasks.cancel("follow", "open")  # neither is heard any more
        self.forward = self.path.forward = forward
        self.resolution = Resolution()
        self._tell(ContextChanged(forward.context))

    def hand_on(self, forward: Forward) -> None:
        """It is another project's from now on; nothing else changes."""
        self.forward = self.path.forward = forward
        self._name.row = forward.id

    def recheck(self) -> None:
        """The machine has slept or the network has changed: look now whether the path and the cluster are still there."""
        self._tell(RecheckAsked())

    async def leave_port(self) -> None:
        """It is another process's from now on, and no event means anything here any more. Live connections go on: what
        carries them is kept, unless a child has the port, which gives it back."""
        if self.path.listener:
            self.path.listener.leave()
            return
        self._left = True
        await self._tasks.end()
        await self.path.close_pending()
        await self.path.retire()

    async def run(self) -> None:
        """Keep the forward until cancelled; then leave nothing behind."""
        try:
            await self._survive(Started())
            while True:
                event = await self._events.get()
                if not self._left:
                    await self._survive(event)
        finally:
            try:
                await self._tasks.end()
            finally:
                await self.path.end()

    async def _survive(self, event: Event | Resolution) -> None:
        """The runner lives until its owner ends it, whatever happens in it."""
        try:
            await expose_cancellation(self._take(event), self.forward.name)
            self._changed(self)
        except Exception as defect:  # noqa: BLE001  logged and told to the machine, which begins again
            await self._happened(self._crash(defect))
            with suppress(Exception):  # it may be what has failed; the log has it
                self._changed(self)

    async def _take(self, event: Event | Resolution) -> None:
        if isinstance(event, Resolution):
            self.resolution = event
            event = self._meaning_of(event)
        await self._happened(event)

    async def _happened(self, event: Event) -> None:
        self.now, actions = step(self.now, event, self.forward.retry, self.forward.health)
        for action in actions:
            if answer := await _PERFORM[action](self):
                await self._happened(answer)

    # -- what is done

    async def _bind(self) -> Event:
        self._forget_delay()
        try:
            self.path.bind()
        except KfwError as error:
            return PortNotTaken(problem_of(error))
        return PortTaken()

    async def _begin_to_follow(self) -> None:
        self._forget_delay()
        self._tasks.start("follow", self._follow())

    async def _ask(self) -> None:
        self.world.clusters.poke(self.forward)

    async def _want(self) -> None:
        self.want()

    async def _retarget(self) -> Event:
        return Retargeted(self.path.retarget(self.resolution))

    async def _open(self) -> None:
        await self._end_attempt()
        self._tasks.start("open", self._try_to_open(self.resolution))
        self._tasks.start("slow", self._later(SLOW_AFTER, Slow(self._slow())))
        if not self.now.has_path:
            self._hold_connections()

    async def _hold(self) -> None:
        await self._end_attempt()
        self._hold_connections()

    async def _wait(self) -> None:
        await self._hold()
        self.next_attempt = self.world.clock.now() + self.now.delay if self.now.delay else None
        self._tasks.start("delay", self._later(self.now.delay, DelayOver()))

    async def _end_attempt(self) -> None:
        self._forget_delay()
        self._tasks.cancel("slow", "hint", *_OF_A_PATH)
        await self._tasks.stop("open")
        await self.path.close_pending()

    def _forget_delay(self) -> None:
        self.next_attempt = None
        self._tasks.cancel("delay")

    def _hold_connections(self) -> None:
        problem = self.now.problem
        why = problem.message if problem else "not connected yet"
        self.path.hold(why, refused=machine.is_refused(self.now))

    async def _activate(self) -> Event | None:
        before = self.path.last
        active = self.path.activate()
        if active is None:  # it broke between the probe and now
            return Broke(Problem(Reason.ENDPOINT_GONE, "the path is gone"))
        if before and before != active.tunnel.endpoint:
            self.world.log.info("%s: moved from %s to %s", self.forward.name, before, active.tunnel.endpoint)
        self._tasks.start("watch", self._watch(active.tunnel))
        if isinstance(active.tunnel, TellsRefusals):
            self._tasks.start("refusals", self._hear_refusals(active.tunnel))
        if isinstance(active.tunnel, CountsLosses):
            self._tasks.start("losses", self._hear_losses(active.tunnel))
        self._check_health(active)
        self._tasks.start("settle", self._later(SETTLED_AFTER, Settled()))
        return None

    async def _discard(self) -> None:
        await self.path.close_pending()

    async def _avoid(self) -> None:
        self.path.avoid_active()

    async def _retire(self) -> None:
        self._tasks.cancel("watch", *_OF_A_PATH)
        await self.path.retire()

    async def _check(self) -> None:
        if active := self.path.active:
            self._check_health(active, at_once=True)

    async def _reset(self) -> None:
        await self._tasks.end()
        for end in (self.path.close_pending, self.path.retire):
            try:
                await expose_cancellation(end(), self.forward.name)
            except Exception as another:  # noqa: BLE001  the runner lives until its owner ends it
                self._complaints.tell(another)

    # -- what makes events

    def _tell(self, event: Event) -> None:
        self._events.put_nowait(event)

    def _defect(self, error: Exception) -> None:
        self._tell(self._crash(error))

    def _crash(self, defect: Exception) -> Crashed:
        self._complaints.tell(defect)
        told = f"internal error: {describe(defect)}"
        return Crashed(Problem(Reason.INTERNAL, told, "`kfw logs` shows where"))

    async def _follow(self) -> None:
        async for resolution in self.world.clusters.follow(self.forward):
            self._events.put_nowait(resolution)
        raise RuntimeError("nobody follows the target any more")

    def _meaning_of(self, resolution: Resolution) -> Event:
        active = self.path.active
        return machine.meaning_of(
            resolution,
            obstacle(self.world.methods, self.forward, resolution),
            needs_api=self._needs_api(),
            moved=active is not None and active.cluster != resolution.cluster,
        )

    def _needs_api(self) -> bool:
        """What carries, or else all that could carry, is nothing without the API server."""
        if self.path.active:
            return self.path.active.method.wants == "pod"
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
        self._tell(ConnectionWaiting())

    async def _try_to_open(self, resolution: Resolution) -> None:
        try:
            await self._open_when_there_is_room(resolution)
        except KfwError as error:
            self._tell(OpenFailed(self._with_fix(problem_of(error)), awaited=self.path.waiting > 0))
        else:
            self._tell(Opened())

    async def _open_when_there_is_room(self, resolution: Resolution) -> None:
        """Raises KfwError. What this machine has no room for is not a failure: it is tried again, and told meanwhile."""
        while True:
            try:
                return await self.path.open(resolution)
            except Shortage as short:
                told = Problem(Reason.TIMED_OUT, short.what, short.fix)
                self._tell(Slow(told, instead=True))
                await self.world.clock.sleep(NO_ROOM_PAUSE)

    def _slow(self) -> Problem:
        ends = (*self.resolution.pods, *self.resolution.nodes)
        to = f" to {ends[0]}" if ends else ""
        return Problem(Reason.TIMED_OUT, f"connecting{to}")

    async def _watch(self, tunnel: Tunnel) -> None:
        problem = await tunnel.broken()
        if self.path.active and self.path.active.tunnel is tunnel:
            self._tell(Broke(problem))

    async def _hear_refusals(self, tunnel: TellsRefusals) -> None:
        self._tell(Refused(self._with_fix(await tunnel.refused())))

    def _with_fix(self, problem: Problem) -> Problem:
        """What an app does, only the app knows."""
        forward = self.forward
        if problem.reason is not Reason.APP_REFUSES or problem.fix:
            return problem
        where = f"--context {forward.context} -n {forward.namespace}"
        what = f"-l '{forward.target.name}'" if forward.target.kind is Kind.PODS else str(forward.target)
        return replace(problem, fix=f"kubectl {where} logs {what}")

    def _check_health(self, active: OpenPath, *, at_once: bool = False, hinted: bool = False) -> None:
        eof_behaviour = self.path.eof_behaviour(active.method)
        checks = self._health.run(active.tunnel, eof_behaviour, at_once=at_once, hinted=hinted)
        self._tasks.start("health", checks)

    async def _hear_losses(self, tunnel: CountsLosses) -> None:
        while True:
            self._hear_hint(await tunnel.suspected())

    def _hear_hint(self, hint: Hint) -> None:
        """Connections are late or fail: look at the path now, or when the pause after the last look is over."""
        active = self.path.active
        if active is None or not machine.may_check(self.now) or self._health.looking:
            return
        left = self._health.wait(hint)
        if left <= 0:
            self._tasks.cancel("hint")
            self._check_health(active, hinted=True)
        elif hint is Hint.ALL or "hint" not in self._tasks:
            self._tasks.start("hint", self._look_later(left))

    async def _look_later(self, seconds: float) -> None:
        await self.world.clock.sleep(seconds)
        listener = self.path.listener
        if hint := listener.suspicion.now if listener else Hint.ALL:
            self._hear_hint(hint)

    async def _later(self, seconds: float, event: Event) -> None:
        await self.world.clock.sleep(seconds)
        self._tell(event)


#: The tasks that look at the path in use.
_OF_A_PATH = ("refusals", "losses", "health", "settle")

_PERFORM: dict[Action, Callable[[Runner], Coroutine[Any, Any, Event | None]]] = {
    Action.BIND: Runner._bind,
    Action.FOLLOW: Runner._begin_to_follow,
    Action.ASK: Runner._ask,
    Action.WANT: Runner._want,
    Action.RETARGET: Runner._retarget,
    Action.OPEN: Runner._open,
    Action.HOLD: Runner._hold,
    Action.WAIT: Runner._wait,
    Action.ACTIVATE: Runner._activate,
    Action.DISCARD: Runner._discard,
    Action.AVOID: Runner._avoid,
    Action.RETIRE: Runner._retire,
    Action.CHECK: Runner._check,
    Action.RESET: Runner._reset,
}
