"""Server-side apply: a manager's wish merged into an object, with its fields remembered in metadata.managedFields. Pure.

Simpler than the real server: only appliers own fields, lists without a merge key are one field, and fieldsV1 is written
for named list elements as `k:{...}` like the real one's.
"""

import json
from collections.abc import Iterator
from typing import Any

from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.api.patch import merge_key
from kfw.sandbox.objects import Object, rfc3339

#: A field's place: keys, and for named list elements the text `k:{"name":"web"}`.
Path = tuple[str, ...]

#: Not owned by anybody: they say which object it is.
_IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


def applied(before: Object, wanted: Object, manager: str, *, force: bool, now: float) -> Object:
    """`before` with what `manager` wants; what it wanted last time and nobody wants now goes.

    `before` is {} for a new object. Raises ApiError 409 when another applier owns a field with another value.
    """
    entries = (before.get("metadata") or {}).get("managedFields") or []
    owned = {one["manager"]: _paths(one["fieldsV1"]) for one in entries}
    mine = owned.pop(manager, set())
    wishes = {path for path, _ in leaves(wanted)} - _IDENTITY
    conflicts = list(_conflicts(before, wanted, wishes, owned))
    if conflicts and not force:
        raise _conflict(conflicts)
    owned = {name: paths - {path for _, path in conflicts} for name, paths in owned.items()}
    result = _merged("", _given_up(before, mine - wishes, set().union(wishes, *owned.values())), wanted)
    kept = [{**one, "fieldsV1": _fields(owned[one["manager"]])} for one in entries if one["manager"] in owned]
    fields = [*kept, _entry(wanted, manager, wishes, now)]
    return {**result, "metadata": {**result["metadata"], "managedFields": fields}}


def _conflicts(
    before: Object, wanted: Object, wishes: set[Path], owned: dict[str, set[Path]]
) -> Iterator[tuple[str, Path]]:
    for name, paths in owned.items():
        for path in sorted(paths & wishes):
            if _value(before, path) != _value(wanted, path) != {}:
                yield name, path


def _given_up(thing: Object, paths: set[Path], kept: set[Path]) -> Object:
    """`thing` without the fields at `paths`, save what others own; an element whose name nobody wants goes as a whole."""
    for path in paths - kept:
        element = path[:-1]
        if not _names_its_element(path):
            present = _value(thing, path)
            filled = isinstance(present, dict) and present  # it was empty when it was wanted
            thing = thing if filled else _without(thing, path)
        elif not any(one[: len(element)] == element for one in kept):
            thing = _without(thing, element)
    return thing


def _entry(wanted: Object, manager: str, paths: set[Path], now: float) -> Object:
    return {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": wanted.get("apiVersion", ""),
        "time": rfc3339(now),
        "fieldsType": "FieldsV1",
        "fieldsV1": _fields(paths),
    }


def leaves(thing: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field that has no fields of its own, with its place."""
    if isinstance(thing, dict) and thing:
        for key, value in thing.items():
            yield from leaves(value, (*path, key))
    elif isinstance(thing, list) and (key := _list_key(path, thing)):
        for one in thing:
            yield from leaves(one, (*path, _element(one, key)))
    else:
        yield path, thing


def _list_key(path: Path, elements: list[Any]) -> str | None:
    key = merge_key(path[-1] if path else "", elements)
    return key if key and elements and all(isinstance(one, dict) and key in one for one in elements) else None


def _element(one: Object, key: str) -> str:
    return "k:" + json.dumps({key: one[key]}, separators=(",", ":"))


def _fields(paths: set[Path]) -> Object:
    tree: Object = {}
    for path in sorted(paths):
        here = tree
        for step in path:
            here = here.setdefault(step if step.startswith("k:") else f"f:{step}", {})
    return tree


def _paths(fields: Object, path: Path = ()) -> set[Path]:
    found: set[Path] = set()
    for step, below in fields.items():
        place = (*path, step.removeprefix("f:"))
        found |= _paths(below, place) if below else {place}
    return found


def _named(step: str) -> tuple[str, Any]:
    ((key, value),) = json.loads(step.removeprefix("k:")).items()
    return key, value


def _names_its_element(path: Path) -> bool:
    return len(path) > 1 and path[-2].startswith("k:") and path[-1] == _named(path[-2])[0]


def _value(thing: Any, path: Path) -> Any:
    for step in path:
        if isinstance(thing, list) and step.startswith("k:"):
            key, value = _named(step)
            thing = next((one for one in thing if one.get(key) == value), None)
        else:
            thing = thing.get(step) if isinstance(thing, dict) else None
    return thing


def _without(thing: Any, path: Path) -> Any:
    """Without the field or named element, and without what is then empty."""
    step, rest = path[0], path[1:]
    if isinstance(thing, list) and step.startswith("k:"):
        key, value = _named(step)
        if not rest:
            return [one for one in thing if one.get(key) != value]
        return [_without(one, rest) if one.get(key) == value else one for one in thing]
    if not isinstance(thing, dict) or step not in thing:
        return thing
    below = _without(thing[step], rest) if rest else None
    return {name: below if name == step else value for name, value in thing.items() if name != step or below}


def _merged(field: str, before: Any, wanted: Any) -> Any:
    if isinstance(wanted, dict):
        present = before if isinstance(before, dict) else {}
        return {**present, **{key: _merged(key, present.get(key), value) for key, value in wanted.items()}}
    if isinstance(wanted, list) and isinstance(before, list) and (key := _list_key((field,), wanted)):
        places = {one.get(key): one for one in before}
        named = {one[key]: _merged("", places.get(one[key]), one) for one in wanted}
        kept = [one for one in before if one.get(key) not in named]
        return [*named.values(), *kept]
    return wanted


def _conflict(conflicts: list[tuple[str, Path]]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{name}"',
            "field": "." + ".".join(path),
        }
        for name, path in conflicts
    ]
    lines = "; ".join(f"{one['message']}: {one['field']}" for one in causes)
    count = f"{len(causes)} conflict" + ("s" if len(causes) > 1 else "")
    return ApiError(409, "Conflict", f"Apply failed with {count}: {lines}", {"causes": causes})
