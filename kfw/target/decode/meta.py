"""What all objects have: metadata, owner, conditions; and how equal parts are kept once in memory."""

from functools import lru_cache
from sys import intern
from typing import Any, TypeVar

import msgspec

from kfw.kube.decoder import Wire
from kfw.target import objects

T = TypeVar("T")

#: Bytes, as JSON, of what is kept once: ten ports, or an owner with the longest name, have some 500.
_LARGEST_SHARED = 1000


class OwnerReference(Wire, frozen=True):
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Meta(Wire, frozen=True):
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class Condition(Wire, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


def controller(meta: Meta) -> objects.Owner | None:
    for one in meta.owner_references or ():
        if one.controller:
            return shared(objects.Owner(one.kind, one.name, one.uid))
    return None


def interned(labels: dict[str, str] | None) -> dict[str, str]:
    """Keys and values repeat over all pods: each is kept once."""
    return {intern(key): intern(value) for key, value in (labels or {}).items()}


@lru_cache(maxsize=1024)
def _kept_once(value: Any) -> Any:
    return value


def shared(value: T) -> T:
    """The same object for equal values: pods of one owner share its reference and their ports. What is large is not
    kept beyond the object that it belongs to."""
    if len(msgspec.json.encode(value)) > _LARGEST_SHARED:
        return value
    kept: T = _kept_once(value)
    return kept
