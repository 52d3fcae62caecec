"""/openapi/v3 (and v2): just enough that kubectl finds its kinds, and leaves the checks to the server. Pure.

kubectl 1.27 and later ask whether PATCH of a kind takes `fieldValidation`; if so, `--validate` is the server's
affair. Without schemas, `kubectl apply` computes its patches from the types that are compiled into it.
"""

from kfw.sandbox.api.discovery import GIT_VERSION
from kfw.sandbox.api.errors import no_such_path
from kfw.sandbox.api.kinds import READ_WRITE, RESOURCES, Resource, group_versions
from kfw.sandbox.objects import Object


def document(parts: list[str]) -> Object:
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
