"""What a cluster has, as the text of a kfw.yaml: each TCP port of each service is a forward. Pure.

Names and local ports follow from the services alone, so that the same cluster gives the same file: the first port has the
service's name, the others that and their own; where two namespaces have it, the namespace is appended.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kfw.choices import free_local_port

#: A plain word in YAML, which needs no quotes: it begins with a letter, and is none that means something else.
_PLAIN = re.compile(r"[A-Za-z][\w./-]*")
_MEANS_SOMETHING = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
#: Characters of a name.
_LONGEST = 63


@dataclass(frozen=True)
class FoundPort:
    """`why_not`: it stands in the file, and is not started: `no pod is ready`. `number` and `name` are the service's."""

    namespace: str
    service: str
    number: int
    name: str = ""
    is_first: bool = True
    why_not: str = ""


def config_text(
    where: Mapping[str, str], found: Sequence[FoundPort], remarks: Sequence[str], when: str
) -> str:
    """`where`: the defaults, of which `context` is one. `remarks`: sentences about what is no forward. `when`: a date."""
    lines = [
        f"# What context {_in_comment(where['context'])} had on {when}, written by kfw init --from-cluster.",
        "#",
        "# kfw up starts these forwards. Change names and local ports as you like, and delete what you do not need.",
        "# kfw config check finds mistakes; docs/configuration.md explains every key.",
        *(f"# {_in_comment(one)}" for one in remarks),
        "",
        "defaults:",
        *(f"  {key}: {_text(value)}" for key, value in where.items()),
        "",
        "portForwards:",
        *_forwards(found),
    ]
    return "\n".join(lines) + "\n"


def _forwards(found: Sequence[FoundPort]) -> Iterator[str]:
    names, ports = forward_names(found), local_ports(found)
    namespace = ""
    for one in found:
        if one.namespace != namespace:
            namespace = one.namespace
            yield f"  # namespace {_in_comment(namespace)}"
        yield f"  {names[one]}:"
        yield f"    target: {_text(f'service/{one.service}')}"
        yield f"    targetPort: {one.number}{f'  # {_in_comment(one.name)}' if one.name else ''}"
        yield f"    localPort: {ports[one]}"
        yield f"    namespace: {_text(one.namespace)}"
        if one.name.startswith("http"):
            yield "    type: web"
        if one.why_not:
            yield f"    enabled: false  # {_in_comment(one.why_not)}"


def forward_names(found: Sequence[FoundPort]) -> Mapping[FoundPort, str]:
    """Each is one that a config takes, and no two are alike."""
    in_namespaces = Counter((one.service, one.number) for one in found)
    names: dict[FoundPort, str] = {}
    used = set[str]()
    for one in found:
        which = "" if one.is_first else f"-{one.name or one.number}"
        after = f"-{one.namespace}" if in_namespaces[one.service, one.number] > 1 else ""
        name = _as_name(f"{one.service}{which}{after}")
        if name in used:
            name = _as_name(f"{one.service}-{one.number}-{one.namespace}")
        names[one] = next(each for each in _numbered(name) if each not in used)
        used.add(names[one])
    return names


def local_ports(found: Sequence[FoundPort]) -> Mapping[FoundPort, int]:
    """As for a profile that selects. What is started goes first."""
    used = set[int]()
    ports: dict[FoundPort, int] = {}
    for one in sorted(found, key=lambda one: bool(one.why_not)):
        ports[one] = free_local_port(one.number, f"{one.namespace}/{one.service}:{one.number}", used)
        used.add(ports[one])
    return ports


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", text.lower())[:_LONGEST].strip("-") or "service"


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name[: _LONGEST - len(str(number)) - 1]}-{number}"
        number += 1


def _text(text: str) -> str:
    """In quotes where YAML would take it for something else."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _MEANS_SOMETHING
    return text if plain else json.dumps(text)


def _in_comment(text: str) -> str:
    """On one line, whatever a cluster calls its things."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
