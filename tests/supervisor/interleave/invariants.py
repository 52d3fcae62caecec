"""What must hold whenever nothing can run, and when all has ended."""

import asyncio
from collections.abc import Sequence

from kfw.methods.tunnel.driver import PoolDriver
from kfw.methods.tunnel.method import TunnelMethod
from kfw.model import Health, Retry
from kfw.supervisor.machine import Phase
from kfw.supervisor.runner import Runner
from tests.supervisor.interleave.client import Client
from tests.supervisor.interleave.cluster import HANGS, Cluster
from tests.supervisor.interleave.loop import VirtualLoop
from tests.supervisor.interleave.pipes import ListeningSocket

#: Seconds of a single event: it ends what ran before, which takes turns of the loop and no time.
BUSY = 0.1
#: Seconds until a forward that was told to end has ended.
END_WITHIN = 1.0
#: A forward's tasks that must run in a state, by their names.
PENDING = {
    Phase.LOOKING: "follow",
    Phase.OPENING: "open",
    Phase.UP: "watch",
    Phase.WAITING: "delay",
    Phase.CRASHED: "delay",
}


class Wrong(Exception):
    """Something that must not be."""


def well_within(retry: Retry, health: Health) -> float:
    """Seconds from the time when all is well until it is active.

    An attempt may have begun just before, to what does not answer: it ends when the health check's time is over. After it
    comes a pause, the longest one at most. Then an attempt meets a world that is well, and takes a second with the app's
    health and a pod's refusal before. The watch sees it all up to a second late.
    """
    return health.timeout + retry.max_delay + 2.0


class Invariants:
    def __init__(self, runner: Runner, pools: Sequence[PoolDriver], loop: VirtualLoop) -> None:
        self._runner = runner
        self._pools = pools
        self._loop = loop
        self._busy_since: float | None = None

    def while_it_runs(self, running: "asyncio.Task[None]") -> None:
        """Nothing can run now: who waits must wait for something that comes."""
        if running.done():
            raise Wrong(f"its task has ended by itself: {running!r}")
        self._connections_end_some_day()
        if not self._runner._events._getters:  # type: ignore[attr-defined]
            self._it_is_busy()
            return
        self._busy_since = None
        self._it_waits_for_something()

    def describe(self) -> str:
        runner = self._runner
        tasks = [name for name in runner._tasks._running if name in runner._tasks]
        return f"{runner.now}, tasks {tasks}, {runner._events.qsize()} events, {runner.path.waiting} waiting"

    def after_it_ended(
        self, method: TunnelMethod, cluster: Cluster, socket: ListeningSocket, clients: Sequence[Client]
    ) -> None:
        self._nothing_is_left_in_the_pools(method)
        if open_links := [node.pod for pipe, node in cluster.links if not pipe.lost]:
            raise Wrong(f"links to {open_links} are open")
        if socket.bound:
            raise Wrong("the local port is bound")
        listener = self._runner.path.listener
        if listener and (listener._live or listener._terms.tasks):
            raise Wrong(f"connections are left: {listener.connections}")
        if held := sum(not client.near.lost for client in clients):
            raise Wrong(f"{held} descriptors of clients are open")
        if cluster.following:
            raise Wrong("the target is still followed")

    # -- inside

    def _it_is_busy(self) -> None:
        now = self._loop.time()
        self._busy_since = now if self._busy_since is None else self._busy_since
        if now - self._busy_since > BUSY:
            raise Wrong(f"it is busy with one event for {now - self._busy_since:g} s: {self.describe()}")

    def _it_waits_for_something(self) -> None:
        runner = self._runner
        now = runner.now
        pending = PENDING.get(now.phase)
        if pending and pending not in runner._tasks:
            raise Wrong(f"in {now.phase} there is no task '{pending}': {self.describe()}")
        if now.phase is Phase.UP and runner.path.active is None:
            raise Wrong(f"it is up without a way: {self.describe()}")
        if now.has_path and runner.path.active is None:
            raise Wrong(f"it thinks that it has a path: {self.describe()}")
        if now.phase is not Phase.CRASHED and "follow" not in runner._tasks:
            raise Wrong(f"nobody follows the target: {self.describe()}")
        for pool in self._pools:
            look = pool._next_look
            if pool.state.waiting and (pool.state.closed or look is None or look.cancelled()):
                raise Wrong(f"a connection waits for a link, and nobody looks: {self.describe()}")

    def _connections_end_some_day(self) -> None:
        listener = self._runner.path.listener
        for connection in listener._live if listener else ():
            if connection.joined or connection.how or not connection._made:
                continue
            if connection._dialing is None and connection._patience is None:
                raise Wrong(f"a connection waits for nothing: {self.describe()}")
            if connection.seconds > self._runner.forward.hold + HANGS + 1:
                raise Wrong(f"a connection waits for {connection.seconds:g} s")

    def _nothing_is_left_in_the_pools(self, method: TunnelMethod) -> None:
        for pool in self._pools:
            left = {
                "streams": len(pool._streams),
                "waiters": len(pool.state.waiting) + len(pool._placed),
                "links": len(pool.links),
                "dials": len(pool._dials) + len(pool.state.dials),
            }
            if any(left.values()):
                raise Wrong(f"the pool has {left}")
        idle, turns = method.shared.idle, method.shared.dial_turns
        if len(idle) or idle.coming:
            raise Wrong(f"idle links: {len(idle)}, coming: {idle.coming}")
        if turns.given:
            raise Wrong(f"turns to dial that are taken: {turns.given}")
