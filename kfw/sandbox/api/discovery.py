"""What the server tells that is not an object, in its own words: health, /version, /api, /apis (plain and aggregated), and
schemas. Pure.

/openapi/v3 (and v2) has just enough that kubectl finds its kinds, and leaves the checks to the server: kubectl 1.27 and
later ask whether PATCH of a kind takes `fieldValidation`; if so, `--validate` is the server's affair. Without schemas,
`kubectl apply` computes its patches from the types that are compiled into it.
"""

import platform
from collections.abc import Iterable

import msgspec

from kfw.http.messages import Request, Response
from kfw.sandbox.api.errors import no_such_path
from kfw.sandbox.api.kinds import READ_WRITE, RESOURCES, Resource, group_versions
from kfw.sandbox.objects import Object

#: The Kubernetes version that the sandbox behaves like; kubectl warns when it is more than one minor away.
MAJOR, MINOR, PATCH = 1, 33, 0
GIT_VERSION = f"v{MAJOR}.{MINOR}.{PATCH}+kfw-sandbox"

#: The content type of aggregated discovery; kubectl looks at it to know which kind of document came.
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
_EVICTION = {"group": "policy", "version": "v1", "kind": "Eviction"}
_OTHER_KIND: dict[str, Object] = {"scale": _SCALE, "eviction": _EVICTION}
_CONNECT = ("create", "get")
_SUBRESOURCE_VERBS: dict[str, tuple[str, ...]] = {
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
    "log": ("get",),
    "eviction": ("create",),
}
#: Told to everybody, as the real server's role system:public-info-viewer has it.
_PUBLIC = ("healthz", "livez", "readyz", "version")


def version() -> Object:
    return {
        "major": str(MAJOR),
        "minor": str(MINOR),
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2025-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "python",
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }


def api_versions(server: str) -> Object:
    """/api. `server` is host:port of this server."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def api_groups() -> Object:
    """/apis."""
    groups = [api_group(group) for group in _groups()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(group: str) -> Object:
    """/apis/GROUP."""
    version = next(version for name, version in group_versions() if name == group)
    one = {"groupVersion": f"{group}/{version}", "version": version}
    return {"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": [one], "preferredVersion": one}


def resource_list(group: str, version: str) -> Object:
    """/api/v1 and /apis/GROUP/VERSION."""
    entries = [entry for kind in _kinds_of(group) for entry in _entries(kind)]
    group_version = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": entries,
    }


def aggregated(*, core: bool) -> Object:
    """/api (core) and /apis as one document, `APIGroupDiscoveryList` of apidiscovery.k8s.io/v2."""
    wanted = [pair for pair in group_versions() if (pair[0] == "") is core]
    items = [_group_discovery(group, version) for group, version in wanted]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _groups() -> Iterable[str]:
    return (group for group, _ in group_versions() if group)


def _kinds_of(group: str) -> Iterable[Resource]:
    return (kind for kind in RESOURCES if kind.group == group)


def _entries(kind: Resource) -> list[Object]:
    entry: Object = {"name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced}
    entry |= {"kind": kind.kind, "verbs": list(kind.verbs)}
    entry |= {"shortNames": list(kind.short)} if kind.short else {}
    entry |= {"categories": list(kind.categories)} if kind.categories else {}
    return [entry, *(_subentry(kind, name) for name in kind.subresources)]


def _subentry(kind: Resource, name: str) -> Object:
    entry: Object = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced}
    verbs = list(_SUBRESOURCE_VERBS.get(name, _CONNECT))
    return entry | {"kind": kind.kind} | _OTHER_KIND.get(name, {}) | {"verbs": verbs}


def _group_discovery(group: str, version: str) -> Object:
    resources = [_resource_discovery(kind) for kind in _kinds_of(group)]
    versions = [{"version": version, "resources": resources, "freshness": "Current"}]
    metadata = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
    return {"metadata": metadata, "versions": versions}


def _resource_discovery(kind: Resource) -> Object:
    resource: Object = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind, {}),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    resource |= {"shortNames": list(kind.short)} if kind.short else {}
    resource |= {"categories": list(kind.categories)} if kind.categories else {}
    below = [_subresource_discovery(kind, name) for name in kind.subresources]
    return resource | ({"subresources": below} if below else {})


def _subresource_discovery(kind: Resource, name: str) -> Object:
    verbs = list(_SUBRESOURCE_VERBS.get(name, _CONNECT))
    return {
        "subresource": name,
        "responseKind": _response_kind(kind, _OTHER_KIND.get(name, {})),
        "verbs": verbs,
    }


def _response_kind(kind: Resource, other: Object) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind} | other


def openapi(parts: list[str]) -> Object:
    """`parts` of the path after /openapi/. Raises ApiError 404."""
    match parts:
        case ["v2"]:
            return {"swagger": "2.0", "info": _info(), "paths": {}, "definitions": {}}
        case ["v3"]:
            return _index()
        case ["v3", "api", "v1"]:
            return _group("", "v1")
        case ["v3", "apis", group, version] if (group, version) in group_versions():
            return _group(group, version)
    raise no_such_path()


def _info() -> Object:
    return {"title": "Kubernetes", "version": GIT_VERSION}


def _base(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _index() -> Object:
    paths = {
        base: {"serverRelativeURL": f"/openapi/v3/{base}?hash={GIT_VERSION}"}
        for base in (_base(group, version) for group, version in group_versions())
    }
    return {"paths": paths}


def _group(group: str, version: str) -> Object:
    served = [kind for kind in RESOURCES if kind.group == group and kind.verbs is READ_WRITE]
    paths = {_path(kind): {"patch": _patch(kind)} for kind in served}
    return {"openapi": "3.0.0", "info": _info(), "paths": paths, "components": {"schemas": {}}}


def _path(kind: Resource) -> str:
    namespace = "namespaces/{namespace}/" if kind.namespaced else ""
    return f"/{_base(kind.group, kind.version)}/{namespace}{kind.plural}/{{name}}"


def _patch(kind: Resource) -> Object:
    names = ("dryRun", "fieldManager", "fieldValidation", "force")
    return {
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    }


def is_public(path: str) -> bool:
    return path.strip("/").partition("/")[0] in _PUBLIC


def document(request: Request, address: str) -> Response:
    """`address` is host:port of this server. Raises ApiError 404."""
    match request.decoded_path.strip("/").split("/"):
        case ["healthz" | "livez" | "readyz", *_]:
            return Response(200, b"ok", "text/plain; charset=utf-8")
        case ["version"]:
            return _json(version())
        case ["api" | "apis" as root] if "as=APIGroupDiscoveryList" in request.headers.get("accept", ""):
            return _json(aggregated(core=root == "api"), AGGREGATED)
        case ["api"]:
            return _json(api_versions(address))
        case ["apis"]:
            return _json(api_groups())
        case ["api", "v1"]:
            return _json(resource_list("", "v1"))
        case ["apis", group] if _is_served(group):
            return _json(api_group(group))
        case ["apis", group, "v1"] if _is_served(group):
            return _json(resource_list(group, "v1"))
        case ["openapi", *rest]:
            return _json(openapi(rest))
    raise no_such_path()


def _is_served(group: str) -> bool:
    return (group, "v1") in group_versions()


def _json(thing: Object, content_type: str = "application/json") -> Response:
    return Response(200, msgspec.json.encode(thing), content_type)
