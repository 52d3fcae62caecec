"""What an entry of a kubeconfig says, field by field, with the line of what is wrong. Pure.

A number or `yes` where a text is wanted is the text that is written there: kubectl refuses the whole file, and a token
may look like anything. Where true or false is wanted, YAML's words for them count and nothing else, as in kubectl.
Names of fields count as they are written, unknown ones are ignored. Words of errors quote no value.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from kfw.kubeconfig.yaml_tree import (
    BadYaml,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    text_of,
    value_of,
)

#: Where nothing is said: an empty mapping.
_NOTHING = YamlMapping(0)


class Faulty(Exception):
    """A field that cannot be used. `line` counts from 1; 0: no line of its own."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.line = line


class Fields:
    """One mapping. Each question raises Faulty if the value is of another kind; null counts as not there."""

    def __init__(self, node: YamlMapping, name: str) -> None:
        self._node = node
        self._name = name

    @property
    def line(self) -> int:
        return self._node.line

    def line_of(self, key: str) -> int:
        found = self._node.items.get(key)
        return found.line if found else self.line

    def has(self, key: str) -> bool:
        return self._get(key) is not None

    def text(self, key: str) -> str:
        found = self._get(key)
        return "" if found is None else _text(found, key)

    def flag(self, key: str) -> bool:
        found = self._get(key)
        if found is None:
            return False
        truth = found.truth if isinstance(found, YamlScalar) else None
        if truth is None:
            raise Faulty(f"{key} must be true or false, without quotes", found.line)
        return truth

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple("" if _is_null(item) else _text(item, key) for item in self._items(key))

    def data(self, key: str) -> bytes | None:
        """What is written in base64, with line breaks as it may be."""
        text = self.text(key)
        if not text:
            return None
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise Faulty(f"{key} is not base64", self.line_of(key)) from error

    def inside(self, key: str) -> "Fields":
        """Of the mapping that the field holds, an empty one if it holds none."""
        found = self._get(key)
        return Fields(_NOTHING if found is None else _mapping(found, key), key)

    def each(self, key: str) -> Iterator["Fields"]:
        """Of the mappings in the list that the field holds."""
        for item in self._items(key):
            yield Fields(_NOTHING if _is_null(item) else _mapping(item, f"an entry of {key}"), key)

    def mappings(self, key: str) -> Iterator["Fields"]:
        """As `each`, without what is not a mapping."""
        for item in self._items(key):
            if isinstance(item, YamlMapping):
                yield Fields(item, key)

    def names(self) -> tuple[str, ...]:
        return tuple(self._node.items)

    def value(self, key: str) -> Any:
        """As JSON has it; None if it is not there."""
        found = self._get(key)
        try:
            return None if found is None else value_of(found)
        except BadYaml as error:
            raise Faulty(f"{key}: {error.what}", error.line or 0) from error

    def _get(self, key: str) -> YamlNode | None:
        found = self._node.items.get(key)
        return None if found is None or _is_null(found) else found

    def _items(self, key: str) -> list[YamlNode]:
        found = self._get(key)
        if found is None:
            return []
        if not isinstance(found, YamlSequence):
            raise Faulty(f"{key} must be a list, and is {_kind(found)}", found.line)
        return found.items


def _is_null(node: YamlNode) -> bool:
    return isinstance(node, YamlScalar) and node.is_null


def _text(node: YamlNode, key: str) -> str:
    if not isinstance(node, YamlScalar):
        raise Faulty(f"{key} must be a string, and is {_kind(node)}", node.line)
    try:
        return text_of(node)
    except BadYaml as error:
        raise Faulty(f"{key}: {error.what}", node.line) from error


def _mapping(node: YamlNode, key: str) -> YamlMapping:
    if not isinstance(node, YamlMapping):
        raise Faulty(f"{key} must be a mapping, and is {_kind(node)}", node.line)
    return node


def _kind(node: YamlNode) -> str:
    match node:
        case YamlScalar():
            return "a single value"
        case YamlSequence():
            return "a list"
    return "a mapping"
