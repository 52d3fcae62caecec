"""From a path to what it names. Pure."""

from dataclasses import dataclass

from kfw.sandbox.api import kinds


@dataclass(frozen=True)
class Route:
    """`name` empty: the collection; `namespace` empty: all namespaces, or a kind without any."""

    resource: kinds.Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def route(path: str) -> Route | None:
    """/api/v1/... and /apis/GROUP/VERSION/...; None for a path that names no kind which is served."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            return _within("", version, rest)
        case ["apis", group, version, *rest]:
            return _within(group, version, rest)
    return None


def _within(group: str, version: str, parts: list[str]) -> Route | None:
    match parts:
        # /namespaces/x/status is the namespace's own; every other third part is a kind in that namespace
        case ["namespaces", namespace, plural, *rest] if plural not in ("status", "finalize"):
            resource = kinds.find(group, version, plural)
            return _route(resource, namespace, rest) if resource and resource.namespaced else None
        case [plural, *rest]:
            resource = kinds.find(group, version, plural)
            if resource is None or (resource.namespaced and rest):
                return None
            return _route(resource, "", rest)
    return None


def _route(resource: kinds.Resource, namespace: str, rest: list[str]) -> Route | None:
    match rest:
        case []:
            return Route(resource, namespace)
        case [name]:
            return Route(resource, namespace, name)
        case [name, subresource] if subresource in resource.subresources:
            return Route(resource, namespace, name, subresource)
    return None


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def verb(method: str, route: Route, *, watching: bool) -> str:
    """The API's verb for an HTTP method, as access rules name it; empty for a method that has none."""
    if method in ("GET", "HEAD"):
        return "get" if route.name else "watch" if watching else "list"
    if method == "DELETE":
        return "delete" if route.name else "deletecollection"
    return _VERBS.get(method, "")
