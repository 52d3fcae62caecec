"""tunnel: kfw's own way through the API server. It needs nothing installed and goes on through every change of pods."""

import asyncio
import logging
from collections.abc import Callable
from typing import Literal, Protocol

from kfw.cluster.server import Server
from kfw.cluster.upgrade import upgraded
from kfw.errors import KfwError
from kfw.methods.base import Way
from kfw.methods.probe import probe
from kfw.methods.tunnel.link import Link, attach
from kfw.methods.tunnel.links import Links
from kfw.model import Endpoint, Forward, Problem, Reason
from kfw.relay.dial import Dialer

log = logging.getLogger("kfw.tunnel")

_REASONS = frozenset(Reason)


class Servers(Protocol):
    def server(self, forward: Forward) -> Server:
        """The API server of a forward that is being followed. Raises KfwError."""
        ...


class TunnelMethod:
    name = "tunnel"
    wants: Literal["pod", "node"] = "pod"
    owns_port = False

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def missing(self) -> KfwError | None:
        return None

    async def open(self, way: Way) -> "PodTunnel":
        """Raises ClusterUnreachable, LoginError, NotPermitted, or KfwError(unhealthy) with the runtime's words."""
        tunnel = PodTunnel(way, self._servers.server(way.forward))
        try:
            await tunnel.prove()
        except BaseException:
            await tunnel.close()
            raise
        return tunnel


class PodTunnel:
    """Its own dialer. All ready pods of the target behind one local port."""

    pid: int | None = None

    def __init__(self, way: Way, server: Server) -> None:
        self._forward = way.forward
        self._server = server
        self._broken: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()
        self._links = Links(way.forward.name, self._dial_link, self._broke, log, way.forward.hold)
        self._links.target(way.endpoints)
        self.endpoint: Endpoint = way.endpoints[0]
        self.dialer: Dialer | None = self

    async def prove(self) -> None:
        """A connection to the app stands: it was not refused and not closed at once."""
        health = self._forward.health
        await self._links.alive(health.timeout)
        if health.type != "none":
            await probe(self._dial_once, health)
        self._links.start()

    async def broken(self) -> Problem:
        return await asyncio.shield(self._broken)

    async def probe(self) -> None:
        """By PING to the pods' runtimes, which the app does not notice; with health type http by a request."""
        health = self._forward.health
        if health.type == "http":
            await probe(self._dial_once, health)
        else:
            await self._links.alive(health.timeout)

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        self._links.target(endpoints)
        if endpoints and self.endpoint not in endpoints:
            self.endpoint = endpoints[0]
        return bool(endpoints)

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        return await self._links.connect(factory())

    async def _dial_once(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        return await self._links.connect(factory(), patience=0)

    async def close(self) -> None:
        await self._links.close()

    async def _dial_link(self, pod: str, gone: Callable[[Link], None]) -> Link:
        made = await upgraded(self._server, self._forward.namespace, pod)
        encrypted = made.streams[1].get_extra_info("ssl_object") is not None
        return attach(made, pod, gone, encrypted=encrypted)

    def _broke(self, error: KfwError) -> None:
        if not self._broken.done():
            reason = Reason(error.reason) if error.reason in _REASONS else Reason.UNHEALTHY
            self._broken.set_result(Problem(reason, error.what, error.fix))
