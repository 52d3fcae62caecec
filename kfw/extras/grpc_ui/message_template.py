"""A message as JSON to be filled in: each field with a value that its type takes. Pure; of descriptors of protobuf."""

from typing import Any

#: Messages in messages so deep, and fields in all: what is deeper, or comes back to itself, is left empty.
DEPTH, MOST = 5, 400
#: JSON of protobuf's own types: https://protobuf.dev/programming-guides/json/
_KNOWN: dict[str, Any] = {
    "Timestamp": "1970-01-01T00:00:00Z",
    "Duration": "0s",
    "FieldMask": "",
    "Struct": {},
    "Value": None,
    "ListValue": [],
    "Empty": {},
    "Any": {"@type": ""},
    "BoolValue": False,
    "StringValue": "",
    "BytesValue": "",
    "Int32Value": 0,
    "UInt32Value": 0,
    "Int64Value": "0",
    "UInt64Value": "0",
    "FloatValue": 0.0,
    "DoubleValue": 0.0,
}
_PACKAGE = "google.protobuf."
#: By FieldDescriptor.CPPTYPE_*; 64 bits are text, as JavaScript's numbers have 53.
_ZERO: dict[int, Any] = {1: 0, 2: "0", 3: 0, 4: "0", 5: 0.0, 6: 0.0, 7: False, 9: ""}
#: Of a map, by the type of its keys; for numbers "0".
_KEYS = {7: "false", 9: "key"}


def template(descriptor: Any) -> Any:
    """Of a message's descriptor. Of fields of which one may be set it has the first."""
    return _Filling().message(descriptor, ())


class _Filling:
    def __init__(self) -> None:
        self._left = MOST

    def message(self, descriptor: Any, above: tuple[str, ...]) -> Any:
        name = descriptor.full_name
        if name.startswith(_PACKAGE) and name.removeprefix(_PACKAGE) in _KNOWN:
            return _KNOWN[name.removeprefix(_PACKAGE)]
        if name in above or len(above) >= DEPTH:
            return {}
        found: dict[str, Any] = {}
        chosen: set[str] = set()
        for field in descriptor.fields:
            one_of = field.containing_oneof
            if one_of is not None and one_of.name in chosen:
                continue
            if self._left <= 0:
                break
            self._left -= 1
            if one_of is not None:
                chosen.add(one_of.name)
            found[field.json_name] = self._field(field, (*above, name))
        return found

    def _field(self, field: Any, above: tuple[str, ...]) -> Any:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
            return {_KEYS.get(key.cpp_type, "0"): self._one(value, above)}
        if not field.is_repeated:
            return self._one(field, above)
        one = self._one(field, above)
        return [] if one == {} else [one]

    def _one(self, field: Any, above: tuple[str, ...]) -> Any:
        if field.message_type is not None:
            return self.message(field.message_type, above)
        if field.enum_type is not None:
            return field.enum_type.values[0].name
        return _ZERO[field.cpp_type]
