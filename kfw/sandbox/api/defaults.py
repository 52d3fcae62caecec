"""What the API server fills in where an object leaves it out, for the served kinds; for services also addresses. Pure: what
port is free is handed in.
"""

from collections.abc import Callable, Iterable
from typing import Any

from kfw.sandbox.api import kinds
from kfw.sandbox.api.errors import invalid
from kfw.sandbox.api.validation import NODE_PORTS
from kfw.sandbox.objects import Object, name_of, uid_of

_POD_SPEC: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
}
_CONTAINER: Object = {
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE: Object = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def with_defaults(resource: kinds.Resource, thing: Object) -> Object:
    """A copy with the defaults of its kind, and apiVersion and kind set."""
    thing = {**thing, "apiVersion": resource.api_version, "kind": resource.kind}
    fill = _BY_KIND.get(resource)
    return fill(thing) if fill else thing


def _fill(thing: Object, defaults: Object) -> Object:
    return {**defaults, **{key: value for key, value in thing.items() if value is not None}}


def pod_spec(spec: Object) -> Object:
    spec = _fill(spec, _POD_SPEC)
    spec["containers"] = [_container(one) for one in spec.get("containers") or []]
    return spec


def _container(one: Object) -> Object:
    one = _fill(one, _CONTAINER)
    if one.get("ports"):
        one["ports"] = [_fill(port, {"protocol": "TCP"}) for port in one["ports"]]
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        if one.get(probe):
            one[probe] = _fill(one[probe], _PROBE)
    return one


def _pod(pod: Object) -> Object:
    status = _fill(pod.get("status") or {}, {"phase": "Pending", "qosClass": "BestEffort"})
    return {**pod, "spec": pod_spec(pod.get("spec") or {}), "status": status}


def _with_template(spec: Object) -> Object:
    template = spec.get("template") or {}
    metadata = _fill(template.get("metadata") or {}, {})  # kubectl writes creationTimestamp: null
    template = {"metadata": metadata, "spec": pod_spec(template.get("spec") or {})}
    return {**spec, "template": template}


def _workload(**defaults: Any) -> Callable[[Object], Object]:
    def fill(thing: Object) -> Object:
        spec = _with_template(_fill(thing.get("spec") or {}, defaults))
        return {**thing, "spec": spec, "status": thing.get("status") or {}}

    return fill


_ROLLING: Object = {"maxUnavailable": "25%", "maxSurge": "25%"}


def _deployment(thing: Object) -> Object:
    thing = _workload(replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)(thing)
    strategy = _fill(thing["spec"].get("strategy") or {}, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = _fill(strategy.get("rollingUpdate") or {}, _ROLLING)
    return {**thing, "spec": {**thing["spec"], "strategy": strategy}}


def _service(service: Object) -> Object:
    defaults: Object = {"type": "ClusterIP", "sessionAffinity": "None"}
    spec = _fill(service.get("spec") or {}, defaults)
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["type"] != "ExternalName":
        spec = _fill(spec, {"internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"]})
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec["ports"] = [_service_port(port) for port in spec.get("ports") or []]
    return {**service, "spec": spec, "status": service.get("status") or {"loadBalancer": {}}}


def _service_port(port: Object) -> Object:
    return _fill(port, {"protocol": "TCP", "targetPort": port.get("port")})


def _namespace(thing: Object) -> Object:
    metadata = thing["metadata"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata.get("name", "")}
    status = _fill(thing.get("status") or {}, {"phase": "Active"})
    spec = _fill(thing.get("spec") or {}, {"finalizers": ["kubernetes"]})
    return {**thing, "metadata": {**metadata, "labels": labels}, "spec": spec, "status": status}


def _secret(secret: Object) -> Object:
    return _fill(secret, {"type": "Opaque"})


_UPDATE: Object = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
_BY_KIND: dict[kinds.Resource, Callable[[Object], Object]] = {
    kinds.PODS: _pod,
    kinds.SERVICES: _service,
    kinds.NAMESPACES: _namespace,
    kinds.SECRETS: _secret,
    kinds.DEPLOYMENTS: _deployment,
    kinds.REPLICASETS: _workload(replicas=1),
    kinds.STATEFULSETS: _workload(
        replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", updateStrategy=_UPDATE
    ),
    kinds.DAEMONSETS: _workload(
        revisionHistoryLimit=10,
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
    ),
}


#: May this number be listened on? Asked only for a number that the sandbox chooses itself.
Free = Callable[[int], bool]


def with_addresses(service: Object, before: Object | None, others: Iterable[Object], free: Free) -> Object:
    """A copy with clusterIP and nodePorts: those asked for, else those of `before`, else free ones.

    Raises ApiError 422 when a number or address that was asked for belongs to one of the `others`.
    """
    others = [one for one in others if before is None or uid_of(one) != uid_of(before)]
    spec = dict(service["spec"])
    if spec["type"] == "ExternalName":
        return {**service, "spec": spec}
    spec["clusterIP"] = spec.get("clusterIP") or _cluster_ip(before, others)
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec["ports"] = _with_node_ports(service, spec["ports"], before, others, free)
    else:
        spec["ports"] = [{key: port[key] for key in port if key != "nodePort"} for port in spec["ports"]]
    return {**service, "spec": spec}


def _cluster_ip(before: Object | None, others: list[Object]) -> str:
    if before is not None and before["spec"].get("clusterIP"):
        return str(before["spec"]["clusterIP"])
    used = {one["spec"].get("clusterIP") for one in others}
    candidates = (f"10.96.{number // 256}.{number % 256}" for number in range(10, 65000))
    return next(address for address in candidates if address not in used)


def _with_node_ports(
    service: Object, ports: list[Object], before: Object | None, others: list[Object], free: Free
) -> list[Object]:
    taken = {number for one in others for number in node_ports(one)}
    present = {} if before is None else {_identity(port): port for port in before["spec"].get("ports") or []}
    result: list[Object] = []
    for place, port in enumerate(ports):
        number = port.get("nodePort") or present.get(_identity(port), {}).get("nodePort")
        if number in taken:
            why = f"Invalid value: {number}: provided port is already allocated"
            raise invalid(kinds.SERVICES, name_of(service), f"spec.ports[{place}].nodePort", why)
        number = number or _free_port(service, taken | set(_numbers(ports)), free)
        taken.add(number)
        result.append({**port, "nodePort": number})
    return result


def _identity(port: Object) -> tuple[str, int]:
    return str(port.get("protocol", "TCP")), int(port["port"])


def _numbers(ports: Iterable[Object]) -> Iterable[int]:
    return (port["nodePort"] for port in ports if port.get("nodePort"))


def node_ports(service: Object) -> list[int]:
    return list(_numbers(service["spec"].get("ports") or []))


def _free_port(service: Object, taken: set[int], free: Free) -> int:
    """Starts at a place that the name gives, so that a service made again by that name tends to get another number."""
    start = sum(name_of(service).encode()) * 37 + len(taken) * 101
    numbers = (NODE_PORTS.start + (start + step) % len(NODE_PORTS) for step in range(len(NODE_PORTS)))
    found = next((number for number in numbers if number not in taken and free(number)), None)
    if found is None:
        why = "Internal error: failed to allocate a nodePort: range is full"
        raise invalid(kinds.SERVICES, name_of(service), "spec.ports[0].nodePort", why)
    return found
