"""[LOCAL]:REMOTE as kubectl takes it apart: a service's port becomes its pod's, a name a number. Pure.

The order of the checks is kubectl's, and so is what it makes of odd input: `8080:80:1` is 8080:8080.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kfw.kubectl_compat import go_parse
from kfw.kubectl_compat.messages import KubectlError
from kfw.target import objects
from kfw.target.decode.pod import Container, Pod
from kfw.target.decode.pod import Port as Declared
from kfw.target.decode.service import Service, ServicePort


@dataclass(frozen=True)
class Pair:
    """`local` 0: any free one. `remote` is the pod's port; where that has a `name`, it may be another one in another pod."""

    local: int
    remote: int
    name: str = ""

    def of(self, pod: objects.Pod) -> int:
        return next((port.number for port in pod.ports if self.name and port.name == self.name), self.remote)


def pairs(texts: Sequence[str], pod: Pod, service: Service | None) -> list[Pair]:
    """`pod` is the one that kubectl would take. Raises KubectlError."""
    remotes = [_split(text)[1] for text in texts]
    _refuse_udp(remotes, pod, service)
    if service is None and "" in remotes:
        raise KubectlError("error: remote port cannot be empty")
    found = [_container_port(remote, pod, service) for remote in remotes]
    locals_ = [_local(text, number, service) for text, (number, _) in zip(texts, found, strict=True)]
    return [
        Pair(_port("local", local), _remote(str(number)), name)
        for local, (number, name) in zip(locals_, found, strict=True)
    ]


def _container_port(wanted: str, pod: Pod, service: Service | None) -> tuple[int, str]:
    """Its number, and its name where it was found by that."""
    if service is not None:
        number = int(wanted) if go_parse.is_number(wanted) else _service_port(wanted, service)
        return _behind(number, pod, service)
    return (int(wanted), "") if go_parse.is_number(wanted) else (_named(wanted, pod), wanted)


def _split(text: str) -> tuple[str, str]:
    parts = text.split(":")
    return (parts[0], parts[1]) if len(parts) == 2 else (parts[0], parts[0])


def _local(text: str, number: int, service: Service | None) -> str:
    """A name alone stands on the service's own port, or on the pod's."""
    local, remote = _split(text)
    if local == remote and not go_parse.is_number(remote):
        return str(number) if service is None else str(_service_port(remote, service))
    return local or "0"


def _port(side: str, text: str) -> int:
    try:
        return go_parse.port(text)
    except ValueError as error:
        raise KubectlError(f"error: error parsing {side} port '{text}': {error}") from error


def _remote(text: str) -> int:
    number = _port("remote", text)
    if number == 0:
        raise KubectlError("error: remote port must be > 0")
    return number


# -- of a service


def _service_port(name: str, service: Service) -> int:
    for port in service.spec.ports or ():
        if port.name == name:
            return port.port
    raise KubectlError(f"error: Service '{service.metadata.name}' does not have a named port '{name}'")


def _behind(number: int, pod: Pod, service: Service) -> tuple[int, str]:
    """A headless service is its pods' own address, so its port is theirs."""
    for port in service.spec.ports or ():
        if port.port == number:
            return (number, "") if service.spec.cluster_ip == "None" else _target(port, pod)
    raise KubectlError(f"error: Service {service.metadata.name} does not have a service port {number}")


def _target(port: ServicePort, pod: Pod) -> tuple[int, str]:
    if isinstance(port.target_port, str) and port.target_port:
        return _named(port.target_port, pod), port.target_port
    return int(port.target_port or port.port), ""


# -- of a pod


def _named(name: str, pod: Pod) -> int:
    for port in _declared((*(pod.spec.containers or ()), *(pod.spec.init_containers or ()))):
        if port.name == name:
            return port.container_port
    raise KubectlError(f"error: Pod '{pod.metadata.name}' does not have a named port '{name}'")


def _declared(containers: Iterable[Container]) -> Iterable[Declared]:
    return (port for container in containers for port in container.ports or ())


def _refuse_udp(remotes: Sequence[str], pod: Pod, service: Service | None) -> None:
    if service is not None:
        known = [(port.protocol, port.port) for port in service.spec.ports or ()]
    else:
        known = [(port.protocol, port.container_port) for port in _declared(pod.spec.containers or ())]
    udp_only = {number for protocol, number in known if protocol == "UDP"}
    udp_only -= {number for protocol, number in known if protocol == "TCP"}
    for remote in remotes:
        if go_parse.is_number(remote):
            number = int(remote)
        else:
            number = _named(remote, pod) if service is None else _service_port(remote, service)
        if number in udp_only:
            raise KubectlError(f"error: UDP protocol is not supported for {remote}")
