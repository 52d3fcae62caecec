"""Short ways to write objects in tests."""

from typing import Any

from kfw.model import Target
from kfw.target.objects import (
    ContainerPort,
    EndpointSlice,
    Node,
    Objects,
    Owner,
    Pod,
    Selector,
    Service,
    ServicePort,
    SliceEndpoint,
    SlicePort,
    Workload,
)

WEB = {"app": "web"}


def pod(name: str, *, ready: bool = True, why: str = "", owner: Owner | None = None, **more: Any) -> Pod:
    more.setdefault("labels", WEB)
    more.setdefault("ports", (ContainerPort(8080, "http"),))
    more.setdefault("running", True)
    return Pod(
        name=name,
        ready=ready and not why,
        why=why or ("" if ready else "container app runs, its readiness probe has not succeeded"),
        owner=owner,
        ip=more.pop("ip", "10.0.0.1"),
        **more,
    )


def service(*ports: ServicePort, name: str = "web", **more: Any) -> Service:
    more.setdefault("selector", Selector(WEB))
    return Service(name=name, ports=ports or (http(),), **more)


def http(**more: Any) -> ServicePort:
    return ServicePort(**{"number": 80, "name": "web", "target": "http", **more})


def part(*endpoints: SliceEndpoint, name: str = "web-1", service: str = "web", **more: Any) -> EndpointSlice:
    """A slice of endpoints."""
    more.setdefault("ports", (SlicePort(8080, "web"),))
    return EndpointSlice(name=name, service=service, endpoints=endpoints, **more)


def at(
    pod: str, *, ready: bool = True, terminating: bool = False, node: str = "", address: str = "10.0.0.1"
) -> SliceEndpoint:
    return SliceEndpoint(address=address, pod=pod, node=node, ready=ready, terminating=terminating)


def workload(name: str, *, uid: str = "", owner: Owner | None = None, **more: Any) -> Workload:
    more.setdefault("selector", Selector(WEB))
    more.setdefault("replicas", 1)
    return Workload(name=name, uid=uid or f"uid-{name}", owner=owner, **more)


def owner(kind: str, name: str, uid: str = "") -> Owner:
    return Owner(kind, name, uid or f"uid-{name}")


def node(name: str, *addresses: str, ready: bool = True) -> Node:
    return Node(name, ready, addresses)


def world(**kinds: Any) -> Objects:
    """`world(services=[...], denied={...})`: what is not named is not known."""
    told = {key: value for key, value in kinds.items() if not isinstance(value, list)}
    listed = {
        key: {one.name: one for one in value} for key, value in kinds.items() if isinstance(value, list)
    }
    return Objects(**{"context": "kind-dev", "namespace": "shop", **told, **listed})


def target(text: str) -> Target:
    return Target.parse(text)
