"""The kinds of single values that a config file holds: what is right, what to write instead. Pure."""

import ipaddress
import math
import re
from collections.abc import Callable

from kfw.choices import HTTP_STATUS
from kfw.config import durations
from kfw.config.merge import Value
from kfw.config.shapes import One, Reading, Wrong
from kfw.config.templates import PLACES, unknown_place
from kfw.config.tree import Scalar, quote, shorten

#: Linux allows 4096 bytes for a path; nothing else is nearly as long.
_LONGEST_TEXT = 4096

#: Hosts that are this machine.
LOOPBACK = re.compile(r"localhost|::1|127(\.[0-9]{1,3}){3}")
_PAIR = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")


def text(
    wants: str, *, pattern: str = "", nullable: bool = False, check: Callable[[str], None] | None = None
) -> One:
    """Text in the file, not empty, on one line. `check` raises ValueError or Wrong."""
    schema = {"type": "string", "minLength": 1} | ({"pattern": pattern} if pattern else {})

    def right(raw: str) -> str:
        if not re.search(pattern, raw):
            raise Wrong(f"is {quote(raw)}")
        if check:
            check(raw)
        return raw

    def convert(node: Scalar, reading: Reading) -> Value:
        if node.kind == "text":
            return right(_text(node))
        raise Wrong(f"is {node}", _in_quotes(node, right))

    return One(wants, convert, schema, nullable)


def template() -> One:
    """Text in which {host}, {port}, {url} and {name} stand for those of a forward."""
    wants = "text such as 'postgres://{host}:{port}/db'"

    def check(raw: str) -> None:
        if word := unknown_place(raw):
            known = ", ".join(f"{{{place}}}" for place in PLACES)
            raise Wrong(f"is {quote(raw)}, where {{{word}}} is unknown", f"known are {known}")

    return text(wants, check=check)


def file_path(*, nullable: bool = False) -> One:
    """Absolute afterwards: `~` is the home directory, anything else counts from the directory of its file."""

    def convert(node: Scalar, reading: Reading) -> Value:
        try:
            return reading.expand(_text(node))
        except ValueError as error:
            raise Wrong(f"is {quote(node.raw)}: {error}") from error

    return One("the path of a file", convert, {"type": "string", "minLength": 1}, nullable)


def choice(*options: str) -> One:
    def convert(node: Scalar, reading: Reading) -> Value:
        if node.kind == "text" and node.raw in options:
            return node.raw
        meant = reading.closest(node.raw, options)
        raise Wrong(f"is {node}", f"did you mean {meant}? known are {', '.join(options)}" if meant else "")

    return One(f"one of {', '.join(options)}", convert, {"enum": list(options)})


def flag(*, inverted: bool = False) -> One:
    def convert(node: Scalar, reading: Reading) -> Value:
        if node.kind == "bool":
            return bool(node.value) is not inverted
        raise Wrong(f"is {node}", _without_quotes(node) if node.raw in ("true", "false") else "")

    return One("true or false", convert, {"type": "boolean"})


def whole(wants: str, lowest: int, highest: int) -> One:
    def convert(node: Scalar, reading: Reading) -> Value:
        if node.kind == "int" and isinstance(node.value, int):
            if lowest <= node.value <= highest:
                return node.value
            raise Wrong(f"is {shorten(node.raw)}")
        if (
            node.kind == "text"
            and re.fullmatch("[0-9]{1,9}", node.raw)
            and lowest <= int(node.raw) <= highest
        ):
            raise Wrong(f"is {node}", _without_quotes(node))
        raise Wrong(f"is {node}")

    return One(wants, convert, {"type": "integer", "minimum": lowest, "maximum": highest})


def port(lowest: int) -> One:
    number = whole(f"a port from {lowest} to 65535", lowest, 65535)

    def convert(node: Scalar, reading: Reading) -> Value:
        if pair := _PAIR.fullmatch(node.raw):
            raise Wrong(f"is {node}", f"write localPort: {pair[1]} and targetPort: {pair[2]}")
        return number.convert(node, reading)

    return One(number.wants, convert, number.schema)


