"""The services that a profile selects -> its forwards: their names and local ports. Pure.

A name or a port that was given stays: both follow from the service alone, and where that is not enough from what is
remembered. The first TCP port of a service has the service's name, the others that and their own name or number; in another
namespace than the profile's first the namespace is appended, as kubefwd does.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from kfw.choices import free_local_port
from kfw.model import Forward, Kind, SelectingProfile, Target
from kfw.target.objects import Service, ServicePort


@dataclass(frozen=True)
class Member:
    """One port of one service, as the forward `name` has it."""

    name: str
    namespace: str
    service: str
    port: ServicePort


def namespaces(selection: SelectingProfile) -> tuple[str, ...]:
    return selection.namespaces or (selection.template.namespace,)


def members(selection: SelectingProfile, namespace: str, services: Sequence[Service]) -> Iterator[Member]:
    """Without what has no pods of its own: ExternalName, and services without a selector, such as that of the API server."""
    after = "" if namespace == namespaces(selection)[0] else f".{namespace}"
    for service in services:
        if service.type == "ExternalName" or not service.selector or _is_excluded(service.name, selection):
            continue
        ports = [port for port in service.ports if port.protocol == "TCP"]
        for number, port in enumerate(ports):
            which = f"-{port.name or port.number}" if number else ""
            yield Member(f"{service.name}{which}{after}", namespace, service.name, port)


def with_local_ports(
    found: Sequence[Member], remembered: Mapping[str, int], taken: Collection[int]
) -> dict[str, int]:
    """By name. `taken`: ports of others. What is remembered of those that are gone is kept for them."""
    used = {*taken, *remembered.values()}
    ports: dict[str, int] = {}
    for member in found:
        whose = f"{member.namespace}/{member.service}:{member.port.number}"
        port = remembered.get(member.name) or free_local_port(member.port.number, whose, used)
        used.add(port)
        ports[member.name] = port
    return ports


def forward_of(member: Member, local_port: int, selection: SelectingProfile) -> Forward:
    speaks_http = member.port.name.startswith("http")
    return replace(
        selection.template,
        name=member.name,
        target=Target(Kind.SERVICE, member.service),
        target_port=member.port.number,
        local_port=local_port,
        namespace=member.namespace,
        namespace_is_default=False,
        selected=True,
        type="web" if speaks_http else selection.template.type,
    )


def _is_excluded(name: str, selection: SelectingProfile) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in selection.exclude)
