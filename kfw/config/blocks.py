"""Mappings in a config file: with known keys (Block), or with names that the user chooses (Named). Pure."""

import re
from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import Any

from kfw.config.merge import BAD, Branch, Leaf, Tree
from kfw.config.shapes import One, Reading, Shape
from kfw.config.tree import Mapping, Node, Place, Scalar, quote, shorten
from kfw.names import usable_name

VARIABLE_PATTERN = r"^(?!KFW_)[A-Za-z_][A-Za-z0-9_]{0,254}$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


@dataclass(frozen=True)
class BlockKey:
    """A key of a block. `stores` is the key its value goes to, if not its own."""

    shape: Shape
    doc: str
    stores: str = ""


@dataclass(frozen=True)
class Block:
    """A mapping with known keys, written in camelCase; snake_case is read as the same key."""

    title: str
    fields: Table[str, BlockKey]

    def read(self, node: Node, path: str, at: Place, reading: Reading) -> Tree:
        if not isinstance(node, Mapping):
            return _no_mapping(
                node, path, at, reading, f"write a mapping, with keys such as {next(iter(self.fields))}"
            )
        block = Branch(at)
        given: dict[str, Place] = {}
        for key, value in node.pairs:
            name = key.raw if key.raw in self.fields else camel(key.raw)
            known = self.fields.get(name)
            if known is None:
                self._unknown(key, path, block, reading)
                continue
            stored = known.stores or name
            full = f"{path}.{name}" if path else name
            if stored in given:
                _twice(key, full, given[stored], reading)
                continue
            given[stored] = key.at
            block.children[stored] = known.shape.read(value, full, key.at, reading)
        return block

    def _unknown(self, key: Scalar, path: str, block: Branch, reading: Reading) -> None:
        inside = f" in {path}" if path else ""
        if key.raw == "<<":
            what = f"the merge key <<{inside} is not supported"
            reading.wrong(key.at, what, "write the keys out, or put common values under defaults")
            return
        meant = reading.closest(key.raw, self.fields)
        fix = f"did you mean {meant}?" if meant else f"known are {', '.join(self.fields)}"
        reading.wrong(key.at, f"unknown key {quote(key.raw)}{inside}", fix)
        if meant:  # so that nobody says that it is missing, too
            block.children.setdefault(self.fields[meant].stores or meant, Leaf(BAD, key.at))

    def json(self, defs: dict[str, Any]) -> dict[str, Any]:
        if self.title not in defs:
            properties: dict[str, Any] = {}
            said = {"type": ["object", "null"], "additionalProperties": False, "properties": properties}
            defs[self.title] = said
            for name, each in self.fields.items():
                properties[name] = {"description": each.doc} | each.shape.json(defs)
            # Patterns, so that an editor takes the other spelling and proposes each key once.
            if others := {snake(name): name for name in self.fields if snake(name) != name}:
                where = self._pointer()
                said["patternProperties"] = {
                    f"^{other}$": {"$ref": f"{where}/properties/{name}"} for other, name in others.items()
                }
        return {"$ref": self._pointer()}

    def _pointer(self) -> str:
        return f"#/$defs/{self.title}"


@dataclass(frozen=True)
class Named:
    """A mapping from names that the user chooses to blocks. `usable`: which signs `pattern` allows, in words."""

    block: Block
    pattern: str = NAME_PATTERN
    usable: str = "lower-case letters, digits and '-'"

    def read(self, node: Node, path: str, at: Place, reading: Reading) -> Tree:
        if not isinstance(node, Mapping):
            return _no_mapping(node, path, at, reading, "write a mapping from names to entries")
        names = Branch(at)
        for key, value in node.pairs:
            full = f"{path}.{shorten(key.raw)}"
            first = names.children.get(key.raw)
            if first:
                _twice(key, full, first.at, reading)
            elif fix := self._bad_name(key):
                reading.wrong(key.at, f"the name {quote(key.raw)} in {path} cannot be used", fix)
            # Read all the same: a wrong name hides no other mistake.
            entry = self.block.read(value, full, key.at, reading)
            names.children[key.raw] = first or entry
        return names

    def json(self, defs: dict[str, Any]) -> dict[str, Any]:
        names = {"pattern": self.pattern}
        return {
            "type": ["object", "null"],
            "propertyNames": names,
            "additionalProperties": self.block.json(defs),
        }

    def _bad_name(self, key: Scalar) -> str:
        if key.kind in ("bool", "null"):
            return f'write "{key.raw}" in quotes, or choose another name'
        if re.fullmatch(self.pattern, key.raw):
            return ""
        usable = usable_name(key.raw)
        example = f", for example {usable}" if usable and re.fullmatch(self.pattern, usable) else ""
        return f"use {self.usable}, at most 63{example}"


@dataclass(frozen=True)
class Variables:
    """A mapping from names of environment variables to one kind of scalar. Their letters stay as they are."""

    item: One

    def read(self, node: Node, path: str, at: Place, reading: Reading) -> Tree:
        if not isinstance(node, Mapping):
            return _no_mapping(node, path, at, reading, "write a mapping from variables to strings")
        found = Branch(at)
        for key, value in node.pairs:
            full = f"{path}.{shorten(key.raw)}"
            if key.raw in found.children:
                _twice(key, full, found.children[key.raw].at, reading)
            elif not re.fullmatch(VARIABLE_PATTERN, key.raw):
                what = f"the name {quote(key.raw)} in {path} cannot be used"
                reading.wrong(key.at, what, "use letters, digits and '_'; KFW_ is for kfw's own")
            else:
                found.children[key.raw] = self.item.read(value, full, key.at, reading)
        return found

    def json(self, defs: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": ["object", "null"],
            "propertyNames": {"pattern": VARIABLE_PATTERN},
            "additionalProperties": self.item.json(defs),
        }


def camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def snake(key: str) -> str:
    return re.sub(r"[A-Z]", lambda capital: "_" + capital[0].lower(), key)


def _no_mapping(node: Node, path: str, at: Place, reading: Reading, fix: str) -> Tree:
    """A key with nothing below it, because all of that is commented out, is an empty block."""
    if isinstance(node, Scalar) and node.kind == "null":
        return Branch(at)
    reading.wrong(node.at, f"{path} is {node}", fix)
    return Leaf(BAD, node.at)


def _twice(key: Scalar, path: str, first: Place, reading: Reading) -> None:
    reading.wrong(key.at, f"{path} is given twice, first in line {first.line}", "keep one of the two")
