"""devspace.yaml: `dev.NAME.ports` of v2beta1, `dev.ports` of v1beta11 and before. https://devspace.sh/docs. Pure."""

from kfw.config.imports.found import ImportedForwards, get, items, local_and_remote, pairs, port, shown, text
from kfw.config.tree import Node, Scalar


def looks_like(document: Node) -> bool:
    return text(get(document, "version")).startswith(("v1beta", "v2beta")) and (
        get(document, "dev") is not None or get(document, "deployments") is not None
    )


def read(documents: list[Node]) -> ImportedForwards:
    found = ImportedForwards()
    for document in documents:
        old = items(get(document, "dev", "ports"))
        for one in old:
            _pod(text(get(one, "name")), one, _old_ports(one), found)
        if not old:
            for name, one in pairs(get(document, "dev")):
                _pod(name.raw, one, _ports(one), found)
        if get(document, "profiles"):
            found.leave(
                document.at, "profiles: they change the rest of the file, run `devspace print -p NAME` first"
            )
    return found


#: Local, remote, address to listen on.
_Ports = list[tuple[int | str | None, int | str | None, str]]


def _ports(one: Node) -> _Ports:
    return [
        (*local_and_remote(text(get(each, "port"))), text(get(each, "bindAddress")))
        for each in items(get(one, "ports"))
    ]


def _old_ports(one: Node) -> _Ports:
    found: _Ports = []
    for each in items(get(one, "forward")):
        local = port(text(get(each, "port")))
        found.append((local, port(text(get(each, "remotePort"))) or local, text(get(each, "bindAddress"))))
    return found


def _pod(name: str, one: Node, ports: _Ports, found: ImportedForwards) -> None:
    """Without a name it is called after its labels."""
    if not ports:
        return
    labels = [(key.raw, text(value)) for key, value in pairs(get(one, "labelSelector"))]
    if not labels:
        image = text(get(one, "imageSelector"))
        why = f"it is found by its image {shown(image)}" if image else "it has no labelSelector"
        found.leave(one.at, f"the ports of {shown(name or 'dev')}: {why}; name its deployment, or its labels")
        return
    target = "pods/" + ",".join(f"{key}={value}" for key, value in labels)
    for local, remote, address in ports:
        entry: dict[str, object] = {
            "target": target,
            "targetPort": remote,
            "localPort": local,
            "namespace": text(get(one, "namespace")),
            "address": address,
        }
        several = f"-{remote}" if len(ports) > 1 else ""
        found.add(one.at, f"{name or labels[0][1]}{several}", entry)
    if isinstance(get(one, "reversePorts"), Scalar) or items(get(one, "reversePorts")):
        found.leave(one.at, f"reversePorts of {shown(name)}: kfw forwards in one direction")
