"""What an importer finds, and how it looks into files that other programs have checked, or nobody has. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from kfw.config.edit import Entry
from kfw.config.tree import Mapping, Node, Place, Scalar, Sequence, quote, shorten

_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class ImportedForward:
    """`name`: as the other program has it. `entry`: by kfw's keys, in their order. `notes`: for people, in comments.
    `profile`: the set that it belongs to there, which is off until somebody asks for it."""

    at: Place
    name: str
    entry: Entry
    notes: tuple[str, ...] = ()
    profile: str = ""


@dataclass
class ImportedForwards:
    """`left_out`: sentences about what has no equivalent. `defaults`: what holds for all, by kfw's keys; `blocks`: more of a
    kfw.yaml, as text."""

    forwards: list[ImportedForward] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=dict)
    blocks: list[str] = field(default_factory=list)

    def add(self, at: Place, name: str, entry: dict[str, object], *notes: str, profile: str = "") -> None:
        """What is None or "" was not said, and is left away. The values are checked where it is written."""
        said = {key: value for key, value in entry.items() if value not in (None, "", [])}
        self.forwards.append(ImportedForward(at, name, said, notes, profile))  # type: ignore[arg-type]

    def leave(self, at: Place, what: str) -> None:
        self.left_out.append(f"line {at.line}: {what}" if at.line else what)


def pairs(node: Node | None) -> Iterator[tuple[Scalar, Node]]:
    """Of a mapping, each key once: its own ones, then those of its merge keys. Nothing of anything else."""
    if not isinstance(node, Mapping):
        return
    seen = set[str]()
    merged: list[Node] = []
    for key, value in node.pairs:
        if key.raw == "<<":
            merged += value.items if isinstance(value, Sequence) else (value,)
        elif key.raw not in seen:
            seen.add(key.raw)
            yield key, value
    for each in merged:
        yield from ((key, value) for key, value in pairs(each) if key.raw not in seen)


def get(node: Node | None, *path: str) -> Node | None:
    for step in path:
        node = next((value for key, value in pairs(node) if key.raw == step), None)
    return node


def items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else ()


def text(node: Node | None) -> str:
    """As it was written; "" for nothing, and for what is no scalar."""
    return node.raw if isinstance(node, Scalar) and node.kind != "null" else ""


def is_true(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.value is True


def is_false(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.value is False


def port(said: str) -> int | str | None:
    """A number where it is one, else the name; None where nothing is said."""
    return int(said) if _PORT.fullmatch(said) else said or None


def local_and_remote(said: str) -> tuple[int | str | None, int | str | None]:
    """`8080:80`, or `8080` for both."""
    local, colon, remote = said.rpartition(":")
    return (port(local), port(remote)) if colon else (port(remote), port(remote))


def shown(said: str) -> str:
    """In quotes, short, on one line."""
    return quote(said)


def plain(said: str) -> str:
    """Short, on one line: nothing in a comment may end it."""
    return shorten(said, 200)
