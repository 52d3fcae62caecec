"""What controllers may ask for, and what they may look at. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kfw.sandbox.api.kinds import Resource
from kfw.sandbox.objects import Object


class View(Protocol):
    """The cluster as it is."""

    def list(self, resource: Resource, namespace: str = "") -> "list[Object]": ...

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None: ...


@dataclass(frozen=True)
class Create:
    resource: Resource
    thing: Object


@dataclass(frozen=True)
class Replace:
    resource: Resource
    thing: Object


@dataclass(frozen=True)
class Delete:
    """As a user's delete: a pod gets its grace. `at_once` removes what only waits to be removed."""

    resource: Resource
    thing: Object
    at_once: bool = False


@dataclass(frozen=True)
class Note:
    """An Event object about `thing`; `component` is who says it."""

    thing: Object
    reason: str
    message: str
    component: str
    type: str = "Normal"


Action = Create | Replace | Delete | Note
Actions = Iterator[Action]
