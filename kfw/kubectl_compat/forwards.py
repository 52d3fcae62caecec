"""The forwards of one command: each port has a runner, and its connections are said as kubectl says them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from kfw.kubectl_compat import messages
from kfw.kubectl_compat.find import TargetReference
from kfw.kubectl_compat.follower import PodRegistry
from kfw.kubectl_compat.listen import Bound
from kfw.kubectl_compat.writer import Console
from kfw.methods.base import OpenRequest
from kfw.methods.tunnel.method import PodTunnel, TunnelMethod
from kfw.model import SERVING, Forward, Kind, Target
from kfw.relay.local_connection import LocalConnection
from kfw.supervisor.machine import Phase, status_of
from kfw.supervisor.runner import Runner, World
from kfw.system.clock import Clock

log = logging.getLogger("kfw.forward")

_ENDED = frozenset({Phase.WAITING, Phase.LOST, Phase.PARKED, Phase.CRASHED})


class Unprobed(TunnelMethod):
    """The tunnel, ready when the container runtime answers: kubectl makes no connection to the app either before somebody
    comes, so whether the app listens is the affair of each connection."""

    asks_apps = False

    async def open(self, way: OpenRequest) -> PodTunnel:
        health = replace(way.forward.health, type="none")
        return await super().open(replace(way, forward=replace(way.forward, health=health)))


class Forwards:
    """Each port that has sockets is forwarded, from `start` to `close`."""

    def __init__(
        self, registry: PodRegistry, reference: TargetReference, namespace: str, console: Console
    ) -> None:
        self._registry = registry
        self._reference = reference
        self._namespace = namespace
        self._console = console
        self._runners: list[Runner] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._handling: list[Handling] = []
        self._news = asyncio.Event()
        self._trouble = ""

    def start(self, bound: Sequence[Bound]) -> None:
        world = World(self._registry, {Unprobed.name: Unprobed(self._registry)}, Clock(), log)
        for number, one in enumerate(bound):
            if one.sockets:
                pair = self._registry.pairs[number]
                self._handling.append(Handling(one.port, pair.remote, self._console))
                mine = replace(world, bind=one.hand_out, watcher=self._handling[-1])
                runner = Runner(self._forward(number, one), mine, self._changed)
                self._runners.append(runner)
                self._tasks.append(asyncio.create_task(runner.run(), name=f"port {one.port}"))

    async def opened(self) -> None:
        """All have a way. Raises KubectlError, in kubectl's words, when one cannot have one."""
        while not all(runner.now.was_active for runner in self._runners):
            for runner in self._runners:
                self._check(runner)
            await self._news.wait()
            self._news.clear()

    def announced(self) -> None:
        """`Forwarding from ...` has been said: from now on connections may be."""
        for handling in self._handling:
            handling.announced()

    def recheck(self, why: str) -> None:
        """What was known of the network may not hold any more: look now."""
        log.info("%s: looking at all ports", why)
        for runner in self._runners:
            runner.recheck()

    async def ended(self) -> None:
        """Never, but for a mistake in kfw."""
        for task in asyncio.as_completed(self._tasks):
            await task

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forward(self, number: int, bound: Bound) -> Forward:
        return Forward(
            name=str(number),
            target=Target(Kind.POD, self._reference.name),
            target_port=self._registry.pairs[number].remote,
            local_port=bound.port,
            namespace=self._namespace,
            method=Unprobed.name,
        )

    def _check(self, runner: Runner) -> None:
        """A pod that went just now is followed to the next one."""
        problem = runner.now.problem
        if runner.now.was_active or problem is None or runner.now.phase not in _ENDED:
            return
        if not problem.reason.traits.awaits_pod:
            raise messages.no_upgrade(problem.message, problem.fix)

    def _changed(self, runner: Runner) -> None:
        self._news.set()
        if not runner.now.was_active:
            return
        problem, last = runner.now.problem, runner.path.last
        if status_of(runner.now) in SERVING:
            self._say("", f"connections go to pod {last.name} now" if last else "connections go on")
        elif problem is not None:
            self._say(problem.message, f"connections wait: {problem.message}")

    def _say(self, trouble: str, text: str) -> None:
        """Once for all ports; and that all is well only after it was not."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._console.err.line(f"kfw: {text}")


class Handling:
    """What kubectl says of connections."""

    def __init__(self, local: int, remote: int, console: Console) -> None:
        self._local = local
        self._remote = remote
        self._console = console
        self._early: int | None = 0  # connections that came before they could be said; None: they can
        self._refused: set[LocalConnection] = set()

    def announced(self) -> None:
        early, self._early = self._early or 0, None
        for _ in range(early):
            self._say()

    def began(self, connection: LocalConnection) -> None:
        if self._early is None:
            self._say()
        else:
            self._early += 1

    def _say(self) -> None:
        self._console.out.line(f"Handling connection for {self._local}")

    def refused(self, connection: LocalConnection, why: str) -> None:
        """At once, as kubectl; kfw tries it again for a while, and what comes of that is said only if it is news."""
        self._refused.add(connection)
        self._say_error(why)

    def ended(self, connection: LocalConnection) -> None:
        refused = connection in self._refused
        self._refused.discard(connection)
        if connection.failed and not refused:
            self._say_error(connection.how)

    def _say_error(self, why: str) -> None:
        self._console.err.line(f"kfw: an error occurred forwarding {self._local} -> {self._remote}: {why}")
