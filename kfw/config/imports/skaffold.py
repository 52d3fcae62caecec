"""skaffold.yaml: `portForward` of the pipeline and of its profiles. https://skaffold.dev/docs/references/yaml/. Pure."""

from kfw.choices import kind_named
from kfw.config.imports.found import ImportedForwards, get, items, pairs, port, shown, text
from kfw.config.tree import Node
from kfw.model import NAMED_KINDS


def looks_like(document: Node) -> bool:
    return text(get(document, "apiVersion")).startswith("skaffold/")


def read(documents: list[Node]) -> ImportedForwards:
    found = ImportedForwards(defaults={"onPortInUse": "next"})  # it takes another port when one is taken
    for document in documents:
        if get(document, "requires"):
            found.leave(document.at, "requires: also import the files that it names")
        for one in items(get(document, "portForward")):
            _one(one, found, "")
        for profile in items(get(document, "profiles")):
            name = text(get(profile, "name"))
            for one in items(get(profile, "portForward")):
                _one(one, found, name)
            if any("portForward" in text(get(patch, "path")) for patch in items(get(profile, "patches"))):
                found.leave(profile.at, f"patches of portForward in profile {shown(name)}")
    return found


def _one(one: Node, found: ImportedForwards, profile: str) -> None:
    kind, name = text(get(one, "resourceType")).lower(), text(get(one, "resourceName"))
    known = kind_named(kind)
    if known not in NAMED_KINDS:
        found.leave(one.at, f"{shown(name)} is a {shown(kind)}, which kfw does not forward to")
        return
    remote = port(text(get(one, "port")))
    address = text(get(one, "address"))
    entry: dict[str, object] = {
        "target": f"{known}/{name}",
        "targetPort": remote,
        "localPort": port(text(get(one, "localPort"))) or (remote if isinstance(remote, int) else None),
        "namespace": text(get(one, "namespace")),
        "address": "" if address in ("127.0.0.1", "localhost") else address,
    }
    unknown = [key.raw for key, _ in pairs(one) if key.raw not in _KEYS]
    found.add(one.at, name, entry, *(f"{shown(key)} has no equivalent" for key in unknown), profile=profile)


_KEYS = ("resourceType", "resourceName", "namespace", "port", "localPort", "address")
