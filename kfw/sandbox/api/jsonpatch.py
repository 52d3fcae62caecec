"""JSON patch (RFC 6902). Pure: it does not change its arguments."""

from typing import Any

from kfw.sandbox.api.errors import ApiError, bad_request
from kfw.sandbox.objects import Object


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
