"""The control API as an OpenAPI document, made from the route table and the types. Committed as docs/openapi.json."""

from functools import cache
from typing import Any

import msgspec

from kfw import __version__
from kfw.daemon.handlers import ROUTES, Route
from kfw.protocol import ErrorReply

_REF = "#/components/schemas/{name}"


@cache
def encoded() -> bytes:
    """Made once: it takes some ten milliseconds."""
    return msgspec.json.encode(document())


def document() -> dict[str, Any]:
    types = {route.takes for route in ROUTES} | {route.gives for route in ROUTES} | {ErrorReply}
    named = sorted((kind for kind in types if kind is not None), key=str)
    schemas, components = msgspec.json.schema_components(named, ref_template=_REF)
    schema_of = dict(zip(map(str, named), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in ROUTES:
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


def _operation(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.answer.__name__,
        "summary": route.summary,
        "responses": {
            "200": _content("The answer.", schema_of[str(route.gives)]),
            "default": _content("What went wrong, and the fix.", schema_of[str(ErrorReply)]),
        },
    }
    if "{name}" in route.path:
        operation["parameters"] = [_parameter("name", "path", required=True)]
    if route.path == "/v1/events":
        operation["parameters"] = [
            _parameter("since", "query", kind="integer"),
            _parameter("follow", "query"),
        ]
    if route.takes is not None:
        operation["requestBody"] = {**_content("", schema_of[str(route.takes)]), "required": True}
        del operation["requestBody"]["description"]
    return operation


def _content(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _parameter(name: str, where: str, *, required: bool = False, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": {"type": kind}}
