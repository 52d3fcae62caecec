"""What a config file may look like: one description that reads the nodes and prints the JSON Schema. Pure."""

import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from typing import Any, Protocol

from kfw.config.merge import BAD, Leaf, Tree, Value
from kfw.config.tree import ConfigProblem, Node, Place, Scalar, Sequence

#: Beyond so many problems a file is something else, and guessing at each key would take long.
_MOST_SUGGESTIONS = 100


class Wrong(Exception):
    """`what` goes after the key ("is 70000"), `fix` is what to write if the shape's own words do not say it."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


@dataclass(slots=True)
class Reading:
    """One file being read. `expand` makes a path of it absolute, or raises ValueError saying why it cannot."""

    expand: Callable[[str], str]
    problems: list[ConfigProblem] = field(default_factory=list)

    def wrong(self, at: Place, what: str, fix: str) -> None:
        self.problems.append(ConfigProblem(at, what, fix))

    def closest(self, word: str, known: Iterable[str]) -> str | None:
        """The known word that was probably meant."""
        if len(self.problems) >= _MOST_SUGGESTIONS or len(word) > 40:
            return None
        by_letters = {_letters(each): each for each in known}
        import difflib

        found = difflib.get_close_matches(_letters(word), by_letters, n=1, cutoff=0.7)
        return by_letters[found[0]] if found else None


class Shape(Protocol):
    def read(self, node: Node, path: str, at: Place, reading: Reading) -> Tree:
        """What `node` says, the problems going to `reading`. `path` is its dotted key, `at` where that key stands."""
        ...

    def json(self, defs: dict[str, Any]) -> dict[str, Any]:
        """As JSON Schema; a block that has a title goes to `defs`."""
        ...


@dataclass(frozen=True)
class One:
    """One scalar. `wants` follows the word "write"; `convert` gives the canonical plain value or raises Wrong."""

    wants: str
    convert: Callable[[Scalar, Reading], Value]
    schema: Table[str, Any]
    nullable: bool = False

    def read(self, node: Node, path: str, at: Place, reading: Reading) -> Leaf:
        try:
            return Leaf(self._value(node, reading), node.at)
        except Wrong as wrong:
            reading.wrong(node.at, f"{path} {wrong.what}", wrong.fix or f"write {self.wants}")
            return Leaf(BAD, node.at)

    def _value(self, node: Node, reading: Reading) -> Value:
        if not isinstance(node, Scalar):
            raise Wrong(f"is {node}")
        if node.kind != "null":
            return self.convert(node, reading)
        if self.nullable:
            return None
        raise Wrong("has no value", f"write {self.wants}, or remove the line")

    def json(self, defs: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [self.schema, {"type": "null"}]} if self.nullable else dict(self.schema)


@dataclass(frozen=True)
class Many:
    """A list of one kind of scalar; with `or_one` a single one may stand without a list."""

    item: One
    wants: str
    or_one: bool = False
    at_least: int = 0
    nullable: bool = False

    def read(self, node: Node, path: str, at: Place, reading: Reading) -> Leaf:
        if isinstance(node, Scalar) and (self.or_one or (self.nullable and node.kind == "null")):
            one = One(self.item.wants, self.item.convert, {}, self.nullable)
            return one.read(node, path, at, reading)
        if not isinstance(node, Sequence):
            reading.wrong(node.at, f"{path} is {node}", f"write {self.wants}")
            return Leaf(BAD, node.at)
        if len(node.items) < self.at_least:
            reading.wrong(node.at, f"{path} is an empty list", f"write {self.wants}")
            return Leaf(BAD, node.at)
        before = len(reading.problems)
        read = [self.item.read(each, f"{path}[{n}]", at, reading) for n, each in enumerate(node.items)]
        values = [leaf.value for leaf in read if isinstance(leaf.value, str)]
        return Leaf(values if len(reading.problems) == before else BAD, node.at)

    def json(self, defs: dict[str, Any]) -> dict[str, Any]:
        many: dict[str, Any] = {"type": "array", "items": self.item.json(defs)}
        if self.at_least:
            many["minItems"] = self.at_least
        if not (self.or_one or self.nullable):
            return many
        return {"anyOf": [many] + self.or_one * [self.item.json(defs)] + self.nullable * [{"type": "null"}]}


def _letters(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
