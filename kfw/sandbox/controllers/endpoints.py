"""Services' endpoint slices and endpoints, from the pods that their selectors choose. Pure."""

from collections.abc import Iterable

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Create, Delete, Replace, View
from kfw.sandbox.objects import (
    Object,
    is_leaving,
    is_over,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    short_hash,
    uid_of,
)

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
ENDPOINTS_MANAGED = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}


def reconcile(service: Object, view: View) -> Actions:
    if not service["spec"].get("selector") or service["spec"]["type"] == "ExternalName":
        return
    pods = select_pods(service, view.list(kinds.PODS, namespace_of(service)))
    present = [
        one
        for one in view.list(kinds.ENDPOINTSLICES, namespace_of(service))
        if labels_of(one).get(SERVICE_NAME) == name_of(service) and labels_of(one).items() >= MANAGED.items()
    ]
    wanted = {name_of(one): one for one in _reuse_names(slices(service, pods), present)}
    for one in present:
        if name_of(one) not in wanted:
            yield Delete(kinds.ENDPOINTSLICES, one)
    for one in wanted.values():
        yield _put(kinds.ENDPOINTSLICES, one, view)
    yield _put(kinds.ENDPOINTS, endpoints(service, pods), view)


def _reuse_names(wanted: list[Object], present: list[Object]) -> list[Object]:
    """Under the names of what is there, best of what has the same ports.

    As the real controller (EndpointSlice reconciler, `finalize`): a slice changes and is never first deleted and then
    created, so that no watcher sees a service without endpoints in between.
    """
    before = {name_of(one): one["ports"] for one in present}
    left, named = dict(before), []
    for one in sorted(wanted, key=lambda one: one["ports"] not in before.values()):
        same = (name for name, ports in left.items() if ports == one["ports"])
        name = next(same, next(iter(left), name_of(one)))
        while name not in left and name in before:
            name = f"{name}-{short_hash(name, 5)}"
        left.pop(name, None)
        named.append({**one, "metadata": {**one["metadata"], "name": name}})
    return named


def clean(view: View) -> Actions:
    """Endpoints of services that are no more; slices go with their owner."""
    for one in view.list(kinds.ENDPOINTS):
        managed = labels_of(one).items() >= ENDPOINTS_MANAGED.items()
        if managed and view.find(kinds.SERVICES, namespace_of(one), name_of(one)) is None:
            yield Delete(kinds.ENDPOINTS, one)


def _put(resource: kinds.Resource, wanted: Object, view: View) -> Create | Replace:
    present = view.find(resource, namespace_of(wanted), name_of(wanted))
    if present is None:
        return Create(resource, wanted)
    return Replace(resource, {**present, **wanted, "metadata": {**present["metadata"], **wanted["metadata"]}})


def select_pods(service: Object, pods: Iterable[Object]) -> list[Object]:
    """The service's pods that have an address."""
    wanted = service["spec"].get("selector") or {}
    return [
        pod
        for pod in pods
        if labels_of(pod).items() >= wanted.items() and pod["status"].get("podIP") and not is_over(pod)
    ]


def target_port(port: Object, pod: Object) -> int | None:
    """The container port that a service port means in this pod; None where the pod has no port of that name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    protocol = port.get("protocol", "TCP")
    for container in pod["spec"]["containers"]:
        for one in container.get("ports") or []:
            if one.get("name") == target and one.get("protocol", "TCP") == protocol:
                return int(one["containerPort"])
    return None


def _ports(service: Object, pod: Object) -> list[Object]:
    found = ((port, target_port(port, pod)) for port in service["spec"]["ports"])
    return [
        {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
        for port, number in found
        if number is not None
    ]


def slices(service: Object, pods: list[Object]) -> list[Object]:
    """One slice for all pods that mean the same numbers by the service's ports; an empty one where there are no pods."""
    groups: dict[str, tuple[list[Object], list[Object]]] = {}
    for pod in pods:
        ports = _ports(service, pod)
        groups.setdefault(short_hash([uid_of(service), ports], 5), (ports, []))[1].append(pod)
    if not groups:
        groups[short_hash([uid_of(service)], 5)] = ([], [])
    return [_slice(service, suffix, ports, chosen) for suffix, (ports, chosen) in groups.items()]


def _slice(service: Object, suffix: str, ports: list[Object], pods: list[Object]) -> Object:
    headless = {"service.kubernetes.io/headless": ""} if service["spec"].get("clusterIP") == "None" else {}
    return {
        "addressType": "IPv4",
        "metadata": {
            "name": f"{name_of(service)}-{suffix}",
            "namespace": namespace_of(service),
            "labels": {**labels_of(service), **MANAGED, **headless, SERVICE_NAME: name_of(service)},
            "ownerReferences": [owner_reference(service)],
        },
        "endpoints": [_endpoint(service, pod) for pod in pods],
        "ports": ports,
    }


def _endpoint(service: Object, pod: Object) -> Object:
    """As k8s.io/endpointslice does it (`podToEndpoint`): publishNotReadyAddresses makes all ready, terminating ones too,
    and `serving` stays what the pod says."""
    serving, leaving = is_ready(pod), is_leaving(pod)
    ready = _publishes_unready(service) or (serving and not leaving)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": leaving},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
    }


def _publishes_unready(service: Object) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses"))


def _reference(pod: Object) -> Object:
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def endpoints(service: Object, pods: list[Object]) -> Object:
    subsets = [
        {
            kind: [
                {
                    "ip": pod["status"]["podIP"],
                    "nodeName": pod["spec"]["nodeName"],
                    "targetRef": _reference(pod),
                }
                for pod in chosen
            ],
            "ports": _ports(service, chosen[0]),
        }
        for kind, chosen in _by_readiness(service, pods).items()
        if chosen
    ]
    labels = {**labels_of(service), **ENDPOINTS_MANAGED}
    metadata = {"name": name_of(service), "namespace": namespace_of(service), "labels": labels}
    return {"metadata": metadata, "subsets": subsets}


def _by_readiness(service: Object, pods: list[Object]) -> dict[str, list[Object]]:
    if _publishes_unready(service):
        return {"addresses": pods}
    staying = [pod for pod in pods if not is_leaving(pod)]
    ready = [pod for pod in staying if is_ready(pod)]
    return {"addresses": ready, "notReadyAddresses": [pod for pod in staying if pod not in ready]}
