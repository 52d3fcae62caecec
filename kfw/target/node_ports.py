"""Which nodes may serve a service's node port, those with a ready pod of it first. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address

from kfw.kube.resource import NODES
from kfw.model import Endpoint, Problem, Reason
from kfw.target.objects import Objects, Service, ServicePort


@dataclass(frozen=True)
class Backend:
    """A ready endpoint of a service; `pod` is "" where it is not a pod."""

    pod: str
    address: str
    node: str
    port: int


def node_endpoints(
    service: Service, port: ServicePort, backends: Collection[Backend], objects: Objects
) -> tuple[Endpoint, ...] | Problem:
    """Never empty; a Problem says why there is none. With externalTrafficPolicy Local only nodes with a pod."""
    if not port.node_port:
        return _no_node_port(service, objects)
    hosts = {backend.node for backend in backends if backend.node}
    found = (
        _listed(service, port, hosts, objects)
        or _of_pods(port, backends, objects)
        or _of_api(service, port, objects)
    )
    return found or _no_address(service, port, objects)


def _listed(service: Service, port: ServicePort, hosts: set[str], objects: Objects) -> tuple[Endpoint, ...]:
    nodes = (objects.nodes or {}).values()
    usable = [node for node in nodes if node.name in hosts or not service.local]
    usable.sort(key=lambda node: (not node.ready, node.name not in hosts, node.name))
    return tuple(
        Endpoint("node", node.name, address, port.node_port, ready=node.ready)
        for node in usable
        for address in node.addresses
    )


def _of_pods(port: ServicePort, backends: Collection[Backend], objects: Objects) -> tuple[Endpoint, ...]:
    """For a user who may not list nodes: the pods say the address of theirs."""
    pods = objects.pods or {}
    hosts = ((backend.node, pods[backend.pod].host_ip) for backend in backends if backend.pod in pods)
    unique = dict.fromkeys((node, address) for node, address in hosts if address)
    return tuple(Endpoint("node", node or address, address, port.node_port) for node, address in unique)


def _of_api(service: Service, port: ServicePort, objects: Objects) -> tuple[Endpoint, ...]:
    """The API server is often a node. Not on loopback: that port may be anybody's on this machine."""
    try:
        address = ip_address(objects.api_host)
    except ValueError:
        return ()
    if address.is_loopback or service.local:
        return ()
    return (Endpoint("node", objects.api_host, objects.api_host, port.node_port),)


def _no_node_port(service: Service, objects: Objects) -> Problem:
    if service.headless:
        what = f"service {service.name} is headless, so it has no node port"
        return Problem(Reason.NO_NODE_PORT, what, "use another method: it works by the service's pods")
    patch = f"""{objects.kubectl} patch svc {service.name} -p '{{"spec":{{"type":"NodePort"}}}}'"""
    if service.type in ("NodePort", "LoadBalancer"):
        what = f"service {service.name} is of type {service.type}, but was made without node ports"
    else:
        what = f"service {service.name} is of type {service.type}, so it has no node port"
    return Problem(Reason.NO_NODE_PORT, what, patch)


def _no_address(service: Service, port: ServicePort, objects: Objects) -> Problem:
    denied = objects.denied.get(NODES)
    if objects.nodes is None and denied is None:
        return Problem(Reason.NO_NODE_PORT, "the nodes of the cluster are not known yet")
    if denied is None:
        why = (
            "no node has an address"
            if not service.local
            else "no node has a ready pod of it (externalTrafficPolicy Local)"
        )
        return Problem(Reason.NO_NODE_PORT, f"node port {port.node_port} of service {service.name}: {why}")
    what = f"node port {port.node_port} of service {service.name}: no node address is known: {denied.message}"
    return Problem(denied.reason, what, denied.fix)
