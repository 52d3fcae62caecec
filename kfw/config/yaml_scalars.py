"""What a YAML scalar without quotes is: YAML 1.2's core types, and `odd` where YAML 1.1 readers see something else. Pure."""

import re
from typing import TypeAlias

from kfw.config.tree import Kind

_Value: TypeAlias = str | int | float | bool | None

_BOOLS = {word: word in ("true", "yes", "on") for word in ("true", "false", "yes", "no", "on", "off")}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_OCTAL = re.compile(r"[-+]?0_*[0-7][0-7_]*")
_BASED = re.compile(r"[-+]?(0b[01]+|0x[0-9a-fA-F]+|[1-9][0-9]*(_[0-9]+)+)")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")


def resolve(raw: str) -> tuple[Kind, _Value]:
    """22:22, 0777, 1_000 and 2020-01-01 are odd; yes, no, on and off are bool, and look so only to YAML 1.1."""
    if raw in ("", "~", "null", "Null", "NULL"):
        return "null", None
    if raw[0] not in "+-.0123456789":
        word = raw.lower()
        if word in _BOOLS and raw in (word, word.capitalize(), word.upper()):
            return "bool", _BOOLS[word]
        return "text", raw
    return _number(raw)


def _number(raw: str) -> tuple[Kind, _Value]:
    if len(raw) > 100:
        return "text", raw
    if _INT.fullmatch(raw):
        return "int", int(raw)
    if _OCTAL.fullmatch(raw):
        return "odd", int(raw.replace("_", ""), 8)
    if _BASED.fullmatch(raw):
        return "odd", int(raw.replace("_", ""), 0)
    if _FLOAT.fullmatch(raw):
        return "float", float(raw.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if _SEXAGESIMAL.fullmatch(raw):
        return "odd", _sexagesimal(raw)
    return ("odd" if _DATE.fullmatch(raw) else "text"), raw


def _sexagesimal(raw: str) -> float:
    sign = -1 if raw.startswith("-") else 1
    total: float = 0
    for part in raw.lstrip("+-").split(":"):
        total = total * 60 + (float(part) if "." in part else int(part))
    return sign * total
