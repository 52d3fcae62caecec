"""The addresses that a service gets: its cluster IP and its node ports. Pure: what is free is handed in."""

from collections.abc import Callable, Iterable

from kfw.sandbox.api import kinds
from kfw.sandbox.api.errors import invalid
from kfw.sandbox.api.validation import NODE_PORTS
from kfw.sandbox.objects import Object, name_of, uid_of

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
