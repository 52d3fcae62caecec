"""Bodies in protobuf, as kubectl sends them for `create` and `auth can-i`: decoded by the tables of fields.py. Pure.

Source: k8s.io/apimachinery, runtime/serializer/protobuf (the envelope), and the `generated.proto` files of k8s.io/api.
"""

import base64
from collections.abc import Iterator
from typing import Any

from kfw.sandbox.api.errors import bad_request, unsupported_media
from kfw.sandbox.api.fields import KINDS, Field, Message
from kfw.sandbox.objects import Object

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


def decoded(body: bytes) -> Object:
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
