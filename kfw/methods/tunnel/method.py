"""tunnel: kfw's own way through the API server. It needs nothing installed and goes on through every change of pods."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal, Protocol

from kfw.choices import HEALTH_TYPES
from kfw.errors import KfwError, Shortage
from kfw.kube.api_server import ApiServer
from kfw.kube.pod_upgrade import ANSWER, WEBSOCKET, Upgraded, open_portforward
from kfw.methods.base import OpenRequest
from kfw.methods.probe import probe
from kfw.methods.tunnel.budget import DialLimiter, IdleLinks
from kfw.methods.tunnel.driver import PoolConfig, PoolDriver
from kfw.methods.tunnel.link import Link, attach
from kfw.methods.tunnel.link_health import check_path
from kfw.methods.tunnel.policy import Policy
from kfw.methods.tunnel.upkeep import Upkeep
from kfw.model import Endpoint, Forward, Health, Problem, Reason, problem_of
from kfw.relay.dialer import Dialer
from kfw.system.freed_memory import FreedMemory, give_back

log = logging.getLogger("kfw.tunnel")


class Servers(Protocol):
    def server(self, forward: Forward) -> ApiServer:
        """The API server of a forward that is being followed. Raises KfwError."""
        ...


@dataclass(frozen=True)
class Outside:
    """What a tunnel needs of the world. `clock`: seconds, for round trips; `give_back`: to the system, freed memory."""

    open_portforward: Callable[[ApiServer, str, str], Awaitable[Upgraded]] = open_portforward
    clock: Callable[[], float] = perf_counter
    give_back: Callable[[], None] = give_back


_POLICY, _OUTSIDE = Policy(), Outside()


class Shared:
    """By all forwards of this method."""

    def __init__(self, policy: Policy, outside: Outside) -> None:
        self.policy = policy
        self.outside = outside
        self.idle = IdleLinks(policy, FreedMemory(outside.give_back))
        self.dial_turns = DialLimiter(policy)
        self.upkeep = Upkeep(policy)


class TunnelMethod:
    name = "tunnel"
    wants: Literal["pod", "node"] = "pod"
    owns_port = False
    logs_in = False
    #: A connection that every pod refuses is told to the owner, who then asks the app by itself until it listens.
    asks_apps = True

    def __init__(self, servers: Servers, policy: Policy = _POLICY, outside: Outside = _OUTSIDE) -> None:
        self._servers = servers
        self.shared = Shared(policy, outside)

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return None

    async def open(self, way: OpenRequest) -> "PodTunnel":
        """Raises ClusterUnreachable, LoginError, NotPermitted, or KfwError with the runtime's words: app-refuses when
        nothing listens in any pod, unhealthy."""
        tunnel = self.make_tunnel(way)
        try:
            await tunnel.check_path()
        except BaseException:
            await tunnel.close()
            raise
        return tunnel

    def make_tunnel(self, way: OpenRequest) -> "PodTunnel":
        """Not asked yet whether it carries anything. Raises KfwError when the API server is not known."""
        return PodTunnel(way, self._servers, self.shared, asks_apps=self.asks_apps)


class PodTunnel:
    """Its own dialer. All ready pods of the target behind one local port."""

    pid: int | None = None

    def __init__(self, way: OpenRequest, servers: Servers, shared: Shared, *, asks_apps: bool = True) -> None:
        """Raises KfwError when the API server is not known."""
        self._shared = shared
        self._asks_apps = asks_apps
        self._refusal = ""  # what the pods say, if each of them has refused the last connection
        self._was_refused = asyncio.Event()
        self._forward = way.forward
        self._environ = way.environ
        self._servers = servers
        self._server = servers.server(way.forward)
        self._broken: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()
        self.pool = PoolDriver(
            PoolConfig(
                way.name,
                way.forward.hold,
                way.forward.hold_refused,
                shared.idle,
                shared.dial_turns,
                self._dial_link,
                self._on_broken,
                self._on_refused,
                log,
                shared.policy,
                way.sticky,
            )
        )
        self.pool.retarget(way.endpoints)
        self._sticky = way.sticky
        self._endpoint: Endpoint = way.endpoints[0]
        self.dialer: Dialer | None = self

    async def check_path(self) -> None:
        """A connection to the app stands: it was not refused and not closed at once."""
        health = self._forward.health
        await self.round_trip()
        if health.type != "none":
            await self._ask_app(health)
        self._shared.upkeep.add(self.pool)

    async def broken(self) -> Problem:
        return await asyncio.shield(self._broken)

    async def probe(self) -> None:
        """By PING to the pods' runtimes, which the app does not notice; with health type http by a request, and so on. By a
        connection, after one was refused."""
        if not self._shared.upkeep.is_proved(self.pool):
            await self.round_trip()
        health = self._forward.health
        if HEALTH_TYPES[health.type].asks_app:
            await self._ask_app(health)
        elif self._refusal and self._asks_apps:
            await self._ask_app(replace(health, type="tcp"))
        self._refusal = ""
        self._was_refused.clear()

    async def _ask_app(self, health: Health) -> None:
        """Raises KfwError. Where one pod refuses and another cannot be reached, that is what there is to say."""
        try:
            await probe(self._dial_once, health, self._environ)
        except Shortage:
            raise
        except KfwError as error:
            unreachable = self.pool.failure if error.reason != Reason.APP_REFUSES else None
            if unreachable is None:
                raise
            raise unreachable from error

    async def refused(self) -> Problem:
        """See methods.base.TellsRefusals."""
        await self._was_refused.wait()
        return Problem(Reason.APP_REFUSES, self._refusal)

    async def round_trip(self) -> float:
        """Seconds to a pod's runtime and back. Raises KfwError."""
        return await check_path(self.pool, self._forward.health.timeout)

    @property
    def endpoint(self) -> Endpoint:
        """The pod that gets the next connection; where they take turns, one of them."""
        stuck = self.pool.endpoints.get(self.pool.state.sticky_pod) if self._sticky else None
        return stuck or self._endpoint

    @property
    def how(self) -> str:
        """`over SPDY, by turns with 2 other pods; tunnels: 3, 1 of them in use`"""
        names = sorted({link.transport_name for link in self.pool.links})
        others = len(self.pool.endpoints) - 1
        pods = f", by turns with {others} other pod{'s' if others > 1 else ''}" if others > 0 else ""
        used = sum(link.live > 0 for link in self.pool.links)
        return (
            f"over {' and '.join(names) or 'nothing'}{pods}; tunnels: {len(self.pool.links)}, {used} in use"
        )

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        self._follow_login()
        self.pool.retarget(endpoints)
        if endpoints and self._endpoint not in endpoints:
            self._endpoint = endpoints[0]
        return bool(endpoints)

    def _follow_login(self) -> None:
        """New connections go by the login that the kubeconfig has now; live ones stay on the links that they have."""
        with suppress(KfwError):
            server = self._servers.server(self._forward)
            if server.access.user != self._server.access.user:
                self._server = server
                self.pool.renew("the kubeconfig has another login")

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        self._server.want(asked_for=False)
        return await self.pool.connect(factory())

    async def _dial_once(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        return await self.pool.connect(factory(), once_within=self._forward.health.timeout)

    async def close(self) -> None:
        try:
            await self._shared.upkeep.remove(self.pool)
        finally:
            await self.pool.close()

    async def _dial_link(self, pod: str) -> Link:
        with suppress(
            KfwError
        ):  # it stays with the one it knows; another environment may have brought another
            self._server = self._servers.server(self._forward)
        made = await self._shared.outside.open_portforward(self._server, self._forward.namespace, pod)
        link = attach(made, pod, self.pool, self._shared.policy, self._shared.outside.clock)
        # The API server says yes to a WebSocket before it has reached the pod's node, and closes it if it does not.
        proven = made.transport is not WEBSOCKET or await link.answers(ANSWER) is not None
        if not (proven and link.usable):
            link.abort("it does not answer")
            raise KfwError(f"the tunnel to pod {pod} broke at once: {link.why}", reason="cluster-unreachable")
        return link

    def _on_refused(self, why: str) -> None:
        self._refusal = why
        if self._asks_apps:
            self._was_refused.set()

    def _on_broken(self, error: KfwError) -> None:
        """While the API server is away that is told by itself, and what there is goes on when it is back."""
        if not self._broken.done() and self._server.monitor.away is None:
            self._broken.set_result(problem_of(error))
