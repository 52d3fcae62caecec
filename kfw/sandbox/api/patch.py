"""The three kinds of patches: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch. Pure.

None changes its arguments. Strategic merge follows the merge keys of the Go types (`patchMergeKey`), for the served kinds.
"""

from typing import Any

from kfw.sandbox.api.errors import ApiError, bad_request
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


def merge_key(field: str, elements: list[Any]) -> str | None:
    """The key of the list `field`; `ports` are known by containerPort in containers, by port in services."""
    if field == "ports":
        objects = [one for one in elements if isinstance(one, dict)]
        return "containerPort" if any("containerPort" in one for one in objects) else "port"
    return MERGE_KEYS.get(field)


def merged(before: Any, patch: Any) -> Any:
    """Merge patch: null removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
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
            return _merged_list(present, patch, key)
    return patch


def _merged_list(before: list[Any], patch: list[Any], key: str) -> list[Any]:
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


def json_patched(before: Object, operations: list[Object]) -> Object:
    """JSON patch. Raises ApiError 422 for a test that fails or a path that is not there."""
    result: Any = before
    for operation in operations:
        result = _operated(result, operation)
    if not isinstance(result, dict):
        raise bad_request("a JSON patch must leave an object")
    return result


def _operated(whole: Any, operation: Object) -> Any:
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
