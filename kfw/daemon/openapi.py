"""The control API as an OpenAPI document, made from the route table and the types. Committed as docs/openapi.json."""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import msgspec

from kfw import __version__
from kfw.protocol import ErrorReply

_REF = "#/components/schemas/{name}"


class Operation(Protocol):
    """What is described of a route of handlers.py."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def takes(self) -> Any: ...
    @property
    def gives(self) -> Any: ...
    @property
    def answer(self) -> Callable[..., Any]: ...


@cache
def encoded(routes: tuple[Operation, ...]) -> bytes:
    """Made once: it takes some ten milliseconds."""
    return msgspec.json.encode(document(routes))


def document(routes: tuple[Operation, ...]) -> dict[str, Any]:
    types = {route.takes for route in routes} | {route.gives for route in routes} | {ErrorReply}
    named = sorted((kind for kind in types if kind is not None), key=str)
    schemas, components = msgspec.json.schema_components(named, ref_template=_REF)
    schema_of = dict(zip(map(str, named), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kfw control API",
            "version": __version__,
            "description": "HTTP/1.1 on the daemon's unix socket; only its own user gets an answer.",
        },
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _operation(route: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.answer.__name__,
        "summary": route.summary,
        "responses": {
            "200": _content("The answer.", schema_of[str(route.gives)]),
            "default": _content("What went wrong, and the fix.", schema_of[str(ErrorReply)]),
        },
    }
    parts = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    parameters = [_parameter(part, "path", required=True) for part in parts] + QUERIES.get(route.path, [])
    if parameters:
        operation["parameters"] = parameters
    if route.takes is not None:
        operation["requestBody"] = {**_content("", schema_of[str(route.takes)]), "required": True}
        del operation["requestBody"]["description"]
    return operation


def _parameter(name: str, where: str, *, required: bool = False, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": {"type": kind}}


#: What stands behind the `?`, by path.
QUERIES = {
    "/v1/events": [
        _parameter("since", "query", kind="integer"),
        _parameter("follow", "query"),
        _parameter("traffic", "query", kind="number"),
    ],
    "/v1/forwards/{name}/explain": [_parameter("project", "query")],
    "/v1/clusters": [_parameter("kubeconfig", "query")],
    "/v1/logs": [_parameter("name", "query"), _parameter("lines", "query", kind="integer")],
}


def _content(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
