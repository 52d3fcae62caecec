"""Config files of other programs, turned into kfw's own shape before they are checked. Pure.

kudev (seed 003): `.kudev.yaml`, apiVersion kudev.io/v1alpha1, kind DeploymentConfig. Its one app becomes one forward
to the service of the same name; what kudev needs to build and deploy is left alone.
"""

from kfw.config.tree import Mapping, Node, Place, Scalar, Unparsable, quote, text_at

_GROUP = "kudev.io/"
_VERSION = "v1alpha1"
_KIND = "DeploymentConfig"
#: kudev's default for the service's port and the local one.
_PORT = 8080


def is_kudev(document: Mapping) -> bool:
    version = document.get("apiVersion")
    return isinstance(version, Scalar) and version.raw.startswith(_GROUP)


def kudev(document: Mapping) -> Mapping:
    """The forward of a kudev project, its values still standing where they were written. Raises Unparsable."""
    _is_known(document, "apiVersion", _GROUP + _VERSION)
    _is_known(document, "kind", _KIND)
    spec = document.get("spec")
    at = spec.at if spec else document.at
    wanted = spec if isinstance(spec, Mapping) else Mapping(at, ())
    name = _name(document)
    forward = Mapping(
        name.at,
        (
            (text_at(name.at, "target"), text_at(name.at, f"service/{name.raw}")),
            *_renamed(wanted, "servicePort", "targetPort", Scalar(at, "int", _PORT, str(_PORT))),
            *_renamed(wanted, "localPort", "localPort", Scalar(at, "int", _PORT, str(_PORT))),
            *_renamed(wanted, "namespace", "namespace", text_at(at, "default")),
            *_renamed(wanted, "kubeContext", "context", None),
        ),
    )
    named = Mapping(name.at, ((name, forward),))
    return Mapping(document.at, ((text_at(document.at, "portForwards"), named),))


def _is_known(document: Mapping, key: str, known: str) -> None:
    node = document.get(key)
    if not isinstance(node, Scalar) or node.raw != known:
        place = node.at if node else document.at
        found = quote(node.raw) if isinstance(node, Scalar) else "missing"
        raise Unparsable(place, f"{key} is {found}", f"kfw reads {key}: {known}")


def _name(document: Mapping) -> Scalar:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if isinstance(name, Scalar) and name.kind != "null":
        return name
    place: Place = metadata.at if metadata else document.at
    raise Unparsable(place, "metadata.name is missing", "write the name of the app")


def _renamed(spec: Mapping, key: str, ours: str, default: Node | None) -> tuple[tuple[Scalar, Node], ...]:
    found = tuple((Scalar(name.at, "text", ours, ours), node) for name, node in spec.pairs if name.raw == key)
    if found or default is None:
        return found
    return ((text_at(default.at, ours), default),)
