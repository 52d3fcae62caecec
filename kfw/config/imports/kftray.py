"""kftray's export: a JSON list of configurations. https://github.com/hcavarsan/kftray, examples/. Pure."""

from kfw.config.imports.found import ImportedForwards, get, items, pairs, plain, port, shown, text
from kfw.config.tree import Node

#: What kfw has in its own way, or says by itself.
_SILENT = (
    "id",
    "is_running",
    "protocol",
    "workload_type",
    "service",
    "target",
    "alias",
    "context",
    "namespace",
)
_MAPPED = (*_SILENT, "local_port", "remote_port", "local_address", "kubeconfig")
_NOTHING = ("", "false", "null", "0")


def looks_like(document: Node) -> bool:
    return any(get(one, "workload_type") or get(one, "remote_port") for one in _all(document))


def _all(document: Node) -> tuple[Node, ...]:
    return items(document) or (document,)


def read(documents: list[Node]) -> ImportedForwards:
    found = ImportedForwards()
    for document in documents:
        for one in _all(document):
            _one(one, found)
    return found


def _one(one: Node, found: ImportedForwards) -> None:
    kind = text(get(one, "workload_type")) or "service"
    named = text(get(one, "target")) or text(get(one, "service"))
    name = text(get(one, "alias")) or named or text(get(one, "remote_address"))
    target = {"service": f"service/{named}", "pod": f"pods/{named}"}.get(kind)
    if target is None:
        found.leave(
            one.at, f"{shown(name)} is of workload_type {shown(kind)}: kfw forwards to what is in the cluster"
        )
        return
    if text(get(one, "protocol")).lower() == "udp":
        found.leave(one.at, f"{shown(name)} is UDP, which no API server forwards")
        return
    notes = [
        f"{key.raw} has no equivalent"
        for key, value in pairs(one)
        if key.raw not in _MAPPED and text(value).lower() not in _NOTHING
    ]
    address = text(get(one, "local_address"))
    entry: dict[str, object] = {
        "target": target,
        "targetPort": port(text(get(one, "remote_port"))),
        "localPort": port(text(get(one, "local_port"))),
        "namespace": text(get(one, "namespace")),
        "context": text(get(one, "context")),
        "kubeconfig": text(get(one, "kubeconfig")).replace("default", ""),
        "address": "" if address in ("127.0.0.1", "localhost") else address,
    }
    found.add(one.at, name, entry, *map(plain, notes))
