"""Bodies in protobuf, as kubectl sends them for `create` and `auth can-i`, read by tables of field numbers. Pure.

Source: k8s.io/apimachinery, runtime/serializer/protobuf (the envelope), and the `generated.proto` files of k8s.io/api. The
tables have what `kubectl create`, `auth` and `drain` can fill in; anything else is refused by name and not lost silently.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kfw.sandbox.api.errors import bad_request, unsupported_media
from kfw.sandbox.objects import Object


@dataclass(frozen=True)
class Field:
    """`form`: string, int, bool, bytes (base64 in JSON), "int or string", ignored, or the fields of a message."""

    name: str
    form: "str | Message" = "string"
    is_list: bool = False
    is_map: bool = False


Message = dict[int, Field]


def _list(name: str, form: "str | Message" = "string") -> Field:
    return Field(name, form, is_list=True)


def _map(name: str, form: str = "string") -> Field:
    return Field(name, form, is_map=True)


def _int(name: str) -> Field:
    return Field(name, "int")


_METADATA: Message = {
    1: Field("name"),
    2: Field("generateName"),
    3: Field("namespace"),
    4: Field("selfLink", "ignored"),
    5: Field("uid"),
    6: Field("resourceVersion"),
    8: Field("creationTimestamp", "ignored"),
    11: _map("labels"),
    12: _map("annotations"),
}
_EXPRESSION: Message = {1: Field("key"), 2: Field("operator"), 3: _list("values")}
_SELECTOR: Message = {1: _map("matchLabels"), 2: _list("matchExpressions", _EXPRESSION)}
_CONTAINER_PORT: Message = {
    1: Field("name"),
    2: _int("hostPort"),
    3: _int("containerPort"),
    4: Field("protocol"),
    5: Field("hostIP"),
}
_CONTAINER: Message = {
    1: Field("name"),
    2: Field("image"),
    3: _list("command"),
    4: _list("args"),
    6: _list("ports", _CONTAINER_PORT),
    7: _list("env", {1: Field("name"), 2: Field("value")}),
    8: Field("resources", "ignored"),
    14: Field("imagePullPolicy"),
}
_POD_SPEC: Message = {
    2: _list("containers", _CONTAINER),
    3: Field("restartPolicy"),
    4: _int("terminationGracePeriodSeconds"),
    6: Field("dnsPolicy"),
    7: _map("nodeSelector"),
    10: Field("nodeName"),
    14: Field("securityContext", "ignored"),
}
_TEMPLATE: Message = {1: Field("metadata", _METADATA), 2: Field("spec", _POD_SPEC)}
_ROLLING: Message = {1: Field("maxUnavailable", "int or string"), 2: Field("maxSurge", "int or string")}
_DEPLOYMENT: Message = {
    1: _int("replicas"),
    2: Field("selector", _SELECTOR),
    3: Field("template", _TEMPLATE),
    4: Field("strategy", {1: Field("type"), 2: Field("rollingUpdate", _ROLLING)}),
    5: _int("minReadySeconds"),
    6: _int("revisionHistoryLimit"),
    7: Field("paused", "bool"),
    9: _int("progressDeadlineSeconds"),
}
_SERVICE_PORT: Message = {
    1: Field("name"),
    2: Field("protocol"),
    3: _int("port"),
    4: Field("targetPort", "int or string"),
    5: _int("nodePort"),
    6: Field("appProtocol"),
}
_SERVICE: Message = {
    1: _list("ports", _SERVICE_PORT),
    2: _map("selector"),
    3: Field("clusterIP"),
    4: Field("type"),
    5: _list("externalIPs"),
    7: Field("sessionAffinity"),
    10: Field("externalName"),
    11: Field("externalTrafficPolicy"),
}
_ATTRIBUTES: Message = {
    1: Field("namespace"),
    2: Field("verb"),
    3: Field("group"),
    4: Field("version"),
    5: Field("resource"),
    6: Field("subresource"),
    7: Field("name"),
}
_ACCESS: Message = {
    1: Field("resourceAttributes", _ATTRIBUTES),
    2: Field("nonResourceAttributes", {1: Field("path"), 2: Field("verb")}),
}
_PRECONDITIONS: Message = {1: Field("uid"), 2: Field("resourceVersion")}
_DELETE_OPTIONS: Message = {
    1: _int("gracePeriodSeconds"),
    2: Field("preconditions", _PRECONDITIONS),
    3: Field("orphanDependents", "bool"),
    4: Field("propagationPolicy"),
    5: _list("dryRun"),
}


def _thing(spec: Message | None = None) -> Message:
    """Metadata, spec and status, which stand at 1, 2 and 3."""
    own = {2: Field("spec", spec)} if spec else {2: Field("spec", "ignored")}
    return {1: Field("metadata", _METADATA), **own, 3: Field("status", "ignored")}


KINDS: dict[str, Message] = {
    "Deployment": _thing(_DEPLOYMENT),
    "Service": _thing(_SERVICE),
    "Pod": _thing(_POD_SPEC),
    "Namespace": _thing(),
    "ServiceAccount": {1: Field("metadata", _METADATA)},
    "ConfigMap": {1: Field("metadata", _METADATA), 2: _map("data"), 3: _map("binaryData", "bytes")},
    "Secret": {
        1: Field("metadata", _METADATA),
        2: _map("data", "bytes"),
        3: Field("type"),
        4: _map("stringData"),
    },
    "SelfSubjectAccessReview": _thing(_ACCESS),
    "SelfSubjectRulesReview": _thing({1: Field("namespace")}),
    "SelfSubjectReview": {1: Field("metadata", _METADATA), 2: Field("status", "ignored")},
    "Eviction": {1: Field("metadata", _METADATA), 2: Field("deleteOptions", _DELETE_OPTIONS)},
    "DeleteOptions": _DELETE_OPTIONS,
}


MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"
_VARINT, _BYTES = 0, 2

#: runtime.Unknown: the type, then the object's own bytes.
_TYPE: Message = {1: Field("apiVersion"), 2: Field("kind")}
_ENVELOPE: Message = {
    1: Field("type", _TYPE),
    2: Field("raw", "bytes"),
    3: Field("encoding"),
    4: Field("media"),
}


def decode(body: bytes) -> Object:
    """The object in a body that begins with MAGIC.

    Raises ApiError 400 for bytes that are none, 415 for a kind or field that is not in the tables.
    """
    try:
        envelope = _message(body[len(MAGIC) :], _ENVELOPE, "Unknown")
        kind = envelope["type"]["kind"]
        if kind not in KINDS:
            raise unsupported_media(f"{MEDIA_TYPE} of the kind {kind}")
        thing = _message(base64.b64decode(envelope.get("raw", "")), KINDS[kind], kind)
    except (IndexError, KeyError, UnicodeDecodeError) as problem:
        raise bad_request(f"the body of the request is not protobuf: {problem}") from problem
    thing.pop("status", None)
    return {**envelope["type"], **thing}


def _message(data: bytes, table: Message, name: str) -> Object:
    result: Object = {}
    for number, value in _fields(data):
        field = table.get(number)
        if field is None:
            if value:  # empty and zero values are written out, they mean nothing
                raise unsupported_media(f"{MEDIA_TYPE} with field {number} of {name}")
            continue
        _put(result, field, value)
    return result


def _put(result: Object, field: Field, value: int | bytes) -> None:
    if field.is_map:
        pair = dict(_fields(_as_bytes(value)))
        key = _as_bytes(pair.get(1, b"")).decode()
        result.setdefault(field.name, {})[key] = _read(field, pair.get(2, b""))
    elif field.is_list:
        result.setdefault(field.name, []).append(_read(field, value))
    elif (read := _read(field, value)) not in ("", None, {}):
        result[field.name] = read


def _read(field: Field, value: int | bytes) -> Any:
    match field.form:
        case "int":
            return value
        case "bool":
            return bool(value)
        case "bytes":
            return base64.b64encode(_as_bytes(value)).decode()
        case "int or string":
            number = dict(_fields(_as_bytes(value)))
            return _as_bytes(number.get(3, b"")).decode() if number.get(1) else number.get(2, 0)
        case "ignored":
            return None
        case dict() as table:
            return _message(_as_bytes(value), table, field.name)
    return _as_bytes(value).decode()


def _as_bytes(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and value, one after the other. Raises IndexError when the data is cut off."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        if tag & 7 == _VARINT:
            value, place = _varint(data, place)
            yield tag >> 3, value
        elif tag & 7 == _BYTES:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise IndexError("it is cut off")
            yield tag >> 3, data[place : place + length]
            place += length
        else:
            raise IndexError(f"wire type {tag & 7} is not used by Kubernetes")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
