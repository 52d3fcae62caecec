"""A service and what is known of its namespace -> its ready pods and node ports, or why there are none. Pure."""

from collections.abc import Iterable

from kfw.kube.resource import ENDPOINTSLICES, PODS
from kfw.model import Endpoint, Problem, Reason, Resolution, Target
from kfw.target import messages
from kfw.target.node_ports import Backend, node_endpoints
from kfw.target.objects import Objects, Pod, Service, ServicePort
from kfw.target.ports import Wanted, service_port, target_of


def resolve_service(target: Target, service: Service, wanted: Wanted, objects: Objects) -> Resolution:
    if service.type == "ExternalName":
        return Resolution(problem=messages.external_name(service, objects))
    port = service_port(service, wanted, objects)
    if isinstance(port, Problem):
        return Resolution(problem=port)
    if objects.endpointslices is None and objects.pods is None:
        return Resolution(problem=objects.why_unknown(PODS))
    backends = _backends(service, port, objects)
    pods = tuple(Endpoint("pod", one.pod, one.address, one.port) for one in backends if one.pod)
    if not backends:
        return Resolution(problem=_nobody(target, service, port, objects))
    nodes = node_endpoints(service, port, backends, objects)
    if not isinstance(nodes, Problem):
        return Resolution(pods, nodes, sticky=service.sticky)
    if not pods:
        addresses = [f"{one.address}:{one.port}" for one in backends]
        return Resolution(
            problem=messages.endpoints_without_pods(service, addresses, objects), no_node_port=nodes
        )
    return Resolution(pods, no_node_port=nodes, sticky=service.sticky)


def _backends(service: Service, port: ServicePort, objects: Objects) -> list[Backend]:
    """By the slices; by the pods where slices may not be read, or lag behind with pods that are gone."""
    found = list(_from_slices(service, port, objects))
    pods = objects.pods
    if pods is not None:
        found = [one for one in found if not one.pod or (one.pod in pods and pods[one.pod].ready)]
    return found or [
        Backend(pod.name, pod.ip, pod.node, number)
        for pod in _selected(service, objects)
        if pod.ready and (number := target_of(port, pod))
    ]


def _from_slices(service: Service, port: ServicePort, objects: Objects) -> Iterable[Backend]:
    """Slices by name, as the API lists them, their endpoints in their order; a dual-stack pod counts once."""
    slices = objects.endpointslices or {}
    seen = set[str]()
    for name in sorted(slices):
        if (one := slices[name]).service != service.name:
            continue
        matching = [p for p in one.ports if p.name == port.name and p.protocol == "TCP"]
        for endpoint in one.endpoints if matching else ():
            key = endpoint.pod or endpoint.address
            if endpoint.ready and key not in seen:
                seen.add(key)
                yield Backend(
                    endpoint.pod, endpoint.address, endpoint.node, matching[0].number or port.number
                )


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
