"""compose.yaml: `ports` of its services, which become Kubernetes services of these names, as kompose has them.

https://github.com/compose-spec/compose-spec/blob/main/05-services.md#ports. Pure.
"""

import re

from kfw.config.imports.found import ImportedForwards, get, items, pairs, port, shown, text
from kfw.config.tree import Node, Place, Scalar
from kfw.names import usable_name

#: [HOST:]CONTAINER[/PROTOCOL], HOST is [IP:](PORT | RANGE) or IP:
_SHORT = re.compile(
    r"(?:(?:(?P<ip>\[[^\]]*\]|[0-9.]+):)?(?P<host>[0-9]+(?:-[0-9]+)?)?:)?(?P<port>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>\w+))?"
)
_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*(?::?-([^${}]*))?\}|\$[A-Za-z_]\w*")
_MOST = 100


def looks_like(document: Node) -> bool:
    services = [service for _, service in pairs(get(document, "services"))]
    return any(get(one, "image") or get(one, "build") or get(one, "ports") for one in services)


def read(documents: list[Node]) -> ImportedForwards:
    found = ImportedForwards()
    for document in documents:
        for name, service in pairs(get(document, "services")):
            for each in items(get(service, "ports")):
                if isinstance(each, Scalar):
                    _short(name.raw, each, found)
                else:
                    _long(name.raw, each, found)
    return found


def _short(name: str, node: Scalar, found: ImportedForwards) -> None:
    said = _VARIABLE.sub(lambda variable: variable[1] or variable[0], node.raw)
    match = _SHORT.fullmatch(said)
    if not match:
        why = "it has a variable without a default" if "$" in said else "it is not understood"
        found.leave(node.at, f"port {shown(node.raw)} of {shown(name)}: {why}")
        return
    remotes = _range(match["port"])
    locals_ = _range(match["host"]) if match["host"] else [0] * len(remotes)
    if (len(locals_) == 1 and len(remotes) == 1) or len(locals_) == len(remotes) <= _MOST:
        for local, remote in zip(locals_, remotes, strict=True):
            several = f"-{remote}" if len(remotes) > 1 else ""
            _add(
                name,
                f"{name}{several}",
                node.at,
                local,
                remote,
                match["protocol"] or "",
                match["ip"] or "",
                found,
            )
    else:
        found.leave(node.at, f"port {shown(node.raw)} of {shown(name)}: its ranges do not fit")


def _range(said: str) -> list[int]:
    first, _, last = said.partition("-")
    if max(len(first), len(last)) > 5:
        return []
    return list(range(int(first), min(int(last or first), int(first) + _MOST) + 1))


def _long(name: str, node: Node, found: ImportedForwards) -> None:
    local = port(_VARIABLE.sub(lambda variable: variable[1] or variable[0], text(get(node, "published"))))
    remote = port(text(get(node, "target")))
    named = text(get(node, "name"))
    own = f"{name}-{named}" if named else name
    _add(
        name, own, node.at, local or 0, remote, text(get(node, "protocol")), text(get(node, "host_ip")), found
    )


def _add(
    service: str,
    name: str,
    at: Place,
    local: int | str,
    remote: int | str | None,
    protocol: str,
    ip: str,
    found: ImportedForwards,
) -> None:
    if protocol.lower() == "udp":
        found.leave(at, f"port {remote} of {shown(service)} is UDP, which no API server forwards")
        return
    kubernetes = usable_name(service)
    notes = [] if kubernetes == service else [f"the service of {shown(service)} is taken to be {kubernetes}"]
    address = "" if ip in ("", "127.0.0.1", "0.0.0.0") else ip.strip("[]")
    if ip == "0.0.0.0":
        notes.append("compose listens on 0.0.0.0, kfw only on this machine: see `address`")
    entry: dict[str, object] = {
        "target": f"service/{kubernetes}",
        "targetPort": remote,
        "localPort": local,
        "address": address,
    }
    found.add(at, name, entry, *notes)
