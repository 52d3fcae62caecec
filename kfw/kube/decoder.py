"""Lists and watch events.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct, field


class Wire(Struct, frozen=True, rename="camel"):
    """As it is in the API's JSON, as far as kfw reads it."""


class _Meta(Wire, frozen=True):
    resource_version: str = ""


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
    metadata: _Meta


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
    """Reads one kind of object. Raises msgspec.DecodeError (ValidationError is one) for anything else.

    `shape`: a Wire that has `metadata` and `trim()`, which makes what kfw keeps of the object.
    """

    def __init__(self, shape: type[Any]) -> None:
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)
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
