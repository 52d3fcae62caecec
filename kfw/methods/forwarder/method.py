"""The method: which of docker's published ports leads to the nodes, and the tunnel through it: to the node's own port,
or to the forwarder container.
"""

import asyncio
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal
from weakref import WeakKeyDictionary

from kfw.engine import docker, kind
from kfw.engine.docker import EngineContainer as Node
from kfw.errors import KfwError
from kfw.methods.base import OpenRequest
from kfw.methods.forwarder.container import Containers, ForwarderContainer, through_container, to_published
from kfw.methods.forwarder.kind_nodes import Docker, Engines
from kfw.methods.nodeport import Connect, NodePort, NodePortTunnel
from kfw.methods.supervised import ended, first
from kfw.model import Endpoint, Forward, Problem, Reason
from kfw.system.process import Children

#: Seconds that node addresses get to answer before the engine is asked whether they can.
_HEAD_START = 0.5


class Forwarder:
    name = "forwarder"
    wants: Literal["pod", "node"] = "node"
    owns_port = False
    logs_in = False

    def __init__(self, children: Children, engines: Engines | None = None) -> None:
        self._children = children
        self._engines = engines or Engines(children)
        self._containers: WeakKeyDictionary[Docker, Containers] = WeakKeyDictionary()

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return self._engines.of(environ).missing()

    def unfit(self, forward: Forward) -> Problem | None:
        """Why it is not a method for this forward, whatever else is so."""
        try:
            kind_cluster(forward)
        except KfwError as error:
            return Problem(Reason.NODE_UNREACHABLE, error.what)
        return None

    async def open(self, request: OpenRequest) -> "ForwarderTunnel":
        """With `auto` only where it can help. Raises KfwError: no cluster of kind, none of this docker's, docker's own
        words, or what the nodes said."""
        cluster = kind_cluster(request.forward)
        engine = self._engines.of(request.environ)
        if request.forward.method == "auto" and (why := await engine.why_no_detour()):
            raise KfwError(why, reason=Reason.NODE_UNREACHABLE)
        nodes = await _nodes(engine, cluster, request.endpoints)
        published = {
            endpoint: node.published[endpoint.port]
            for endpoint, node in nodes.items()
            if endpoint.port in node.published
        }
        if published:
            return await self._through_nodes(request, published)
        return await self._through_container(request, engine, cluster, nodes)

    async def _through_nodes(
        self, request: OpenRequest, ports: dict[Endpoint, tuple[str, int]]
    ) -> "ForwarderTunnel":
        how = f"docker publishes it on {_places(ports.values())}"
        tunnel = ForwarderTunnel(replace(request, endpoints=tuple(ports)), to_published(ports), how)
        await tunnel.probe()
        return tunnel

    async def _through_container(
        self, request: OpenRequest, engine: Docker, cluster: str, nodes: dict[Endpoint, Node]
    ) -> "ForwarderTunnel":
        names = (node.name for node in nodes.values())
        again = request.forward.method != "auto"
        containers = self._containers.setdefault(engine, Containers(self._children, engine.env))
        container = await containers.borrow(engine.tool, cluster, names, again=again)
        how = f"through the container {container.name}, which docker publishes on 127.0.0.1:{container.port}"
        connect_to = through_container(container.port)
        lent = container, containers
        tunnel = ForwarderTunnel(replace(request, endpoints=tuple(nodes)), connect_to, how, lent)
        try:
            await tunnel.probe()
        except BaseException:
            await tunnel.close()
            raise
        return tunnel


async def _nodes(engine: Docker, cluster: str, endpoints: Sequence[Endpoint]) -> dict[Endpoint, Node]:
    """The endpoints whose nodes are containers of this docker: a cluster of the same name elsewhere is another one."""
    try:
        there = {node.name: node for node in await engine.nodes(cluster)}
    except KfwError:
        engine.forget()
        raise
    known = {endpoint: there[endpoint.name] for endpoint in endpoints if endpoint.name in there}
    found = {endpoint: node for endpoint, node in known.items() if node.running}
    if not found:
        engine.forget()
        raise _none_runs(endpoints, list(known.values()), engine.tool)
    return found


def _none_runs(endpoints: Sequence[Endpoint], known: Sequence[Node], tool: str) -> KfwError:
    names = ", ".join(dict.fromkeys(endpoint.name for endpoint in endpoints))
    paused = [node.name for node in known if node.paused]
    if paused:
        what, fix = f"the nodes {', '.join(paused)} are paused", docker.unpause(paused, tool)
    else:
        stopped = [node.name for node in known if not node.created]
        fix = docker.start(stopped, tool) if stopped else [tool, "ps", "--all"]
        what = f"none of the nodes {names} runs in this {tool}"
    return KfwError(what, shlex.join(fix), reason=Reason.NODE_UNREACHABLE)


class ForwarderTunnel(NodePortTunnel):
    """A node port's tunnel with other means to connect. `how`: for people. `lent`: the container and who wants it back."""

    def __init__(
        self,
        request: OpenRequest,
        connect_to: Connect,
        how: str,
        lent: tuple[ForwarderContainer, Containers] | None = None,
    ) -> None:
        super().__init__(request, connect_to)
        self.how = how
        self._endpoints = frozenset(request.endpoints)
        self._lent = lent
        self.pid: int | None = lent[0].child.pid if lent else None

    @property
    def warning(self) -> str:
        return self._lent[0].child.warning if self._lent else ""

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        """Nodes may go. A new one has a path of its own, which is looked for when this one breaks."""
        return super().retarget(tuple(endpoint for endpoint in endpoints if endpoint in self._endpoints))

    async def broken(self) -> Problem:
        """The nodes do not answer, or the container has ended, whichever is first."""
        if self._lent is None:
            return await super().broken()
        child = self._lent[0].child
        silent = asyncio.ensure_future(super().broken())
        try:
            await first(silent, child.over)
            return silent.result() if silent.done() else ended(child, child.last_words().rpartition("\n")[2])
        finally:
            silent.cancel()

    async def close(self) -> None:
        await super().close()
        lent, self._lent = self._lent, None
        if lent:
            container, containers = lent
            await containers.give_back(container)


class Direct(NodePort):
    """nodeport, which does not wait long for addresses that a container runtime keeps to itself."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def open(self, request: OpenRequest) -> NodePortTunnel:
        """With `auto` and a kind cluster: if nothing answers at once, the engine is asked whether it can."""
        engine = self._engines.of(request.environ)
        if (
            request.forward.method != "auto"
            or not kind.cluster_of(request.forward.context)
            or engine.missing()
        ):
            return await super().open(request)
        probing = asyncio.ensure_future(super().open(request))
        asking = asyncio.ensure_future(_why_not(engine))
        try:
            await first(probing, asking)
            if not probing.done() and (why := asking.result()):
                raise KfwError(why, "method forwarder goes through docker", reason=Reason.NODE_UNREACHABLE)
            return await probing
        finally:
            for task in (probing, asking):
                task.cancel()
            await asyncio.gather(probing, asking, return_exceptions=True)


async def _why_not(engine: Docker) -> str | None:
    await asyncio.sleep(_HEAD_START)
    try:
        return await engine.why_not_direct()
    except KfwError:
        return None


def kind_cluster(forward: Forward) -> str:
    """Raises KfwError for a context that kind did not make."""
    if name := kind.cluster_of(forward.context):
        return name
    what = f"the context {forward.context} was not created by kind, so its nodes are not containers on this machine"
    raise KfwError(what, reason=Reason.NODE_UNREACHABLE)


def _places(ports: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{address or '127.0.0.1'}:{port}" for address, port in ports)
