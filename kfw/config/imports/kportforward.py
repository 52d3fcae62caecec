"""kportforward's config.yaml: kfw's keys, but any names. https://github.com/catio-tech/kportforward. Pure."""

from kfw.config.blocks import camel
from kfw.config.imports.found import ImportedForwards, get, is_true, pairs, port, text
from kfw.config.tree import Node

_TEXTS = ("target", "namespace", "type", "apiPath", "swaggerPath")
_PORTS = ("targetPort", "localPort")


def looks_like(document: Node) -> bool:
    """As kfw's own files do, which may be read as one."""
    return any(True for _ in pairs(get(document, "portForwards")))


def read(documents: list[Node]) -> ImportedForwards:
    found = ImportedForwards(defaults={"onPortInUse": "next"})  # it takes the next free port
    for document in documents:
        for name, node in pairs(get(document, "portForwards")):
            said = {camel(each.raw): value for each, value in pairs(node)}
            entry: dict[str, object] = {
                key: port(text(value)) if key in _PORTS else text(value)
                for key, value in said.items()
                if key in (*_TEXTS, *_PORTS)
            }
            if is_true(said.get("disabled")):
                entry["enabled"] = False
            for unknown in sorted(said.keys() - {*_TEXTS, *_PORTS, "disabled"}):
                found.leave(name.at, f"{unknown} of {name.raw}")
            found.add(name.at, name.raw, entry)
        for key, _ in pairs(document):
            if key.raw not in ("portForwards", "collector"):
                found.leave(key.at, f"{key.raw}: kfw has no such setting")
            elif key.raw == "collector":
                found.leave(
                    key.at,
                    "collector: copy the block as it is if you use it; `kfw collect --every 1h` runs it",
                )
    return found
