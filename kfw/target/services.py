"""A service and what is known of its namespace -> its pods and node ports, or why there are none. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from kfw.kube.resource import ENDPOINTSLICES, NODES, PODS
from kfw.model import Endpoint, Problem, Reason, Resolution, Target
from kfw.target import messages
from kfw.target.objects import Objects, Pod, Service, ServicePort, SliceEndpoint, usable
from kfw.target.ports import Wanted, declared_ports, service_port, target_of


@dataclass(frozen=True)
class Backend:
    """A ready endpoint of a service; `pod` is "" where it is not a pod."""

    pod: str
    address: str
    node: str
    port: int


@dataclass(frozen=True)
class _Candidate:
    """An endpoint of the service, ready or not; see objects.Seen."""

    backend: Backend
    ready: bool
    running: bool
    terminating: bool
    unheard: bool = False


def resolve_service(
    target: Target, service: Service, wanted: Wanted, objects: Objects, *, unready: bool = False
) -> Resolution:
    """`unready`: pods that are not ready get connections where none is, as with publishNotReadyAddresses."""
    if service.type == "ExternalName":
        return Resolution(problem=messages.external_name(service, objects))
    port = service_port(service, wanted, objects)
    if isinstance(port, Problem):
        return Resolution(problem=port)
    if objects.endpointslices is None and objects.pods is None:
        return Resolution(problem=objects.why_unknown(PODS))
    chosen = _chosen(service, port, objects, unready=unready)
    if not chosen:
        return Resolution(problem=_nobody(target, service, port, objects))
    backends = [one.backend for one in chosen]
    pods = tuple(_endpoint(one, objects) for one in backends if one.pod)
    unheard = chosen[0].unheard  # then all are
    ready = all(one.ready for one in chosen) or unheard
    warning = messages.nodes_silent(target, objects) if unheard else None
    nodes: tuple[Endpoint, ...] | Problem
    if ready or service.publishes_unready:
        nodes = node_endpoints(service, port, backends, objects)
    else:
        nodes = messages.node_port_of_unready(service)
    if not isinstance(nodes, Problem):
        not_ready = tuple(dict.fromkeys(node.name for node in nodes if not node.ready))
        return Resolution(
            pods, nodes, sticky=service.sticky, warning=warning, not_ready=not_ready, unready=not ready
        )
    if not pods:
        addresses = [f"{one.address}:{one.port}" for one in backends]
        return Resolution(
            problem=messages.endpoints_without_pods(service, addresses, objects), no_node_port=nodes
        )
    return Resolution(pods, no_node_port=nodes, sticky=service.sticky, warning=warning, unready=not ready)


def _endpoint(backend: Backend, objects: Objects) -> Endpoint:
    pod = (objects.pods or {}).get(backend.pod)
    declared = declared_ports(pod) if pod else None
    return Endpoint("pod", backend.pod, backend.address, backend.port, declared)


def _chosen(service: Service, port: ServicePort, objects: Objects, *, unready: bool) -> list[_Candidate]:
    """By the slices; by the pods where slices may not be read, or lag behind with pods that are gone."""
    listed = list(_by_slices(service, port, objects))
    if any(one.ready for one in listed):  # then no pod is looked at, of which a namespace may have thousands
        return usable(listed, unready=False)
    selected = [
        _Candidate(
            Backend(pod.name, pod.ip, pod.node, number),
            pod.ready,
            pod.running and bool(pod.ip),
            pod.terminating,
            pod.unheard,
        )
        for pod in _selected(service, objects)
        if (number := target_of(port, pod))
    ]
    if any(one.ready for one in selected):
        return usable(selected, unready=False)
    published = service.publishes_unready
    return usable(listed, unready=unready or published, terminating=published) or usable(
        selected, unready=unready or published, terminating=published
    )


def _by_slices(service: Service, port: ServicePort, objects: Objects) -> Iterable[_Candidate]:
    """Slices by name, as the API lists them, their endpoints in their order. A dual-stack pod counts once, and so does
    one that is on its way from one slice to another."""
    slices = objects.endpointslices or {}
    found: dict[str, _Candidate] = {}
    for name in sorted(name for name, one in slices.items() if one.service == service.name):
        one = slices[name]
        matching = [p for p in one.ports if p.name == port.name and p.protocol == "TCP"]
        for endpoint in one.endpoints if matching else ():
            backend = Backend(
                endpoint.pod, endpoint.address, endpoint.node, matching[0].number or port.number
            )
            key = endpoint.pod or endpoint.address
            candidate = _candidate(backend, endpoint, service, objects)
            if key not in found or (candidate.ready and not found[key].ready):
                found[key] = candidate
    return found.values()


def _candidate(backend: Backend, endpoint: SliceEndpoint, service: Service, objects: Objects) -> _Candidate:
    """What is known of its pod counts, too; of one that is gone nothing can be used."""
    if not endpoint.pod:
        return _Candidate(backend, endpoint.ready, service.publishes_unready, endpoint.terminating)
    if objects.pods is None:
        return _Candidate(backend, endpoint.ready, running=True, terminating=endpoint.terminating)
    pod = objects.pods.get(endpoint.pod)
    if pod is None:
        return _Candidate(backend, ready=False, running=False, terminating=True)
    terminating = endpoint.terminating or pod.terminating
    return _Candidate(backend, endpoint.ready and pod.ready, pod.running, terminating, pod.unheard)


def all_served(service: Service, objects: Objects) -> bool:
    """Each TCP port has a ready endpoint. A target port that no container has by name is in no slice."""
    slices = [one for one in (objects.endpointslices or {}).values() if one.service == service.name]
    ready = [one for one in slices if any(endpoint.ready for endpoint in one.endpoints)]
    served = {port.name for one in ready for port in one.ports if port.protocol == "TCP"}
    return all(port.name in served for port in service.ports if port.protocol == "TCP")


def _selected(service: Service, objects: Objects) -> list[Pod]:
    pods = [pod for pod in (objects.pods or {}).values() if service.selector.matches(pod.labels)]
    return sorted(pods, key=lambda pod: pod.name)


def _nobody(target: Target, service: Service, port: ServicePort, objects: Objects) -> Problem:
    if objects.pods is None:
        return messages.not_ready(target, None, objects)
    pods = _selected(service, objects)
    if not pods:
        denied = None if service.selector else objects.denied.get(ENDPOINTSLICES)
        return denied or messages.no_pod_matches(service, objects)
    ready = [pod for pod in pods if pod.ready]
    if ready and isinstance(port.target, str) and not any(target_of(port, pod) for pod in ready):
        return Problem(
            Reason.TARGET_PORT,
            f'pod {ready[0].name} has no port "{port.target}", which service {service.name} names',
            f"{objects.kubectl} get svc {service.name} -o jsonpath='{{.spec.ports}}'",
        )
    return messages.not_ready(target, pods, objects)


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
