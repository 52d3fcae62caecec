"""Where a number is in an answer: the part of JSONPath (RFC 9535) that leads to one place or to the members of a list. Pure.

`$.pagination.total`, `$['odd name'].n`, `$.rows[0].n`, and `$.rows[*].n`, of which the numbers are added up. A list counts
as the number of its members.
"""

import re
from typing import Any

Step = str | int
#: The step to all members of a list.
ALL = -1

_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{1,6})\]|\[(\*)\]|\['([^'\\]+)'\]")
#: How a number too large for JSON's readers is written, also by protobuf: as text.
_DIGITS = re.compile(r"-?[0-9]{1,20}")
#: Numbers of 64 bits, signed or not, as gRPC has them: others do not survive every reader.
_LEAST, _MOST = -(2**63), 2**64 - 1


class NoNumber(Exception):
    """There is none in this place: why not, in words that go after the path."""


def parse(text: str) -> tuple[Step, ...]:
    """Raises ValueError, whose words are for people."""
    if not text.startswith("$"):
        raise ValueError("does not begin with $")
    steps, at = list[Step](), 1
    while at < len(text):
        found = _STEP.match(text, at)
        if not found:
            raise ValueError(f"cannot be read from '{text[at : at + 20]}' on")
        name, index, every, quoted = found.groups()
        steps.append(ALL if every else int(index) if index else name or quoted)
        at = found.end()
    return tuple(steps)


def value_at(data: Any, steps: tuple[Step, ...]) -> Any:
    """Raises NoNumber where nothing is there. After a step to all members: a list."""
    for number, step in enumerate(steps):
        if step == ALL:
            if not isinstance(data, list):
                raise NoNumber(f"is not a list but {kind_of(data)}")
            return [value_at(each, steps[number + 1 :]) for each in data]
        if not isinstance(data, dict | list):  # a text has places, too
            raise NoNumber(f"has nothing at '{step}'")
        try:
            data = data[step]  # type: ignore[index]  # a name, or a number, for whichever it is
        except (KeyError, IndexError, TypeError):
            raise NoNumber(f"has nothing at '{step}'") from None
    return data


def number_at(data: Any, steps: tuple[Step, ...]) -> int | float:
    """The number there; of a list its length, and after a step to all members the sum. Raises NoNumber."""
    found = value_at(data, steps)
    if not isinstance(found, list):
        return _number(found)
    try:
        return _number(sum(map(_number, _flat(found)))) if ALL in steps[:-1] else len(found)
    except RecursionError:
        raise NoNumber("is nested too deeply") from None


def _flat(found: list[Any]) -> list[Any]:
    return [one for each in found for one in (_flat(each) if isinstance(each, list) else [each])]


def _number(value: Any) -> int | float:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoNumber(f"is not a number but {kind_of(value)}")
    if not _LEAST <= value <= _MOST:  # nor is what JSON's readers make of NaN and Infinity
        raise NoNumber("is not a 64-bit number")
    return value


def kind_of(value: Any) -> str:
    """In words that go after `not a number but`."""
    names = {bool: "true or false", str: "text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")
