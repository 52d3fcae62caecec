"""Lists and watch events.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from kfw.cluster.decode.meta import Meta, Wire
from kfw.cluster.decode.pod import Pod
from kfw.cluster.decode.service import EndpointSlice, Service
from kfw.cluster.decode.workload import Node, Workload
from kfw.cluster.objects import Resource

_WIRE: dict[str, Any] = {
    "services": Service,
    "endpointslices": EndpointSlice,
    "pods": Pod,
    "deployments": Workload,
    "replicasets": Workload,
    "statefulsets": Workload,
    "daemonsets": Workload,
    "nodes": Node,
}


class _ListMeta(Wire, frozen=True):
    resource_version: str = ""
    continue_: str = field(default="", name="continue")


class _List(Wire, frozen=True):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(Wire, frozen=True):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _OnlyMeta(Wire, frozen=True):
    metadata: Meta


class Page(Struct, frozen=True):
    """A page of a list: `next` is the token of the next one, "" after the last."""

    items: list[Any]
    version: str
    next: str


class Change(Struct, frozen=True):
    """An event of a watch. `item` is None for a BOOKMARK; for an ERROR it is the Status as it came, in bytes."""

    type: str
    item: Any
    version: str


class Decoder:
    """Reads one kind of object. Raises msgspec.DecodeError (ValidationError is one) for anything else."""

    def __init__(self, resource: Resource) -> None:
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_WIRE[resource.name])
        self._list = msgspec.json.Decoder(_List)
        self._event = msgspec.json.Decoder(_Event)
        self._meta = msgspec.json.Decoder(_OnlyMeta)

    def page(self, body: bytes) -> Page:
        """Item by item, so that only one of them exists untrimmed."""
        page = self._list.decode(body)
        items = [self._one.decode(item).trim() for item in page.items or ()]
        return Page(items, page.metadata.resource_version, page.metadata.continue_)

    def change(self, line: bytes | bytearray) -> Change:
        """One line of a watch. A bookmark's object has only a version (a Pod's even `containers: null`)."""
        event = self._event.decode(line)
        if event.type == "ERROR":
            return Change(event.type, bytes(event.object), "")
        if event.type == "BOOKMARK":
            return Change(event.type, None, self._meta.decode(event.object).metadata.resource_version)
        item = self._one.decode(event.object)
        return Change(event.type, item.trim(), item.metadata.resource_version)
