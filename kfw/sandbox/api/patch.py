"""What a PUT or PATCH asks for, as a function from the object as it is to the object as it shall be. Pure.

Merge patch (RFC 7386), JSON patch (RFC 6902; `kubectl rollout undo` sends one), and strategic merge patch, which follows the
merge keys of the Go types (`patchMergeKey`), for the served kinds; and the subresource scale of workloads.
"""

from functools import partial
from typing import Any

import msgspec

from kfw.http.messages import Request
from kfw.sandbox.api import protobuf
from kfw.sandbox.api.errors import ApiError, bad_request, unsupported_patch
from kfw.sandbox.api.verbs import Edit
from kfw.sandbox.objects import Object

#: Lists whose elements are known by a key; any other list is replaced as a whole.
MERGE_KEYS: dict[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "hostAliases": "ip",
    "conditions": "type",
    "taints": "key",
    "ownerReferences": "uid",
}
#: Lists of plain values that are sets.
_SETS = {"finalizers"}
#: What a PATCH may be. Not among them `application/apply-patch+yaml`: kubectl then says that this server has no
#: server-side apply, and needs it for nothing else.
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def merge_key(field: str, elements: list[Any]) -> str | None:
    """The key of the list `field`; `ports` are known by containerPort in containers, by port in services."""
    if field == "ports":
        objects = [one for one in elements if isinstance(one, dict)]
        return "containerPort" if any("containerPort" in one for one in objects) else "port"
    return MERGE_KEYS.get(field)


