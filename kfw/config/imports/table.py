"""The programs whose files kfw can read: how one is recognised, and what makes a kfw.yaml of it. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from kfw.config import importers, yaml_text
from kfw.config.imports import compose, devspace, kftray, kportforward, kubefwd_daemon, skaffold, tilt, vscode
from kfw.config.imports.found import ImportedForwards, get, pairs, port, text
from kfw.config.tree import Mapping as MappingNode
from kfw.config.tree import Node, Place, Unparsable


@dataclass(frozen=True)
class ForeignKind:
    """`words`: what such a file is called. `loads`: kfw reads it as it is, so it is not foreign as a --config."""

    words: str
    looks_like: Callable[[Node], bool]
    read: Callable[[list[Node]], ImportedForwards]
    loads: bool = False


def _kudev(documents: list[Node]) -> ImportedForwards:
    found = ImportedForwards()
    for document in documents:
        if isinstance(document, MappingNode):
            for name, forward in pairs(get(importers.kudev(document), "portForwards")):
                said: dict[str, object] = {key.raw: text(value) for key, value in pairs(forward)}
                said |= {key: port(str(said[key])) for key in ("targetPort", "localPort")}
                found.add(name.at, name.raw, said)
    return found


#: By the word after --from. What is recognised first comes first.
FILES: Mapping[str, ForeignKind] = {
    "skaffold": ForeignKind("a skaffold file", skaffold.looks_like, skaffold.read),
    "devspace": ForeignKind("a DevSpace file", devspace.looks_like, devspace.read),
    "kudev": ForeignKind(
        "a kudev file",
        lambda one: isinstance(one, MappingNode) and importers.is_kudev(one),
        _kudev,
        loads=True,
    ),
    "vscode": ForeignKind("a list of VS Code's K8s Port Forward Profiles", vscode.looks_like, vscode.read),
    "kftray": ForeignKind("a kftray export", kftray.looks_like, kftray.read),
    "compose": ForeignKind("a compose file", compose.looks_like, compose.read),
    "kubefwd-daemon": ForeignKind(
        "a config of the daemon for kubefwd", kubefwd_daemon.looks_like, kubefwd_daemon.read, loads=True
    ),
    "kportforward": ForeignKind(
        "a kportforward file", kportforward.looks_like, kportforward.read, loads=True
    ),
}
#: Besides, what is not YAML, and what is not a file.
TILT, K9S = "tilt", "k9s"


def kind_of(documents: list[Node]) -> str:
    """Its key in FILES, "" if it is none of them."""
    return next((name for name, kind in FILES.items() if any(map(kind.looks_like, documents))), "")


def is_tiltfile(name: str) -> bool:
    path = PurePath(name)
    return path.name.startswith("Tiltfile") or path.suffix in (".tilt", ".tiltfile")


def named_foreign(source: str, at: Place) -> str:
    """`a skaffold file`: what somebody has given as a config of kfw; "" for what is not known, or loads as it is."""
    if is_tiltfile(at.file):
        return "a Tiltfile"
    try:
        kind = FILES.get(kind_of(documents(source, at)))
    except Unparsable:
        return ""
    return kind.words if kind and not kind.loads else ""


def documents(source: str, at: Place) -> list[Node]:
    """YAML, JSON, or JSON with comments as VS Code has it. The loader's limits hold. Raises Unparsable."""
    return yaml_text.parse_all(_without_comments(source) if _JSON.match(source) else source, at)


def read(source: str, kind: str, at: Place) -> ImportedForwards:
    """`kind`: one of FILES, or TILT. Raises Unparsable."""
    return tilt.read(source, at) if kind == TILT else FILES[kind].read(documents(source, at))


_JSON = re.compile(r"(?:\s|//[^\n]*\n|/\*.*?\*/)*[{\[]", re.S)
_IN_JSON = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/|\t', re.S)


def _without_comments(source: str) -> str:
    """Spaces in their place, and in that of tabs, which YAML does not take: so all places stay."""

    def replaced(found: re.Match[str]) -> str:
        said = found[0]
        return said if said[0] == '"' else re.sub(r"[^\n]", " ", said)

    return _IN_JSON.sub(replaced, source)