def port_or_name() -> One:
    """1..65535, or a port's name: lower-case letters, digits and '-', at least one of them a letter."""
    number = port(1)
    pattern = r"^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
    name = text("a port's name", pattern=pattern)

    def convert(node: Scalar, reading: Reading) -> Value:
        by_name = node.kind == "text" and any(c.isalpha() for c in node.raw)
        return (name if by_name else number).convert(node, reading)

    schema = {"anyOf": [number.schema, name.schema]}
    return One("a port from 1 to 65535, or its name", convert, schema, nullable=True)


def http_status() -> One:
    """`2xx`, or a number from 100 to 599, as text."""
    wants = "an HTTP status from 100 to 599, or a class such as 2xx"

    def convert(node: Scalar, reading: Reading) -> Value:
        if node.kind in ("text", "int") and re.fullmatch(HTTP_STATUS, node.raw):
            return node.raw
        raise Wrong(f"is {node}")

    number = {"type": "integer", "minimum": 100, "maximum": 599}
    return One(wants, convert, {"anyOf": [number, {"type": "string", "pattern": HTTP_STATUS}]})


def above(bound: float) -> One:
    """A finite number greater than `bound`."""

    def convert(node: Scalar, reading: Reading) -> Value:
        if node.kind in ("int", "float") and isinstance(node.value, int | float):
            if node.value > bound and math.isfinite(node.value):
                return float(node.value)
            raise Wrong(f"is {shorten(node.raw)}")
        raise Wrong(f"is {node}")

    return One(f"a number greater than {bound}", convert, {"type": "number", "exclusiveMinimum": bound})


def duration(lowest: float = 0.0) -> One:
    """Canonical afterwards: `60s` and 60 are `1m`."""
    least = f" of at least {durations.text_of(lowest)}" if lowest else ""

    def convert(node: Scalar, reading: Reading) -> Value:
        if node.kind not in ("int", "float", "text"):
            raise Wrong(f"is {node}")
        if re.match(r"-\.?[0-9]", node.raw):
            raise Wrong(f"is {shorten(node.raw)}, which is negative")
        try:
            length = durations.seconds(node.raw)
        except ValueError as error:
            raise Wrong(f"is {quote(node.raw)}, which {error}") from error
        if length < lowest:
            raise Wrong(f"is {shorten(node.raw)}")
        return durations.text_of(length)

    schema = {
        "anyOf": [{"type": "number", "minimum": lowest}, {"type": "string", "pattern": durations.PATTERN}]
    }
    return One(f"a time{least} such as 500ms, 1m30s or a number of seconds", convert, schema)


def address() -> One:
    def check(raw: str) -> None:
        if raw != "localhost":
            _ip(raw, raw)

    return text("an IP address of this machine, or localhost", check=check)


def host_and_port() -> One:
    def convert(node: Scalar, reading: Reading) -> Value:
        raw = node.raw if node.kind == "text" else ""
        host, colon, number = raw.rpartition(":")
        if not colon or not number.isdecimal() or not 1 <= int(number[:6]) <= 65535:
            raise Wrong(f"is {node}")
        if host != "localhost":
            _ip(host[1:-1] if host.startswith("[") and host.endswith("]") else host, raw)
        return raw

    schema = {"type": "string", "pattern": r"^\S+:[0-9]+$"}
    return One("an address and a port such as 127.0.0.1:9464", convert, schema, nullable=True)


def _ip(host: str, raw: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise Wrong(f"is {quote(raw)}") from error


def _text(node: Scalar) -> str:
    if node.kind != "text":
        raise Wrong(f"is {node}")
    if not node.raw:
        raise Wrong("is empty")
    if len(node.raw) > _LONGEST_TEXT:
        raise Wrong(
            f"is {quote(node.raw)}, which is {len(node.raw)} characters long", "write something shorter"
        )
    if not node.raw.isprintable():
        raise Wrong(f"is {quote(node.raw)}, which holds a control character")
    return node.raw


def _in_quotes(node: Scalar, right: Callable[[str], str]) -> str:
    """Said only where it helps."""
    try:
        right(node.raw)
    except Wrong:
        return ""
    return f'write "{shorten(node.raw)}" in quotes'


def _without_quotes(node: Scalar) -> str:
    return f"write {node.raw} without quotes"
