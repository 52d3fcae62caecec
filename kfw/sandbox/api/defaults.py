"""What the API server fills in where an object leaves it out, for the served kinds. Pure."""

from collections.abc import Callable
from typing import Any

from kfw.sandbox.api import kinds
from kfw.sandbox.objects import Object

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


def defaulted(resource: kinds.Resource, thing: Object) -> Object:
    """A copy with the defaults of its kind, and apiVersion and kind set."""
    thing = {**thing, "apiVersion": resource.api_version, "kind": resource.kind}
    fill = _BY_KIND.get(resource)
    return fill(thing) if fill else thing


def _filled(thing: Object, defaults: Object) -> Object:
    return {**defaults, **{key: value for key, value in thing.items() if value is not None}}


def pod_spec(spec: Object) -> Object:
    spec = _filled(spec, _POD_SPEC)
    spec["containers"] = [_container(one) for one in spec.get("containers") or []]
    return spec


def _container(one: Object) -> Object:
    one = _filled(one, _CONTAINER)
    if one.get("ports"):
        one["ports"] = [_filled(port, {"protocol": "TCP"}) for port in one["ports"]]
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        if one.get(probe):
            one[probe] = _filled(one[probe], _PROBE)
    return one


def _pod(pod: Object) -> Object:
    status = _filled(pod.get("status") or {}, {"phase": "Pending", "qosClass": "BestEffort"})
    return {**pod, "spec": pod_spec(pod.get("spec") or {}), "status": status}


def _with_template(spec: Object) -> Object:
    template = spec.get("template") or {}
    metadata = _filled(template.get("metadata") or {}, {})  # kubectl writes creationTimestamp: null
    template = {"metadata": metadata, "spec": pod_spec(template.get("spec") or {})}
    return {**spec, "template": template}


def _workload(**defaults: Any) -> Callable[[Object], Object]:
    def fill(thing: Object) -> Object:
        spec = _with_template(_filled(thing.get("spec") or {}, defaults))
        return {**thing, "spec": spec, "status": thing.get("status") or {}}

    return fill


_ROLLING: Object = {"maxUnavailable": "25%", "maxSurge": "25%"}


def _deployment(thing: Object) -> Object:
    thing = _workload(replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)(thing)
    strategy = _filled(thing["spec"].get("strategy") or {}, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = _filled(strategy.get("rollingUpdate") or {}, _ROLLING)
    return {**thing, "spec": {**thing["spec"], "strategy": strategy}}


def _service(service: Object) -> Object:
    defaults: Object = {"type": "ClusterIP", "sessionAffinity": "None"}
    spec = _filled(service.get("spec") or {}, defaults)
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["type"] != "ExternalName":
        spec = _filled(spec, {"internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"]})
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec["ports"] = [_service_port(port) for port in spec.get("ports") or []]
    return {**service, "spec": spec, "status": service.get("status") or {"loadBalancer": {}}}


def _service_port(port: Object) -> Object:
    return _filled(port, {"protocol": "TCP", "targetPort": port.get("port")})


def _namespace(thing: Object) -> Object:
    metadata = thing["metadata"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata.get("name", "")}
    status = _filled(thing.get("status") or {}, {"phase": "Active"})
    spec = _filled(thing.get("spec") or {}, {"finalizers": ["kubernetes"]})
    return {**thing, "metadata": {**metadata, "labels": labels}, "spec": spec, "status": status}


def _secret(secret: Object) -> Object:
    return _filled(secret, {"type": "Opaque"})


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
