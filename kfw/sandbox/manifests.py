"""Objects to start with, in few words: namespaces, workloads, services; the default set; the nodes. Pure."""

import platform
from collections.abc import Iterable, Mapping

from kfw.sandbox.api.discovery import GIT_VERSION
from kfw.sandbox.objects import Object, rfc3339, rfc3339_micro

#: Port name and container port, in the order of the pod's ports.
Ports = Mapping[str, int]


def namespace(name: str) -> Object:
    return {"kind": "Namespace", "metadata": {"name": name}}


def deployment(
    where: str,
    name: str,
    image: str = "kfw/http",
    *,
    ports: Ports,
    replicas: int = 1,
    env: Mapping[str, str] | None = None,
) -> Object:
    """Its pods carry the label app=NAME."""
    return _workload(
        "Deployment", where, name, {"replicas": replicas, "template": _template(name, image, ports, env)}
    )


def statefulset(where: str, name: str, image: str, *, ports: Ports, replicas: int = 1) -> Object:
    spec = {"replicas": replicas, "serviceName": name, "template": _template(name, image, ports, None)}
    return _workload("StatefulSet", where, name, spec)


def pod(
    where: str,
    name: str,
    image: str = "kfw/http",
    *,
    ports: Ports,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    template = _template(name, image, ports, None)
    metadata = {
        "name": name,
        "namespace": where,
        "labels": {"app": name},
        "annotations": dict(annotations or {}),
    }
    return {"kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def service(
    where: str,
    name: str,
    *ports: Object,
    kind: str = "NodePort",
    selector: Mapping[str, str] | None = None,
) -> Object:
    """`ports` as made by `port`; selects app=NAME if nothing else is said."""
    spec = {"type": kind, "selector": dict(selector or {"app": name}), "ports": list(ports)}
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": where, "labels": {"app": name}},
        "spec": spec,
    }


def port(number: int, name: str, target: int | str | None = None, *, node: int | None = None) -> Object:
    """A service port, which leads to the container port of its name unless `target` says another."""
    made: Object = {"name": name, "port": number, "targetPort": name if target is None else target}
    return made | ({"nodePort": node} if node else {})


def _workload(kind: str, where: str, name: str, spec: Object) -> Object:
    labels = {"app": name}
    metadata = {"name": name, "namespace": where, "labels": labels}
    return {"kind": kind, "metadata": metadata, "spec": {"selector": {"matchLabels": labels}, **spec}}


def _template(name: str, image: str, ports: Ports, env: Mapping[str, str] | None) -> Object:
    container: Object = {"name": "app", "image": image}
    container["ports"] = [{"name": key, "containerPort": number} for key, number in ports.items()]
    if env:
        container["env"] = [{"name": key, "value": value} for key, value in env.items()]
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}


def api_service(address: str, number: int) -> Iterable[Object]:
    """The service `kubernetes`, which every cluster has, and where it leads."""
    metadata = {"name": "kubernetes", "namespace": "default"}
    ports = [{"name": "https", "port": 443, "targetPort": number}]
    yield {"kind": "Service", "metadata": metadata, "spec": {"clusterIP": "10.96.0.1", "ports": ports}}
    labels = {"kubernetes.io/service-name": "kubernetes"}
    ends = [{"addresses": [address], "conditions": {"ready": True}}]
    ports = [{"name": "https", "port": number, "protocol": "TCP"}]
    slice_ = {"kind": "EndpointSlice", "metadata": {**metadata, "labels": labels}, "addressType": "IPv4"}
    yield {**slice_, "endpoints": ends, "ports": ports}


def default_set() -> Iterable[Object]:
    """The quick start's five services (docs/quick-start.md), and a namespace `demo` to play in."""
    for name in ("wso2-amp", "openchoreo-observability-plane", "openchoreo-data-plane", "demo"):
        yield namespace(name)
    yield from _five()
    yield from _demo()


def _five() -> Iterable[Object]:
    observability, data = "openchoreo-observability-plane", "openchoreo-data-plane"
    yield from _app("wso2-amp", "amp-console", "the console", port(3000, "http", node=30300))
    yield from _app("wso2-amp", "amp-api", "the API", port(8080, "http", node=30808))
    yield from _app(
        observability, "amp-traces-observer", "the traces observer", port(9098, "http", node=30998)
    )
    yield from _app(observability, "data-prepper", "the data prepper", port(21893, "otlp-traces", node=32189))
    gateway = port(443, "https", node=30843)
    yield from _app(data, "gateway-external", "the gateway", gateway, image="kfw/tls", kind="LoadBalancer")


def _app(
    where: str, name: str, says: str, one: Object, *, image: str = "kfw/http", kind: str = "NodePort"
) -> Iterable[Object]:
    ports = {one["name"]: 8443 if image == "kfw/tls" else 8080}
    yield deployment(where, name, image, ports=ports, env={"KFW_SAYS": says})
    yield service(where, name, one, kind=kind)


def _demo() -> Iterable[Object]:
    yield deployment("demo", "web", ports={"http": 8080}, replicas=3)
    yield service("demo", "web", port(80, "http"))
    yield deployment("demo", "echo", "kfw/echo", ports={"echo": 9000})
    yield service("demo", "echo", port(7, "echo"))
    yield deployment("demo", "digest", "kfw/digest", ports={"digest": 9001})
    yield service("demo", "digest", port(9001, "digest"))
    yield statefulset("demo", "db", "kfw/greeter", ports={"db": 5432})
    yield service("demo", "db", port(5432, "db"))
    yield deployment("demo", "tls", "kfw/tls", ports={"https": 8443})
    yield service("demo", "tls", port(443, "https"))


def node(name: str, address: str, now: float) -> Object:
    """`address` is where its node ports listen; a name that ends in control-plane makes it one."""
    role = {"node-role.kubernetes.io/control-plane": ""} if name.endswith("control-plane") else {}
    return {
        "metadata": {"name": name, "labels": {**_labels(name), **role}},
        "spec": {"providerID": f"kfw://sandbox/{name}", "podCIDR": "10.244.0.0/24"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "capacity": {"cpu": "1", "memory": "1Gi", "pods": "110"},
            "allocatable": {"cpu": "1", "memory": "1Gi", "pods": "110"},
            "conditions": _conditions(rfc3339(now)),
            "nodeInfo": _info(),
        },
    }


def lease(name: str, now: float) -> Object:
    """What `kubectl describe node` looks at; it is not renewed."""
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": rfc3339_micro(now)}
    return {"kind": "Lease", "metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": spec}


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _labels(name: str) -> dict[str, str]:
    system = {"kubernetes.io/arch": _machine(), "kubernetes.io/os": platform.system().lower()}
    return {**system, "kubernetes.io/hostname": name}


_HEALTH = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def _conditions(time: str) -> list[Object]:
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": time,
            "lastTransitionTime": time,
        }
        for kind, status, reason, message in _HEALTH
    ]


def _info() -> Object:
    return {
        "architecture": _machine(),
        "operatingSystem": platform.system().lower(),
        "osImage": "kfw sandbox",
        "kernelVersion": platform.release(),
        "containerRuntimeVersion": f"python://{platform.python_version()}",
        "kubeletVersion": GIT_VERSION,
        "kubeProxyVersion": GIT_VERSION,
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }
