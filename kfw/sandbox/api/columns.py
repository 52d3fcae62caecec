"""The columns of kubectl's tables, kind by kind, as the real server prints them (1.34, measured on the rig). Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kfw.sandbox.api import kinds
from kfw.sandbox.objects import Object, condition, is_leaving, is_ready, labels_of, name_of, seconds_of

Cell = str | int
Cells = Callable[[Object, float], Sequence[Cell]]  # object, now
MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY
#: Below this many seconds: a large unit, and a small one that is left out when it is zero ("" where none is shown).
_STEPS = (
    (2 * MINUTE, 1, "s", 0, ""),
    (10 * MINUTE, MINUTE, "m", 1, "s"),
    (3 * HOUR, MINUTE, "m", 0, ""),
    (8 * HOUR, HOUR, "h", MINUTE, "m"),
    (2 * DAY, HOUR, "h", 0, ""),
    (8 * DAY, DAY, "d", HOUR, "h"),
    (2 * YEAR, DAY, "d", 0, ""),
    (8 * YEAR, YEAR, "y", DAY, "d"),
)


@dataclass(frozen=True)
class Columns:
    """`wide` more of them with `-o wide`; `cells` gives all, the wide ones last."""

    names: tuple[str, ...]
    wide: tuple[str, ...]
    cells: Cells


def _created(thing: Object, now: float) -> str:
    return age(thing["metadata"].get("creationTimestamp"), now)


def _pairs(labels: Object | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def _containers(thing: Object) -> tuple[str, str]:
    containers = thing["spec"]["template"]["spec"]["containers"]
    return ",".join(one["name"] for one in containers), ",".join(one.get("image", "") for one in containers)


def _selector(thing: Object) -> str:
    return _pairs((thing["spec"].get("selector") or {}).get("matchLabels"))


def _count(thing: Object, field: str) -> int:
    return int(thing.get("status", {}).get(field) or 0)


def _pod(pod: Object, now: float) -> Sequence[Cell]:
    containers = pod["spec"].get("containers", [])
    status = pod.get("status", {})
    states = status.get("containerStatuses") or []
    ready = sum(bool(one.get("ready")) for one in states)
    head = (name_of(pod), f"{ready}/{len(containers)}", status_word(pod), _restarts(states, now))
    where = (status.get("podIP") or "<none>", pod["spec"].get("nodeName") or "<none>")
    return (*head, _created(pod, now), *where, "<none>", "<none>")


def _restarts(states: list[Object], now: float) -> str:
    count = sum(one.get("restartCount", 0) for one in states)
    ends = [one.get("lastState", {}).get("terminated", {}).get("finishedAt") for one in states]
    last = max(filter(None, ends), default=None)
    return f"{count} ({duration(now - seconds_of(last))} ago)" if count and last else str(count)


def _service(service: Object, now: float) -> Sequence[Cell]:
    spec = service["spec"]
    ports = ",".join(_service_port(port) for port in spec.get("ports") or []) or "<none>"
    kind = spec.get("type", "ClusterIP")
    outside = ",".join(spec.get("externalIPs") or []) or "<none>"
    if kind == "LoadBalancer":
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        outside = ",".join(one.get("ip") or one.get("hostname", "") for one in ingress) or "<pending>"
    elif kind == "ExternalName":
        outside = spec.get("externalName", "<none>")
    address = spec.get("clusterIP") or "<none>"
    return (
        name_of(service),
        kind,
        address,
        outside,
        ports,
        _created(service, now),
        _pairs(spec.get("selector")),
    )


def _service_port(port: Object) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


def _deployment(thing: Object, now: float) -> Sequence[Cell]:
    ready = f"{_count(thing, 'readyReplicas')}/{thing['spec'].get('replicas', 0)}"
    counts = (_count(thing, "updatedReplicas"), _count(thing, "availableReplicas"))
    return name_of(thing), ready, *counts, _created(thing, now), *_containers(thing), _selector(thing)


def _replicaset(thing: Object, now: float) -> Sequence[Cell]:
    counts = (thing["spec"].get("replicas", 0), _count(thing, "replicas"), _count(thing, "readyReplicas"))
    return name_of(thing), *counts, _created(thing, now), *_containers(thing), _selector(thing)


def _statefulset(thing: Object, now: float) -> Sequence[Cell]:
    ready = f"{_count(thing, 'readyReplicas')}/{thing['spec'].get('replicas', 0)}"
    return name_of(thing), ready, _created(thing, now), *_containers(thing)


def _daemonset(thing: Object, now: float) -> Sequence[Cell]:
    fields = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    counts = [_count(thing, field) for field in (*fields, "numberAvailable")]
    nodes = _pairs(thing["spec"]["template"]["spec"].get("nodeSelector"))
    return name_of(thing), *counts, nodes, _created(thing, now), *_containers(thing), _selector(thing)


def _some(texts: list[str], most: int) -> str:
    more = f" + {len(texts) - most} more..." if len(texts) > most else ""
    return ",".join(texts[:most]) + more


def _endpoints(thing: Object, now: float) -> Sequence[Cell]:
    texts = [
        f"{address['ip']}:{port['port']}"
        for subset in thing.get("subsets") or []
        for port in subset.get("ports") or []
        for address in subset.get("addresses") or []
    ]
    return name_of(thing), _some(texts, 3) or "<none>", _created(thing, now)


def _endpoint_slice(thing: Object, now: float) -> Sequence[Cell]:
    ports = [str(port["port"]) for port in thing.get("ports") or [] if port.get("port")]
    addresses = [ip for one in thing.get("endpoints") or [] for ip in one["addresses"]]
    shown = (_some(ports, 3) or "<unset>", _some(addresses, 3) or "<unset>")
    return name_of(thing), thing.get("addressType", "IPv4"), *shown, _created(thing, now)


def _node(node: Object, now: float) -> Sequence[Cell]:
    words = ["Ready" if is_ready(node) else "NotReady" if condition(node, "Ready") else "Unknown"]
    words += ["SchedulingDisabled"] * bool(node["spec"].get("unschedulable"))
    prefix = "node-role.kubernetes.io/"
    roles = sorted(label.removeprefix(prefix) for label in labels_of(node) if label.startswith(prefix))
    info = node.get("status", {}).get("nodeInfo", {})
    addresses = {one["type"]: one["address"] for one in node.get("status", {}).get("addresses") or []}
    head = (name_of(node), ",".join(words), ",".join(roles) or "<none>", _created(node, now))
    places = [addresses.get(kind, "<none>") for kind in ("InternalIP", "ExternalIP")]
    system = [info.get(key, "<unknown>") for key in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return (*head, info.get("kubeletVersion", ""), *places, *system)


def _namespace(thing: Object, now: float) -> Sequence[Cell]:
    return name_of(thing), thing.get("status", {}).get("phase", "Active"), _created(thing, now)


def _event(event: Object, now: float) -> Sequence[Cell]:
    about = event.get("involvedObject", {})
    subject = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    last, first = event.get("lastTimestamp"), event.get("firstTimestamp")
    head = (age(last, now), event.get("type", ""), event.get("reason", ""), subject)
    source = event.get("source", {})
    origin = ", ".join(filter(None, (source.get("component"), source.get("host"))))
    tail = (age(first, now), event.get("count") or 1, name_of(event))
    return *head, about.get("fieldPath", ""), origin, str(event.get("message", "")).strip(), *tail


def _data(thing: Object, now: float) -> Sequence[Cell]:
    count = len(thing.get("data") or {}) + len(thing.get("binaryData") or {})
    return name_of(thing), count, _created(thing, now)


def _secret(thing: Object, now: float) -> Sequence[Cell]:
    return name_of(thing), thing.get("type", "Opaque"), len(thing.get("data") or {}), _created(thing, now)


def _plain(thing: Object, now: float) -> Sequence[Cell]:
    return name_of(thing), _created(thing, now)


_WORKLOAD = ("Containers", "Images", "Selector")
_PLAIN = Columns(("Name", "Age"), (), _plain)
#: An event's wide columns stand between the others, so they are named here.
_EVENT_NAMES = ("Last Seen", "Type", "Reason", "Object", "Subobject", "Source", "Message")

COLUMNS: dict[kinds.Resource, Columns] = {
    kinds.PODS: Columns(
        ("Name", "Ready", "Status", "Restarts", "Age"),
        ("IP", "Node", "Nominated Node", "Readiness Gates"),
        _pod,
    ),
    kinds.SERVICES: Columns(
        ("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"), ("Selector",), _service
    ),
    kinds.DEPLOYMENTS: Columns(("Name", "Ready", "Up-to-date", "Available", "Age"), _WORKLOAD, _deployment),
    kinds.REPLICASETS: Columns(("Name", "Desired", "Current", "Ready", "Age"), _WORKLOAD, _replicaset),
    kinds.STATEFULSETS: Columns(("Name", "Ready", "Age"), ("Containers", "Images"), _statefulset),
    kinds.DAEMONSETS: Columns(
        ("Name", "Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age"),
        _WORKLOAD,
        _daemonset,
    ),
    kinds.ENDPOINTS: Columns(("Name", "Endpoints", "Age"), (), _endpoints),
    kinds.ENDPOINTSLICES: Columns(("Name", "AddressType", "Ports", "Endpoints", "Age"), (), _endpoint_slice),
    kinds.NODES: Columns(
        ("Name", "Status", "Roles", "Age", "Version"),
        ("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
        _node,
    ),
    kinds.NAMESPACES: Columns(("Name", "Status", "Age"), (), _namespace),
    kinds.EVENTS: Columns(_EVENT_NAMES, ("First Seen", "Count", "Name"), _event),
    kinds.CONFIGMAPS: Columns(("Name", "Data", "Age"), (), _data),
    kinds.SECRETS: Columns(("Name", "Type", "Data", "Age"), (), _secret),
}


def columns_of(resource: kinds.Resource) -> Columns:
    return COLUMNS.get(resource, _PLAIN)


def status_word(pod: Object) -> str:
    """`Running`, `CrashLoopBackOff`, `Completed`, `Terminating`, ...: the containers' worst news, else the phase."""
    status = pod.get("status", {})
    word = status.get("reason") or status.get("phase") or "Pending"
    for container in status.get("containerStatuses") or []:
        word = _news(container.get("state", {})) or word
    if is_leaving(pod) and word not in ("Completed", "Error"):
        return "Terminating"
    return str(word)


def _news(state: Object) -> str:
    waiting, ended = state.get("waiting", {}), state.get("terminated", {})
    if waiting.get("reason"):
        return str(waiting["reason"])
    if ended:
        return str(ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}")
    return ""


def duration(seconds: float) -> str:
    """`45s`, `3m7s`, `95m`, `4h5m`, `2d3h`, `400d`; a clock that went back is `0s`."""
    whole = max(0, int(seconds))
    for bound, large, large_sign, small, small_sign in _STEPS:
        if whole < bound:
            count, rest = divmod(whole, large)
            part = rest // small if small else 0
            return f"{count}{large_sign}" + (f"{part}{small_sign}" if part else "")
    return f"{whole // YEAR}y"


def age(timestamp: str | None, now: float) -> str:
    return duration(now - seconds_of(timestamp)) if timestamp else "<unknown>"
