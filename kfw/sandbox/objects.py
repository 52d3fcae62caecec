"""Small readings and pieces of Kubernetes objects, which are JSON as the API has it. Pure: time and chance are arguments."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: A Kubernetes object. In the store it is never changed in place: whoever changes one makes a new one.
Object = dict[str, Any]

#: The letters of generated names: no vowels, so that no words come out (k8s.io/apimachinery, util/rand).
SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_of(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def name_of(thing: Object) -> str:
    return str(thing["metadata"]["name"])


def namespace_of(thing: Object) -> str:
    return str(thing["metadata"].get("namespace", ""))


def uid_of(thing: Object) -> str:
    return str(thing["metadata"].get("uid", ""))


def labels_of(thing: Object) -> Mapping[str, str]:
    return thing["metadata"].get("labels") or {}


def annotation(thing: Object, name: str) -> str | None:
    return (thing["metadata"].get("annotations") or {}).get(name)


def is_leaving(thing: Object) -> bool:
    return bool(thing["metadata"].get("deletionTimestamp"))


def is_over(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def condition(thing: Object, kind: str) -> Object | None:
    found = (one for one in thing.get("status", {}).get("conditions") or [] if one["type"] == kind)
    return next(found, None)


def is_ready(pod: Object) -> bool:
    """The Ready condition, which a terminating pod keeps until its containers have ended."""
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def with_metadata(thing: Object, **changes: Any) -> Object:
    """A copy with these metadata fields; None removes one."""
    metadata = {**thing["metadata"], **changes}
    return {**thing, "metadata": {key: value for key, value in metadata.items() if value is not None}}


def owner_reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_uid(thing: Object) -> str:
    """The uid of the object that made it; empty for one that nobody owns."""
    owners = thing["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def short_hash(value: Any, length: int = 10) -> str:
    """The same for equal JSON, in the letters of generated names; stands for the real server's FNV hash."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:12], "big")
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(SAFE_LETTERS))
        letters.append(SAFE_LETTERS[digit])
    return "".join(letters)
