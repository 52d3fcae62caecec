"""What a config may say and kfw does not do: it is read, kept, and told with its place. Pure.

`tests/config/test_unused.py` proves the table total: a key of the schema either changes what kfw does or stands here.
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import NamedTuple

from kfw.config.merge import Branch, Leaf
from kfw.config.tree import Place

#: Dotted keys, a block standing for all of its keys, and why they have no effect.
KEYS: Mapping[str, str] = {
    "daemon.logFile": "KFW_HOME moves the log",
    "daemon.pidFile": "KFW_HOME moves the pidfile",
    "daemon.socketPath": "KFW_HOME moves the socket",
    "monitoringInterval": "kfw watches the cluster and does not poll",
    "collector.output.logFile": "`kfw collect --every` writes to output.destination",
}


class Unused(NamedTuple):
    """`word`: the key; `what` goes after it."""

    at: Place
    word: str
    what: str

    def __str__(self) -> str:
        return f"{self.at}: {self.word} {self.what}"


def unused(completed: Branch) -> list[Unused]:
    """Each place once, in no order. What is empty, or off by its own `enabled`, says nothing."""
    return list(dict.fromkeys(_without_effect(completed)))


def _without_effect(completed: Branch) -> Iterator[Unused]:
    for path, why in KEYS.items():
        parent, _, key = path.rpartition(".")
        block = reduce(Branch.branch, parent.split("."), completed) if parent else completed
        if at := _said(block, key):
            yield Unused(at, path, f"has no effect: {why}")


def _said(block: Branch, key: str) -> Place | None:
    """Where a file of the user says it."""
    match block.children.get(key):
        case Leaf(value=value, at=at) if value not in (None, ""):
            return at
        case Branch(at=at, children=children) as inner if (
            children and inner.value("enabled", bool) is not False
        ):
            return at
    return None
