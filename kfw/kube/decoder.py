"""Lists and watch events.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from kfw.kube.api_errors import NotUnderstood, TooLarge, is_html, status_of

#: Commas in a page. Each separates two of its parts, so there are no more objects than that; 250 pods have 50,000.
_MOST_PARTS = 300_000
#: Characters of a version, and of the token of the next page: an API server's have some ten and some hundred.
_MOST_VERSION, _MOST_TOKEN = 128, 4096
#: Characters of a name (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/).
_MOST_NAME = 253


class Wire(Struct, frozen=True, rename="camel", gc=False):
    """As it is in the API's JSON, as far as kfw reads it."""


class _Meta(Wire, frozen=True):
    resource_version: str = ""


class _ListMeta(Wire, frozen=True):
    resource_version: str = ""
    continue_: str = field(default="", name="continue")


class _List(Wire, frozen=True):
    metadata: _ListMeta
    kind: str = ""
    items: list[msgspec.Raw] | None = None


class _Event(Wire, frozen=True):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _OnlyMeta(Wire, frozen=True):
    metadata: _Meta


class Page(Struct, frozen=True):
    """A page of a list: `next` is the token of the next one, "" after the last. Each of `items` is read by itself, so
    that only one of them exists untrimmed."""

    items: list[msgspec.Raw]
    version: str
    next: str


class Change(Struct, frozen=True):
    """An event of a watch. `item` is None for a BOOKMARK; for an ERROR it is the Status as it came, in bytes."""

    type: str
    item: Any
    version: str


class Decoder:
    """Reads one kind of object. Raises NotUnderstood for anything else.

    `shape`: a Wire that has `metadata` and `trim()`, which makes what kfw keeps of the object.
    """

    def __init__(self, shape: type[Any]) -> None:
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)
        self._list = msgspec.json.Decoder(_List)
        self._event = msgspec.json.Decoder(_Event)
        self._meta = msgspec.json.Decoder(_OnlyMeta)

    def page(self, body: bytes | bytearray) -> Page:
        """Raises also TooLarge."""
        if body.count(b",") > _MOST_PARTS:
            raise TooLarge("far more objects in one answer than were asked for")
        with _understanding(body):
            page = self._list.decode(body)
        if page.kind and not page.kind.endswith("List"):
            raise NotUnderstood(f"a {page.kind[:60]} instead of a list")
        token = page.metadata.continue_
        if len(token) > _MOST_TOKEN:
            raise NotUnderstood("a list whose token for the next page is longer than any API server's")
        return Page(page.items or [], _version(page.metadata.resource_version), token)

    def item(self, raw: bytes | bytearray | msgspec.Raw) -> Any:
        """An object, trimmed."""
        return self._item(raw)[0]

    def change(self, line: bytes | bytearray) -> Change:
        """One line of a watch. A bookmark's object has only a version (a Pod's even `containers: null`)."""
        with _understanding(line):
            event = self._event.decode(line)
            if event.type == "ERROR":
                return Change(event.type, bytes(event.object), "")
            if event.type == "BOOKMARK":
                version = self._meta.decode(event.object).metadata.resource_version
                return Change(event.type, None, _version(version))
        item, version = self._item(event.object)
        return Change(event.type, item, _version(version))

    def _item(self, raw: bytes | bytearray | msgspec.Raw) -> tuple[Any, str]:
        with _understanding(raw):
            one = self._one.decode(raw)
            if not 0 < len(one.metadata.name) <= _MOST_NAME:
                raise NotUnderstood("an object without a name")
            return one.trim(), one.metadata.resource_version


@contextmanager
def _understanding(said: bytes | bytearray | msgspec.Raw) -> Iterator[None]:
    """What msgspec raises for any bytes: DecodeError, which is a ValueError, or RecursionError for what is too deep."""
    try:
        yield
    except RecursionError as error:
        raise NotUnderstood("JSON that is nested too deep") from error
    except (ValueError, OverflowError) as error:
        raise NotUnderstood(_what_it_is(bytes(said), error)) from error


def _what_it_is(said: bytes, error: Exception) -> str:
    if not said.strip():
        return "an empty answer"
    if is_html(said):
        return "a web page (HTML), as a proxy or a network's login page does"
    status = status_of(said)
    if status.reason and status.message:
        return f"{status.reason}: {status.message}"
    return f"{error}"[:200]


def _version(said: str) -> str:
    if len(said) > _MOST_VERSION:
        raise NotUnderstood("a resourceVersion that is longer than any API server's")
    return said
