"""The first document of a YAML or JSON text -> a tree whose nodes know their lines, or plain values. Pure, and bounded.

A hostile text costs no more than `YamlLimits` say: aliases are counted as what they stand for, before anything is made of
them, and nothing here recurses deeper than `depth`. Words of errors quote nothing of the text: it is full of secrets.
Values are those that sigs.k8s.io/yaml gives kubectl (YAML 1.1 of go-yaml v2, then JSON). What comes after the first
document is not even parsed, as there.
"""

import base64
import binascii
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_STR, _BINARY = "tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"
_CORE = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null", "timestamp"))

_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True)
class YamlLimits:
    """`size` in bytes; `nodes` with each alias counted as all that it stands for; `depth` of nesting."""

    size: int = 4 << 20
    nodes: int = 200_000
    depth: int = 100


LIMITS = YamlLimits()


class BadYaml(ValueError):
    """`line` counts from 1; None: it is about the whole text. `what` holds nothing of the text."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {what}" if line else what)
        self.what = what
        self.line = line


@dataclass(eq=False, repr=False, slots=True)
class YamlScalar:
    """`plain`: written without quotes and without a tag, so that `yes` may mean true."""

    text: str
    line: int
    plain: bool = True
    tag: str | None = None
    size: int = 1
    height: int = 1

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in _NULL

    @property
    def truth(self) -> bool | None:
        """What it means where true or false is wanted; None: neither."""
        if not self.plain:
            return None
        return True if self.text in _TRUE else False if self.text in _FALSE else None


@dataclass(eq=False, repr=False, slots=True)
class YamlSequence:
    line: int
    items: list["YamlNode"] = field(default_factory=list)
    size: int = 1
    height: int = 1


@dataclass(eq=False, repr=False, slots=True)
class YamlMapping:
    """Of a key that is there twice the last one counts; merge keys (`<<`) are resolved."""

    line: int
    items: dict[str, "YamlNode"] = field(default_factory=dict)
    size: int = 1
    height: int = 1


YamlNode = YamlScalar | YamlSequence | YamlMapping


def load_yaml(text: bytes, limits: YamlLimits = LIMITS) -> Any:
    """Dicts with str keys, lists, str, int, float, bool and None, as kubectl reads them. Raises BadYaml."""
    node = parse(text, limits)
    return None if node is None else value_of(node)


def parse(text: bytes, limits: YamlLimits = LIMITS) -> YamlNode | None:
    """None for a text without a document. UTF-8, or UTF-16 with a byte order mark. Raises BadYaml."""
    if len(text) > limits.size:
        raise BadYaml(f"it has more than {limits.size} bytes")
    try:
        return _Composer(limits).compose(_first_document(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(_without_names(error.problem), mark.line + 1 if mark else None) from error
    except (yaml.reader.ReaderError, UnicodeDecodeError) as error:
        at = getattr(error, "position", getattr(error, "start", None))
        line = text.count(b"\n", 0, at) + 1 if isinstance(at, int) else None
        raise BadYaml(str(getattr(error, "reason", "it is not UTF-8")), line) from error


def value_of(node: YamlNode) -> Any:
    """Raises BadYaml for what JSON has not, and for a tag that does not fit."""
    if isinstance(node, YamlScalar):
        return _scalar(node)
    if isinstance(node, YamlSequence):
        return [value_of(item) for item in node.items]
    return {key: value_of(item) for key, item in node.items.items()}


def text_of(node: YamlScalar) -> str:
    """As it is written, where a text is wanted: a token may look like a number. Raises BadYaml."""
    if node.tag != _BINARY:
        return node.text
    try:
        return base64.b64decode("".join(node.text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadYaml("what is tagged !!binary is not base64 of text", node.line) from error


def _scalar(node: YamlScalar) -> Any:
    if node.tag in _CORE:
        return _resolve(node.text, node.line)
    return _resolve(node.text, node.line) if node.plain else text_of(node)


def _resolve(text: str, line: int) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NOT_FINITE.fullmatch(text):
        raise BadYaml("infinity and NaN are not JSON numbers", line)
    digits = text.replace("_", "") if text[0].isdigit() or text[0] in "+-." else ""
    if _INT.fullmatch(digits) and len(digits) < 100:
        number = _integer(digits)
        return number if -(2**63) <= number < 2**64 else float(number)
    if _FLOAT.fullmatch(digits) and math.isfinite(real := float(digits)):
        return real
    return text


def _integer(digits: str) -> int:
    bare = digits.lstrip("+-")
    octal = len(bare) > 1 and bare[0] == "0" and bare[1].isdigit()  # 017, as in C
    return int(digits, 8) if octal else int(digits, 0)


def _without_names(problem: str | None) -> str:
    """libyaml names an anchor or a tag here and there, between quotes; what it expects is of one character."""
    return re.sub(r"'[^']{2,}'|\"[^\"]{2,}\"", "a word", problem or "it is not YAML")


def _first_document(text: bytes) -> Iterator[yaml.Event]:
    for event in yaml.parse(text, _Parser):
        if isinstance(event, yaml.DocumentEndEvent):
            return
        yield event


@dataclass
class _OpenNode:
    """A collection whose end has not come yet. `key` is set while the value of it is awaited."""

    node: YamlSequence | YamlMapping
    anchor: str | None
    key: str | None = None
    merge: bool = False


class _Composer:
    """Events -> a tree, without recursion."""

    def __init__(self, limits: YamlLimits) -> None:
        self._limits = limits
        self._anchors: dict[str, YamlNode] = {}
        self._open: list[_OpenNode] = []
        self._size = 0
        self._root: YamlNode | None = None

    def compose(self, events: Iterator[yaml.Event]) -> YamlNode | None:
        for event in events:
            line = event.start_mark.line + 1 if event.start_mark else 1
            match event:
                case yaml.ScalarEvent():
                    tag = event.tag if event.tag != "!" else _STR
                    plain = not event.style and tag is None
                    self._add(YamlScalar(event.value, line, plain, tag), event.anchor, line)
                case yaml.AliasEvent():
                    self._add(self._anchor(event.anchor, line), None, line)
                case yaml.SequenceStartEvent():
                    self._begin(YamlSequence(line), event.anchor, line)
                case yaml.MappingStartEvent():
                    self._begin(YamlMapping(line), event.anchor, line)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    done = self._open.pop()
                    self._add(done.node, done.anchor, line, counted=True)
        return self._root

    def _anchor(self, name: str | None, line: int) -> YamlNode:
        found = self._anchors.get(name or "")
        if found is None:
            raise BadYaml("an alias names an anchor that does not come before it", line)
        return found

    def _begin(self, node: YamlSequence | YamlMapping, anchor: str | None, line: int) -> None:
        if self._open and isinstance(self._open[-1].node, YamlMapping) and self._open[-1].key is None:
            raise BadYaml("a key is a list or a mapping, not a string", line)
        self._count(1, line)
        self._open.append(_OpenNode(node, anchor))
        if len(self._open) > self._limits.depth:
            raise BadYaml(f"it is nested more than {self._limits.depth} deep", line)

    def _count(self, size: int, line: int) -> None:
        self._size += size
        if self._size > self._limits.nodes:
            raise BadYaml(f"it stands for more than {self._limits.nodes} values", line)

    def _add(self, node: YamlNode, anchor: str | None, line: int, *, counted: bool = False) -> None:
        if not counted:
            self._count(node.size, line)
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
            return
        around = self._open[-1]
        if len(self._open) + node.height > self._limits.depth:
            raise BadYaml(f"it is nested more than {self._limits.depth} deep", line)
        around.node.size += node.size
        around.node.height = max(around.node.height, node.height + 1)
        if isinstance(around.node, YamlSequence):
            around.node.items.append(node)
        else:
            self._add_to_mapping(around, around.node, node, line)

    def _add_to_mapping(self, around: _OpenNode, mapping: YamlMapping, node: YamlNode, line: int) -> None:
        if around.key is None:
            if not isinstance(node, YamlScalar):
                raise BadYaml("a key is a list or a mapping, not a string", line)
            around.key, around.merge = node.text, node.plain and node.text == "<<"
            return
        if around.merge:
            mapping.items.update(_values_to_merge(node, line))
        else:
            mapping.items[around.key] = node
        around.key = None


def _values_to_merge(node: YamlNode, line: int) -> dict[str, YamlNode]:
    """A mapping, or a list of them, of which the first that has a key counts. https://yaml.org/type/merge.html"""
    parts = node.items if isinstance(node, YamlSequence) else [node]
    merged: dict[str, YamlNode] = {}
    for part in parts:
        if not isinstance(part, YamlMapping):
            raise BadYaml("what is merged by << is neither a mapping nor a list of mappings", line)
        merged = {**part.items, **merged}
    return merged
