"""What the server tells that is not an object: health, version, discovery, schemas. Pure."""

import msgspec

from kfw.http.messages import Request, Response
from kfw.sandbox.api import discovery, errors, kinds, openapi
from kfw.sandbox.objects import Object

#: Told to everybody, as the real server's role system:public-info-viewer has it.
_PUBLIC = ("healthz", "livez", "readyz", "version")


def is_public(path: str) -> bool:
    return path.strip("/").partition("/")[0] in _PUBLIC


def document(request: Request, address: str) -> Response:
    """`address` is host:port of this server. Raises ApiError 404."""
    match request.decoded_path.strip("/").split("/"):
        case ["healthz" | "livez" | "readyz", *_]:
            return Response(200, b"ok", "text/plain; charset=utf-8")
        case ["version"]:
            return _json(discovery.version())
        case ["api" | "apis" as root] if "as=APIGroupDiscoveryList" in request.headers.get("accept", ""):
            return _json(discovery.aggregated(core=root == "api"), discovery.AGGREGATED)
        case ["api"]:
            return _json(discovery.api_versions(address))
        case ["apis"]:
            return _json(discovery.api_groups())
        case ["api", "v1"]:
            return _json(discovery.resource_list("", "v1"))
        case ["apis", group] if _is_served(group):
            return _json(discovery.api_group(group))
        case ["apis", group, "v1"] if _is_served(group):
            return _json(discovery.resource_list(group, "v1"))
        case ["openapi", *rest]:
            return _json(openapi.document(rest))
    raise errors.no_such_path()


def _is_served(group: str) -> bool:
    return (group, "v1") in kinds.group_versions()


def _json(thing: Object, content_type: str = "application/json") -> Response:
    return Response(200, msgspec.json.encode(thing), content_type)
