"""Layers over each other, field by field, each value knowing where it came from. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from kfw.config.tree import Place

T = TypeVar("T")


class Bad:
    """The value of a field that was given and is wrong: said already, so nothing more is said about it."""


BAD = Bad()

#: What a field can hold, as plain data: the canonical way to write it.
Value: TypeAlias = str | int | float | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Leaf:
    value: Value | Bad
    at: Place


@dataclass(frozen=True, slots=True)
class Branch:
    """A block, by canonical keys. `at` is where its key stands in the last file that has it."""

    at: Place
    children: dict[str, "Tree"] = field(default_factory=dict)

    def branch(self, key: str) -> "Branch":
        """The block under `key`; an empty one if there is none."""
        child = self.children.get(key)
        return child if isinstance(child, Branch) else Branch(self.at)

    def leaf(self, key: str) -> Leaf | None:
        child = self.children.get(key)
        return child if isinstance(child, Leaf) else None

    def branches(self) -> Iterator[tuple[str, "Branch"]]:
        return ((key, child) for key, child in self.children.items() if isinstance(child, Branch))

    def value(self, key: str, kind: type[T]) -> T | None:
        """The value under `key` if it is there, is right, and is of this kind."""
        leaf = self.leaf(key)
        return leaf.value if leaf and isinstance(leaf.value, kind) else None

    def is_bad(self, key: str) -> bool:
        leaf = self.leaf(key)
        return leaf is not None and isinstance(leaf.value, Bad)

    def only(self, keys: frozenset[str]) -> "Branch":
        return Branch(self.at, {key: child for key, child in self.children.items() if key in keys})


Tree: TypeAlias = Leaf | Branch


def merge(lower: Branch, *uppers: Branch) -> Branch:
    """Later over earlier; a list is one value and is replaced whole. New keys come after those already there."""
    for upper in uppers:
        lower = _over(lower, upper)
    return lower


def _over(lower: Branch, upper: Branch) -> Branch:
    children = dict(lower.children)
    for key, child in upper.children.items():
        below = children.get(key)
        if isinstance(below, Branch) and isinstance(child, Branch):
            child = _over(below, child)
        children[key] = child
    return Branch(upper.at, children)


def plain(tree: Tree) -> Any:
    """As data for JSON or YAML."""
    if isinstance(tree, Leaf):
        return tree.value
    return {key: plain(child) for key, child in tree.children.items()}


def origins(tree: Tree) -> dict[str, str]:
    """Dotted key -> the layer, file and line that gave its value."""
    return {path: leaf.at.origin for path, leaf in leaves(tree).items()}


def leaves(tree: Tree, path: str = "") -> dict[str, Leaf]:
    """By dotted key."""
    if isinstance(tree, Leaf):
        return {path: tree}
    found: dict[str, Leaf] = {}
    for key, child in tree.children.items():
        found |= leaves(child, f"{path}.{key}" if path else key)
    return found
