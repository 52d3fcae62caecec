"""Objects as a Table, which is what kubectl asks for when people shall read it. Pure."""

from kfw.sandbox.api import kinds
from kfw.sandbox.api.columns import columns_of
from kfw.sandbox.objects import Object

#: These columns of events are shown with `-o wide` only, although others follow them.
_WIDE_BETWEEN = {"Subobject", "Source"}


def table(
    resource: kinds.Resource, things: list[Object], version: str, now: float, *, head: bool = True
) -> Object:
    """`version` is the list's resourceVersion. `head` False leaves the columns out, as later frames of a watch do."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": _definitions(resource) if head else None,
        "rows": [_row(resource, thing, now) for thing in things],
    }


def _definitions(resource: kinds.Resource) -> list[Object]:
    columns = columns_of(resource)
    shown = [_definition(name, 1 if name in _WIDE_BETWEEN else 0) for name in columns.names]
    return shown + [_definition(name, 1) for name in columns.wide]


def _definition(name: str, priority: int) -> Object:
    form = "name" if name == "Name" and not priority else ""
    return {"name": name, "type": "string", "format": form, "description": "", "priority": priority}


def _row(resource: kinds.Resource, thing: Object, now: float) -> Object:
    partial = {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": thing["metadata"],
    }
    return {"cells": list(columns_of(resource).cells(thing, now)), "object": partial}