def merge_patch(before: Any, patch: Any) -> Any:
    """Merge patch: null removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic(before: Object, patch: Object) -> Object:
    """Strategic merge patch, with `$patch`, `$deleteFromPrimitiveList`, `$setElementOrder` and `$retainKeys`."""
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(before)
    if (retained := patch.get("$retainKeys")) is not None:
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        if key.startswith("$"):
            _directive(result, key, value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = _strategic_value(key, result.get(key), value)
    _order(result, patch)
    return result


def _strategic_value(field: str, before: Any, patch: Any) -> Any:
    if isinstance(patch, dict):
        return strategic(before if isinstance(before, dict) else {}, patch)
    if isinstance(patch, list):
        present = before if isinstance(before, list) else []
        if field in _SETS:
            return [*present, *(one for one in patch if one not in present)]
        if key := merge_key(field, [*present, *patch]):
            return _merge_list(present, patch, key)
    return patch


def _merge_list(before: list[Any], patch: list[Any], key: str) -> list[Any]:
    if any(one.get("$patch") == "replace" for one in patch):
        return [one for one in patch if "$patch" not in one]
    result = list(before)
    for one in patch:
        if key not in one:
            raise bad_request(f"map does not contain key {key}")
        places = [place for place, present in enumerate(result) if present.get(key) == one[key]]
        if one.get("$patch") == "delete":
            result = [present for present in result if present.get(key) != one[key]]
        elif places:
            result[places[0]] = strategic(result[places[0]], one)
        else:
            result.append(strategic({}, one))
    return result


def _directive(result: Object, key: str, value: Any) -> None:
    if field := _after(key, "$deleteFromPrimitiveList/"):
        result[field] = [one for one in result.get(field) or [] if one not in value]


def _after(text: str, prefix: str) -> str:
    return text.removeprefix(prefix) if text.startswith(prefix) else ""


def _order(result: Object, patch: Object) -> None:
    """`$setElementOrder/FIELD` names the elements in their order; those it does not name come last."""
    for key, wanted in patch.items():
        field = _after(key, "$setElementOrder/")
        elements = result.get(field)
        if not field or not isinstance(elements, list):
            continue
        name = merge_key(field, elements)
        places = {_place(one, name): place for place, one in enumerate(wanted)}
        last = len(places)
        result[field] = sorted(elements, key=lambda one: places.get(_place(one, name), last))


def _place(element: Any, key: str | None) -> Any:
    return element.get(key) if key and isinstance(element, dict) else element


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "application/json").partition(";")[0].strip()


def decode(body: bytes) -> Any:
    """Raises ApiError 400. YAML is what kubectl reads from people, and it sends JSON."""
    try:
        return msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise bad_request(f"the body of the request is not JSON: {problem}") from problem


def decode_object(body: bytes) -> Object:
    """Raises ApiError 400, 415."""
    thing = protobuf.decode(body) if body.startswith(protobuf.MAGIC) else decode(body)
    if not isinstance(thing, dict):
        raise bad_request(f"the body of the request is a {type(thing).__name__}, expected an object")
    return thing


def edit_of(doing: str, request: Request) -> Edit:
    """`doing` is update or patch. Raises ApiError 400 or 415."""
    if doing == "update":
        whole = decode_object(request.body)
        return lambda _: whole
    match media_type(request):
        case "application/json-patch+json":
            return partial(_apply_json_patch, decode(request.body))
        case "application/merge-patch+json":
            return partial(_apply_merge_patch, decode_object(request.body))
        case "application/strategic-merge-patch+json":
            patch = decode_object(request.body)
            return lambda before: strategic(before, patch)
    raise unsupported_patch(PATCHES)


def _apply_json_patch(operations: Any, before: Object) -> Object:
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    return json_patch(before, operations)


def _apply_merge_patch(patch: Object, before: Object) -> Object:
    result: Object = merge_patch(before, patch)
    return result


def json_patch(before: Object, operations: list[Object]) -> Object:
    """JSON patch. Raises ApiError 422 for a test that fails or a path that is not there."""
    result: Any = before
    for operation in operations:
        result = _operate(result, operation)
    if not isinstance(result, dict):
        raise bad_request("a JSON patch must leave an object")
    return result


def _operate(whole: Any, operation: Object) -> Any:
    kind, path = operation.get("op"), _steps(str(operation.get("path", "")))
    match kind:
        case "add" | "replace":
            return _put(whole, path, operation.get("value"), insert=kind == "add")
        case "remove":
            return _without(whole, path)
        case "test":
            if _at(whole, path) != operation.get("value"):
                raise _unprocessable(f"testing value {operation.get('path')} failed")
            return whole
        case "copy" | "move":
            start = _steps(str(operation.get("from", "")))
            value = _at(whole, start)
            return _put(_without(whole, start) if kind == "move" else whole, path, value, insert=True)
    raise bad_request(f"Unexpected kind: {kind}")


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise bad_request(f"a JSON pointer starts with '/': {path}")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _at(here: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            raise _unprocessable(f"the path /{'/'.join(path)} does not exist")
    return here


def _put(here: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(here, list):
        place = (
            len(here)
            if step == "-"
            else _index(here, step, len(here) if insert and not rest else len(here) - 1)
        )
        if rest:
            return [*here[:place], _put(here[place], rest, value, insert=insert), *here[place + 1 :]]
        return [*here[:place], value, *here[place if insert else place + 1 :]]
    if not isinstance(here, dict) or (step not in here and (rest or not insert)):
        raise _unprocessable(f"the path segment {step} does not exist")
    return {**here, step: _put(here.get(step), rest, value, insert=insert)}


def _without(here: Any, path: list[str]) -> Any:
    if not path:
        raise bad_request("the whole object cannot be removed")
    _at(here, path)
    step, rest = path[0], path[1:]
    if isinstance(here, list):
        place = int(step)
        middle = [_without(here[place], rest)] if rest else []
        return [*here[:place], *middle, *here[place + 1 :]]
    if rest:
        return {**here, step: _without(here[step], rest)}
    return {key: value for key, value in here.items() if key != step}


def _index(elements: list[Any], step: str, most: int) -> int:
    if not step.isdigit() or int(step) > most:
        raise _unprocessable(f"invalid array index {step} of {len(elements)} elements")
    return int(step)


def _unprocessable(why: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {why}")


def scale_of(thing: Object) -> Object:
    """The Scale object (autoscaling/v1) that stands for the replicas of `thing`."""
    metadata = thing["metadata"]
    shown = {key: metadata[key] for key in _SHOWN if key in metadata}
    selector = (thing["spec"].get("selector") or {}).get("matchLabels") or {}
    text = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    status = {"replicas": thing.get("status", {}).get("replicas", 0), "selector": text}
    spec = {"replicas": thing["spec"].get("replicas", 0)}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shown,
        "spec": spec,
        "status": status,
    }


def with_replicas(thing: Object, scale: Object) -> Object:
    """A copy of `thing` with the replicas of a Scale object. Raises ApiError 400 for a Scale without a number."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int):
        raise bad_request(f"spec.replicas: {replicas!r} is not a number")
    version = (scale.get("metadata") or {}).get("resourceVersion") or thing["metadata"]["resourceVersion"]
    metadata = {**thing["metadata"], "resourceVersion": version}
    return {**thing, "metadata": metadata, "spec": {**thing["spec"], "replicas": replicas}}
