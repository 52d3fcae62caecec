"""The shape that a client asked for: JSON, a Table for people to read, metadata only. Lists in pages. Pure."""

import base64
import binascii
import json
from collections.abc import Mapping
from enum import Enum

from kfw.sandbox.api import kinds
from kfw.sandbox.api.columns import columns_of
from kfw.sandbox.api.errors import ApiError, not_allowed_shape
from kfw.sandbox.api.kinds import Resource
from kfw.sandbox.objects import Object, name_of, namespace_of

#: These columns of events are shown with `-o wide` only, although others follow them.
_WIDE_BETWEEN = {"Subobject", "Source"}


class ReplyShape(Enum):
    FULL = "full"
    TABLE = "table"
    METADATA = "metadata"


def shape(accept: str) -> ReplyShape:
    """By the first part of an Accept header that the sandbox can serve. Raises ApiError 406."""
    for part in accept.split(",") if accept else ["*/*"]:
        media, *parameters = (piece.strip() for piece in part.split(";"))
        kind = next((one[3:] for one in parameters if one.startswith("as=")), "")
        if media not in ("application/json", "application/*", "*/*"):
            continue
        if kind == "Table":
            return ReplyShape.TABLE
        if kind in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return ReplyShape.METADATA
        if not kind:
            return ReplyShape.FULL
    raise not_allowed_shape(accept)


def render(resource: Resource, thing: Object, form: ReplyShape, now: float, *, head: bool = True) -> Object:
    if form is ReplyShape.TABLE:
        return table(resource, [thing], thing["metadata"].get("resourceVersion", ""), now, head=head)
    return _metadata_only(thing) if form is ReplyShape.METADATA else thing


def _metadata_only(thing: Object) -> Object:
    metadata = thing["metadata"]
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}


def render_list(
    resource: Resource, things: list[Object], form: ReplyShape, metadata: Object, now: float
) -> Object:
    """`metadata` is the list's: resourceVersion, and continue where there is more."""
    if form is ReplyShape.TABLE:
        return {**table(resource, things, "", now), "metadata": metadata}
    if form is ReplyShape.METADATA:
        items = [_metadata_only(thing) for thing in things]
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return {**head, "metadata": metadata, "items": items}
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
    # as from the real server, the items of a list do not repeat what the list says
    items = [{key: thing[key] for key in thing if key not in ("kind", "apiVersion")} for thing in things]
    return {**head, "metadata": metadata, "items": items}


def page(
    things: list[Object], query: Mapping[str, str], version: int, oldest: int
) -> tuple[list[Object], Object]:
    """The objects of one page, and the list's metadata. `oldest` is the first version that is still remembered.

    Raises ApiError 410 for a continue token from before that.
    """
    after = _after(query.get("continue", ""), oldest)
    if after is not None:
        things = [thing for thing in things if _key(thing) > after]
    limit = int(query.get("limit") or 0)
    metadata: Object = {"resourceVersion": str(version)}
    if limit and len(things) > limit:
        token = json.dumps({"rv": version, "after": _key(things[limit - 1])})
        metadata["continue"] = base64.urlsafe_b64encode(token.encode()).decode()
        metadata["remainingItemCount"] = len(things) - limit
        things = things[:limit]
    return things, metadata


def _key(thing: Object) -> list[str]:
    return [namespace_of(thing), name_of(thing)]


def _after(token: str, oldest: int) -> list[str] | None:
    if not token:
        return None
    try:
        content = json.loads(base64.urlsafe_b64decode(token))
        version, after = int(content["rv"]), list(content["after"])
    except (binascii.Error, ValueError, KeyError, TypeError) as problem:
        raise ApiError(400, "BadRequest", f"continue key is not valid: {problem}") from problem
    if version < oldest:
        why = "The provided continue parameter is too old to display a consistent list result."
        raise ApiError(410, "Expired", why)
    return after


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
