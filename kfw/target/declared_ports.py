"""Which ports a target declares, with their containers and protocols: for people who choose one of them.

`target.listing` knows the same of whole namespaces, and less of each.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from kfw.errors import NotPermitted, TimedOut
from kfw.kube.api_errors import Absent
from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Wire
from kfw.kube.resource import OF_KIND, PODS, SERVICES, Resource
from kfw.reasons import Reason
from kfw.target.decode.meta import Meta
from kfw.target.decode.pod import Pod, PodSpec, PodStatus
from kfw.target.listing import list_objects

#: Seconds for all questions together.
LIMIT = 10.0


class DeclaredPort(Struct, frozen=True):
    """`container` "" for a service's."""

    number: int
    name: str = ""
    protocol: str = "TCP"
    container: str = ""
    node_port: int = 0


class PodPorts(Struct, frozen=True):
    name: str
    ready: bool
    ports: tuple[DeclaredPort, ...]


class _PodWithPorts(Wire, frozen=True):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def trim(self) -> PodPorts:
        """Sidecars are init containers that are restarted."""
        sidecars = (each for each in self.spec.init_containers or () if each.restart_policy == "Always")
        ports = (
            DeclaredPort(port.container_port, port.name, port.protocol, each.name)
            for each in (*(self.spec.containers or ()), *sidecars)
            for port in each.ports or ()
        )
        pod = Pod(metadata=self.metadata, spec=self.spec, status=self.status).trim()
        return PodPorts(self.metadata.name, pod.ready, tuple(ports))


class _NameOnly(Wire, frozen=True):
    metadata: Meta

    def trim(self) -> "_NameOnly":
        return self

    @property
    def name(self) -> str:
        return self.metadata.name


async def declared_ports(server: ApiServer, namespace: str, target: str) -> tuple[DeclaredPort, ...]:
    """Of `service/api`. What declares none, or has no pod yet, has none. Raises KfwError, Absent if it is not there."""
    try:
        async with asyncio.timeout(LIMIT):
            return await _ports(server, namespace, target)
    except TimeoutError as error:
        raise TimedOut(f"the cluster does not say within {LIMIT:g} s which ports {target} has") from error


async def _ports(server: ApiServer, namespace: str, target: str) -> tuple[DeclaredPort, ...]:
    kind, _, name = target.partition("/")
    if kind == "pod":
        pod: PodPorts = await _one(server, PODS, namespace, name, _PodWithPorts)
        return pod.ports
    one = await _one(server, OF_KIND[kind], namespace, name)
    if OF_KIND[kind] == SERVICES:
        return tuple(
            DeclaredPort(port.number, port.name, port.protocol, "", port.node_port) for port in one.ports
        )
    if not one.selector:
        return ()
    select = {"labelSelector": str(one.selector)}
    pods = await list_objects(server, PODS, namespace, shape=_PodWithPorts, select=select)
    return of_pods([placed.object for placed in pods])


def of_pods(pods: Iterable[PodPorts]) -> tuple[DeclaredPort, ...]:
    """Of the one that would be chosen: ready, the first by name. Of equal numbers of a protocol the first counts."""
    chosen = min(pods, key=lambda pod: (not pod.ready, pod.name), default=None)
    found: dict[tuple[int, str], DeclaredPort] = {}
    for port in chosen.ports if chosen else ():
        found.setdefault((port.number, port.protocol), port)
    return tuple(found.values())


async def _one(
    server: ApiServer, resource: Resource, namespace: str, name: str, shape: type[Wire] | None = None
) -> Any:
    select = {"fieldSelector": f"metadata.name={name}"}
    found = await list_objects(server, resource, namespace, shape=shape, select=select)
    if not (named := [placed.object for placed in found if placed.object.name == name]):
        raise Absent(
            f"{resource} '{name}' not found in namespace {namespace}", reason=Reason.TARGET_NOT_FOUND
        )
    return named[0]


async def namespaces_of_cluster(server: ApiServer) -> list[str]:
    """By name; none where the user may not list them."""
    try:
        found = await list_objects(server, OF_KIND["namespace"], "", shape=_NameOnly)
    except (NotPermitted, Absent):
        return []
    return sorted(placed.object.name for placed in found)
