"""What a PUT or PATCH asks for, as a function from the object as it is to the object as it shall be. Pure."""

from functools import partial
from typing import Any

import msgspec

from kfw.http.messages import Request
from kfw.sandbox.api import protobuf
from kfw.sandbox.api.apply import applied
from kfw.sandbox.api.errors import bad_request, unsupported_media
from kfw.sandbox.api.jsonpatch import json_patched
from kfw.sandbox.api.kinds import Resource
from kfw.sandbox.api.patch import merged, strategic
from kfw.sandbox.api.verbs import Edit
from kfw.sandbox.objects import Object

APPLY = "application/apply-patch+yaml"


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "application/json").partition(";")[0].strip()


def decoded(body: bytes) -> Any:
    """JSON, or YAML where it is not JSON. Raises ApiError 400."""
    try:
        return msgspec.json.decode(body or b"{}")
    except msgspec.DecodeError:
        return _yaml(body)


def _yaml(body: bytes) -> Any:
    import yaml  # only few clients send it, and the sandbox is to stay small

    try:
        return yaml.safe_load(body)
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise bad_request(f"the body of the request is neither JSON nor YAML: {problem}") from problem


def decoded_object(body: bytes) -> Object:
    """Raises ApiError 400, 415."""
    thing = protobuf.decoded(body) if body.startswith(protobuf.MAGIC) else decoded(body)
    if not isinstance(thing, dict):
        raise bad_request(f"the body of the request is a {type(thing).__name__}, expected an object")
    return thing


def edit_of(doing: str, resource: Resource, request: Request, now: float) -> Edit:
    """`doing` is update or patch. Raises ApiError 400 or 415."""
    if doing == "update":
        whole = decoded_object(request.body)
        return lambda _: whole
    match media_type(request):
        case "application/json-patch+json":
            return partial(_json_patched, decoded(request.body))
        case "application/merge-patch+json":
            return partial(_merged, decoded_object(request.body))
        case "application/strategic-merge-patch+json":
            patch = decoded_object(request.body)
            return lambda before: strategic(before, patch)
        case "application/apply-patch+yaml":
            return _apply(request, now)
    raise unsupported_media(media_type(request))


def _json_patched(operations: Any, before: Object) -> Object:
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    return json_patched(before, operations)


def _merged(patch: Object, before: Object) -> Object:
    result: Object = merged(before, patch)
    return result


def _apply(request: Request, now: float) -> Edit:
    manager = request.query.get("fieldManager", "")
    if not manager:
        raise bad_request("PatchOptions.fieldManager: Required value: is required for apply patch")
    wanted, force = decoded_object(request.body), request.query.get("force") == "true"
    return lambda before: applied(before, wanted, manager, force=force, now=now)
