"""Merge patch (RFC 7386) and strategic merge patch. Pure: none changes its arguments.

Strategic merge follows the merge keys of the Go types (`patchMergeKey`), for the served kinds.
"""

from typing import Any

from kfw.sandbox.api.errors import bad_request
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
