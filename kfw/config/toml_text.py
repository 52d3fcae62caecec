"""TOML text to the same nodes as YAML. tomllib tells no places, so a small search for the keys finds the lines."""

import re
from datetime import date, datetime, time
from typing import TypeAlias

from kfw.config.tree import Mapping, Node, Place, Scalar, Sequence, Unparsable, shorten
from kfw.config.yaml_text import DEEPEST

#: tomllib takes quadratic time for a dotted key, so no line may hold a very long one.
LONGEST_LINE = 1000

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(#.*)?")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=\s*"""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"([^"]*)"|'([^']*)'""")
_WHERE = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.S
)

_Keys: TypeAlias = tuple[str, ...]

_FIXES = (
    ("Invalid value", "write text in quotes, and true, false or a number without"),
    ("Expected '='", 'write key = "value"'),
    ("Cannot overwrite", "keep one of the two"),
    ("Cannot declare", "keep one of the two"),
    ("Illegal character", "remove it"),
)


def parse(text: str, at: Place) -> Node:
    """Raises Unparsable. `at.file` names the file; a key inside an inline table has the place of its table."""
    long = next((n for n, line in enumerate(text.split("\n"), 1) if len(line) > LONGEST_LINE), None)
    if long is not None:
        fix = "break it into several"
        raise Unparsable(at._replace(line=long), f"this line is longer than {LONGEST_LINE} characters", fix)
    import tomllib

    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise Unparsable(
            at, f"this is nested more than {DEEPEST} levels deep", "nest it less deeply"
        ) from error
    except ValueError as error:  # TOMLDecodeError, or a number with thousands of digits
        raise _syntax_error(str(error), text, at) from error
    places, _ = _places(text, at)
    return _node(table, (), at, places)


def _node(value: object, path: _Keys, near: Place, places: dict[_Keys, tuple[Place, Place]]) -> Node:
    if len(path) > DEEPEST:
        raise Unparsable(near, f"this is nested more than {DEEPEST} levels deep", "nest it less deeply")
    if isinstance(value, dict):
        return Mapping(near, tuple(_pair(key, each, path, near, places) for key, each in value.items()))
    if isinstance(value, list):
        return Sequence(near, tuple(_node(each, (*path, ""), near, places) for each in value))
    return _scalar(value, near)


def _pair(
    key: str, value: object, path: _Keys, near: Place, places: dict[_Keys, tuple[Place, Place]]
) -> tuple[Scalar, Node]:
    key_at, value_at = places.get((*path, key), (near, near))
    return Scalar(key_at, "text", key, key), _node(value, (*path, key), value_at, places)


def _scalar(value: object, at: Place) -> Scalar:
    match value:
        case bool():
            return Scalar(at, "bool", value, str(value).lower())
        case int():
            return Scalar(at, "int", value, str(value))
        case float():
            return Scalar(at, "float", value, str(value))
        case datetime() | date() | time():
            return Scalar(at, "odd", str(value), str(value))
    return Scalar(at, "text", str(value), str(value))


def _places(text: str, at: Place) -> tuple[dict[_Keys, tuple[Place, Place]], Place | None]:
    """Key path -> where the key stands and where its value does; and the first key that stands there twice."""
    found: dict[_Keys, tuple[Place, Place]] = {}
    twice: Place | None = None
    table: _Keys = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.fullmatch(line.rstrip("\r")):
            table, path, start, end = _parts(header[1]), _parts(header[1]), header.start(1), header.start(1)
        elif key := _KEY.match(line):
            path, start, end = table + _parts(key[1]), key.start(1), key.end()
        else:
            continue
        place = at._replace(line=number, column=start + 1)
        if path in found and not line.lstrip().startswith("[["):
            twice = twice or place
        found.setdefault(path, (place, at._replace(line=number, column=end + 1)))
    return found, twice


def _parts(dotted: str) -> _Keys:
    return tuple(match[1] or match[2] or match[0].strip("\"'") for match in _PART.finditer(dotted))


def _syntax_error(message: str, text: str, at: Place) -> Unparsable:
    where = _WHERE.fullmatch(message)
    what = where["what"] if where else message
    place = _places(text, at)[1] if "Cannot" in what else None
    if place is None and where and where["line"]:
        place = at._replace(line=int(where["line"]), column=int(where["column"]))
    elif place is None:
        place = at._replace(line=max(1, text.rstrip("\n").count("\n") + 1))
    fix = next((fix for words, fix in _FIXES if words in what), "check the quotes and brackets here")
    return Unparsable(place, "this is not TOML: " + shorten(" ".join(what.split()), 200), fix)
