"""Which port is meant: by number, by name, or the only one. UDP and SCTP cannot be forwarded. Pure."""

from collections.abc import Iterable

from kfw.model import Problem, Reason
from kfw.target.objects import ContainerPort, Objects, Pod, Service, ServicePort

Wanted = int | str | None


def service_port(service: Service, wanted: Wanted, objects: Objects) -> ServicePort | Problem:
    """A TCP port of the service: its own number or name, else the one whose targetPort has that name."""
    tcp = [port for port in service.ports if port.protocol == "TCP"]
    found = _matching(tcp, wanted)
    if len(found) == 1:
        return found[0]
    if found:
        return _problem(f"service {service.name} has several TCP ports", tcp, objects)
    if wanted is None:
        return _problem(f"service {service.name} has no TCP port", tcp, objects)
    others = _matching([port for port in service.ports if port.protocol != "TCP"], wanted)
    if others:
        what = f"port {wanted} of service {service.name} is {others[0].protocol}, only TCP can be forwarded"
        return _problem(what, tcp, objects)
    behind = [str(port.number) for port in tcp if port.target == wanted]
    why = f": it is the container's port behind {behind[0]}" if len(behind) == 1 else ""
    return _problem(f"service {service.name} has no TCP port {_quoted(wanted)}{why}", tcp, objects)


def pod_port(pod: Pod, wanted: Wanted, who: str, objects: Objects) -> int | Problem:
    """A number passes unchanged, as none must be declared; a name is one of the containers or sidecars."""
    if isinstance(wanted, int):
        return wanted
    numbers = _named(pod.ports, wanted)
    if wanted is None and len(numbers) > 1:
        return _problem(f"{who} has several TCP ports", pod.ports, objects)
    if numbers:
        return numbers[0]
    if wanted is None:
        return _problem(f"{who} declares no TCP port", pod.ports, objects)
    return _problem(f"{who} has no TCP port {_quoted(wanted)}", pod.ports, objects)


def target_of(port: ServicePort, pod: Pod) -> int | None:
    """The container port behind a service's port: its number, that of its name, or the same; None: unknown."""
    if isinstance(port.target, str):
        return next(iter(_named(pod.ports, port.target)), None)
    return port.target or port.number


def declared_ports(pod: Pod) -> tuple[str, ...]:
    """For people: `8080 (http)`."""
    return tuple(dict.fromkeys(_shown(port) for port in pod.ports))


def _matching(ports: list[ServicePort], wanted: Wanted) -> list[ServicePort]:
    if wanted is None:
        return ports
    if isinstance(wanted, int):
        return [port for port in ports if port.number == wanted][:1]
    by_name = [port for port in ports if port.name == wanted]
    return by_name or [port for port in ports if port.target == wanted]


def _named(ports: Iterable[ContainerPort], name: str | None) -> list[int]:
    """Numbers without repetition, in the order of the containers; None takes all."""
    return list(dict.fromkeys(port.number for port in ports if name is None or port.name == name))


def _problem(what: str, ports: Iterable[ContainerPort | ServicePort], objects: Objects) -> Problem:
    known = [_shown(port) for port in ports]
    if not known:
        return Problem(
            Reason.TARGET_PORT, what, f"set targetPort to a number: {objects.kubectl} get pods,services"
        )
    return Problem(Reason.TARGET_PORT, what, f"set targetPort to one of {', '.join(known)}")


def _shown(port: ContainerPort | ServicePort) -> str:
    return f"{port.number} ({port.name})" if port.name else str(port.number)


def _quoted(wanted: Wanted) -> str:
    return f'"{wanted}"' if isinstance(wanted, str) else str(wanted)
