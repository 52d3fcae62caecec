"""From an API server to the app of one forward: rights, target, pod, the port in it, the local port, an answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kfw.choices import HEALTH_TYPES, has_own_address
from kfw.doctor.asking import HopCheck
from kfw.doctor.hops import HOPS, Hop
from kfw.doctor.judgements import judge_rights, rights_for
from kfw.environ import Environ
from kfw.errors import KfwError, NotPermitted, PortInUse
from kfw.kube.api_server import ApiServer
from kfw.methods.base import Method, OpenRequest, Tunnel
from kfw.methods.nodeport import NodePort
from kfw.methods.own_port import Connect, own_port
from kfw.methods.probe import probe
from kfw.methods.tunnel.method import TunnelMethod
from kfw.model import Endpoint, Forward, Health, Problem, Reason, Resolution
from kfw.names import few
from kfw.quickstart.checks import Finding, ok, warning
from kfw.reasons import About
from kfw.relay.dialer import DialFailed
from kfw.system import local_ports
from kfw.system.files import outside
from kfw.system.port_answer import talk
from kfw.target.access_review import may
from kfw.target.registry import ClusterRegistry

#: Methods that go to a node's own port from this machine.
_BY_NODE = frozenset({"nodeport", "socat"})
_SERVING = frozenset({"active", "degraded"})
#: Seconds for the conversation with the app, and for the pods to be listed.
_TALK, _PODS = 6.0, 1.0

Row = Mapping[str, Any]


async def ask_rights(server: ApiServer, forward: Forward, *, has_target: bool = True) -> list[Finding]:
    """All questions at the same time. Without a target: what any service needs."""
    rights = rights_for(forward.target if has_target else None)
    answers = await asyncio.gather(*(may(server, right, forward.namespace) for right in rights))
    context = server.error_context
    where = f"namespace {forward.namespace} of context {context.context}"
    allowed = dict(zip(rights, answers, strict=True))
    return list(judge_rights(allowed, forward.method, f"user {context.user}", where))


class ForwardHops:
    """`rows`: what the daemon says of its forwards, by name; this one is not among them when it is not up. `close` must be
    called at the end."""

    def __init__(
        self,
        forward: Forward,
        registry: ClusterRegistry,
        server: ApiServer,
        environ: Environ,
        rows: Mapping[str, Row],
    ) -> None:
        self._forward = forward
        self._registry = registry
        self._server = server
        self._environ = environ
        self._rows = rows
        self._row = rows.get(forward.name, {})
        self._following: AsyncGenerator[Resolution, None] | None = None
        self._resolution = Resolution()
        self._tunnel: Tunnel | None = None

    @property
    def checks(self) -> Mapping[Hop, HopCheck]:
        return {
            Hop.RIGHTS: lambda: ask_rights(self._server, self._forward),
            Hop.TARGET: self.target,
            Hop.POD: self.pod,
            Hop.POD_PORT: self.pod_port,
            Hop.LOCAL_PORT: self.local_port,
            Hop.ANSWER: self.answer,
        }

    async def close(self) -> None:
        if self._tunnel:
            await self._tunnel.close()
        if self._following:
            await self._following.aclose()

    # -- in the cluster

    async def target(self) -> list[Finding]:
        """What `resolve` makes of it, as for the daemon."""
        forward = self._forward
        self._following = self._registry.follow(forward)
        async for found in self._following:
            self._resolution, problem = found, found.problem
            if problem is None or problem.reason.traits.about not in (About.PATH, About.KFW):
                break
        if problem and problem.reason is Reason.NO_READY_POD:
            problem = await self._look_at_pods(self._following)
        if problem and problem.reason is not Reason.NO_READY_POD:
            raise _error(problem)
        port = "" if forward.target_port is None else f" has port {forward.target_port}"
        return [ok(Hop.TARGET, f"{forward.target} in namespace {forward.namespace}{port or ' is there'}")]

    async def _look_at_pods(self, following: AsyncGenerator[Resolution, None]) -> Problem | None:
        """Why none is ready is known a moment later, when the pods themselves have been listed."""
        with suppress(TimeoutError, StopAsyncIteration):
            async with asyncio.timeout(_PODS):
                self._resolution = await anext(following)
        return self._resolution.problem

    async def pod(self) -> list[Finding]:
        found = self._resolution
        if found.problem:
            raise _error(found.problem)
        said = [warning(Hop.POD, found.warning.message, found.warning.fix)] if found.warning else []
        names = dict.fromkeys(one.name for one in found.pods)
        if not names:
            return [*said, ok(Hop.POD, "its endpoints are not pods, but nodes serve its node port")]
        if found.unready:
            return [*said, warning(Hop.POD, f"{few(names)}: running, and not ready")]
        return [*said, ok(Hop.POD, f"ready: {few(names)}")]

    async def pod_port(self) -> list[Finding]:
        """By the tunnel, which can tell a pod that refuses from a path that is broken; by the node where the method goes
        there, or may go there and the API forwards nothing."""
        ways = self._ways()
        if not ways:
            raise _error(self._resolution.no_node_port or Problem(Reason.NO_NODE_PORT, "no node serves it"))
        try:
            self._tunnel = await self._open(*ways[0])
        except NotPermitted:
            if len(ways) == 1:
                raise
            self._tunnel = await self._open(*ways[1])
        except KfwError as why:
            if why.reason == Reason.APP_REFUSES and not why.fix:
                why.fix = f"correct targetPort, or see what the app does: {self._logs}"
            raise
        how = "straight to the node" if self._tunnel.endpoint.kind == "node" else "through the API"
        return [ok(Hop.POD_PORT, f"{self._tunnel.endpoint} takes connections, {how}")]

    def _ways(self) -> list[tuple[Method, tuple[Endpoint, ...]]]:
        by_pod = (TunnelMethod(self._registry), self._resolution.pods)
        by_node = (NodePort(), self._resolution.nodes)
        method = self._forward.method
        wanted: list[tuple[Method, tuple[Endpoint, ...]]] = [by_node] if method in _BY_NODE else [by_pod]
        if method == "auto" or not self._resolution.pods:
            wanted.append(by_node)
        return [(way, endpoints) for way, endpoints in wanted if endpoints]

    async def _open(self, method: Method, endpoints: tuple[Endpoint, ...]) -> Tunnel:
        """That something takes the connection; what it answers is another question."""
        asked = replace(self._forward, health=Health(type="tcp", timeout=self._forward.health.timeout))
        return await method.open(OpenRequest(asked, endpoints, self._resolution.sticky, self._environ))

    # -- on this machine

    async def local_port(self) -> list[Finding]:
        forward, row = self._forward, self._row
        if row.get("status") in _SERVING:
            what = f"kfw has it: localhost:{row['localPort']}, {row['status']} by {row['method']}"
            if row["status"] != "active":
                return [warning(Hop.LOCAL_PORT, f"{what}: {row['message']}")]
            return [ok(Hop.LOCAL_PORT, what)]
        if has_own_address(forward.method):
            return [ok(Hop.LOCAL_PORT, f"{forward.method} chooses where to listen")]
        said = self._not_serving()
        try:
            sockets, port = await outside(
                lambda: local_ports.bind(forward.addresses, forward.local_port), HOPS[Hop.LOCAL_PORT].seconds
            )
        except PortInUse as why:
            owner = self._owner(forward.local_port)
            if owner == forward.name:
                return [*said, ok(Hop.LOCAL_PORT, f"kfw has it: localhost:{forward.local_port}")]
            if owner:
                why.what = f"cannot listen on {forward.local_port}: the forward '{owner}' has it"
            if forward.on_port_in_use == "next":
                return [*said, warning(Hop.LOCAL_PORT, f"{why.what}; kfw takes one nearby")]
            raise
        for one in sockets:
            one.close()
        free = f"{port} is free" if forward.local_port else "any free one will do"
        return [*said, ok(Hop.LOCAL_PORT, free)]

    def _owner(self, port: int) -> str:
        """The forward of ours that has it, "" if none has. One in error for a busy port has none."""
        for name, row in self._rows.items():
            if row["localPort"] == port and row["status"] not in ("stopped", "disabled", "error"):
                return name
        return ""

    def _not_serving(self) -> list[Finding]:
        """The daemon has tried by itself, perhaps in another environment: what it says counts beside what is seen here."""
        status = self._row.get("status")
        if status in (None, "stopped", "disabled"):
            up = "is not up" if status is None else f"is {status}"
            return [ok(Hop.LOCAL_PORT, f"{self._forward.name} {up}; `kfw up {self._forward.name}` starts it")]
        why = str(self._row.get("message") or self._row.get("reason") or "it does not say why")
        what = f"the daemon says {status}: {why.partition('; ')[0]}"
        is_busy = self._row.get("reason") == Reason.PORT_IN_USE
        fix = "" if is_busy else f"kfw retry {self._forward.name}, in this shell"
        return [warning(Hop.LOCAL_PORT, what, fix)]

    async def answer(self) -> list[Finding]:
        """By the forward's own health check where the app can answer that, else by talking to it."""
        health, connect = self._forward.health, self._connect
        where = "through the local port" if self._is_serving else "through a connection of the doctor's own"
        try:
            if HEALTH_TYPES[health.type].asks_app:
                await probe(connect, health, self._environ)
                return [ok(Hop.ANSWER, f"its {health.type} health check passes, {where}")]
            async with own_port(connect) as port:
                said = await outside(
                    lambda: talk("127.0.0.1", port.number, web=self._is_web, limit=_TALK), _TALK + 1
                )
        except KfwError as why:
            why.fix = why.fix or f"see what the app does: {self._logs}"
            raise
        if said.ok and not said.is_server_error:
            return [ok(Hop.ANSWER, f"{said.protocol} {said.words}, {where}")]
        what = f"answers with {said.words}" if said.ok else f"does not answer: {said.words}"
        raise KfwError(f"the app {what}", f"see what the app does: {self._logs}", reason=Reason.UNHEALTHY)

    @property
    def _is_serving(self) -> bool:
        return self._row.get("status") in _SERVING

    @property
    def _is_web(self) -> bool:
        return self._forward.type in ("web", "rest")

    @property
    def _connect(self) -> Connect:
        if not self._is_serving:
            assert self._tunnel and self._tunnel.dialer
            return self._tunnel.dialer.dial
        addresses: Sequence[str] = self._row["localAddresses"] or ["127.0.0.1"]
        return _connect_to(local_ports.address_to_connect(addresses[0]), self._row["localPort"])

    @property
    def _logs(self) -> str:
        forward = self._forward
        pod = self._resolution.pods[0].name if self._resolution.pods else str(forward.target)
        return f"kubectl --context {forward.context} -n {forward.namespace} logs {pod}"


def _connect_to(host: str, port: int) -> Connect:
    async def connect(factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(factory, host, port)
        except OSError as error:
            raise DialFailed(f"cannot connect to {host}:{port}", safe=True) from error
        return transport

    return connect


def _error(problem: Problem) -> KfwError:
    return KfwError(problem.message, problem.fix, reason=problem.reason)
