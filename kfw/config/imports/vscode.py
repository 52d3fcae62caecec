"""The list of the extension "K8s Port Forward Profiles" for VS Code: .vscode/portforward.json. Pure.

Microsoft's own Kubernetes extension forgets its forwards, and writes no list.
"""

from kfw.config.imports.found import ImportedForwards, get, items, port, text
from kfw.config.tree import Node


def looks_like(document: Node) -> bool:
    return any(get(one, "resource") and get(one, "remotePort") for one in items(get(document, "profiles")))


def read(documents: list[Node]) -> ImportedForwards:
    """autoStart and autoReconnect are what kfw does: `kfw up` starts all of them."""
    found = ImportedForwards()
    for document in documents:
        for one in items(get(document, "profiles")):
            address = text(get(one, "localAddress"))
            entry: dict[str, object] = {
                "target": text(get(one, "resource")),
                "targetPort": port(text(get(one, "remotePort"))),
                "localPort": port(text(get(one, "localPort"))),
                "namespace": text(get(one, "namespace")),
                "context": text(get(one, "context")),
                "address": "" if address in ("127.0.0.1", "localhost") else address,
            }
            found.add(one.at, text(get(one, "name")) or text(get(one, "resource")), entry)
    return found
