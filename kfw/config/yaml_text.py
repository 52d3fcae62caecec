"""YAML text to nodes, by the parser's events: no recursion, no tree that a bomb could blow up, every place known. And
back.

PyYAML's events are read, not its values: it keeps the last of two equal keys, and turns `on` into true and 22:22 into
1342 (YAML 1.1). Here such scalars stay what was written, marked as odd, and Settings are written so that no reader
takes a text for something else.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from kfw.config.merge import Branch, Leaf, Tree
from kfw.config.tree import Kind, Mapping, Node, Place, Scalar, Sequence, Unparsable, quote, shorten

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
DEEPEST = 32
#: Values in one file with every alias written out. A hundred forwards are 2,000.
MOST_VALUES = 100_000

_FIXES = (
    (
        "mapping values are not allowed",
        "put text that holds ': ' in quotes, or align this line with the one above",
    ),
    ("tab character", "indent with spaces, not with a tab"),
    ("unexpected end of stream", "close the quote that begins here"),
    ("expected ',' or ']'", "close the list with ]"),
    ("expected ',' or '}'", "close the mapping with }"),
    ("could not find expected ':'", "write key: value"),
    ("node content", "write a value, or close the bracket"),
    ("document start", "keep one mapping in a file"),
    ("block end", "align this line with its neighbours"),
    ("expected '-' indicator", "align this line with its neighbours"),
    ("expected key", "align this line with its neighbours"),
    ("control characters", "remove it"),
    ("special characters", "remove it"),
    ("unknown escape", "write \\\\ for a backslash, or use single quotes"),
    ("escape", "write \\\\ for a backslash, or use single quotes"),
)
#: Comments stand in one column, unless the line is longer.
_COMMENT = 44

_PLAIN = re.compile(r"[A-Za-z0-9/][-A-Za-z0-9_./]*")


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


def parse(text: str, at: Place, *, loader: Any = None) -> Node:
    """The one document of `text`; a Scalar of kind null if there is none. Raises Unparsable. `at.file` names it."""
    return _documents(text, at, loader, several=False)[0]


def parse_all(text: str, at: Place) -> list[Node]:
    """As `parse`, of a file that may have several documents."""
    return _documents(text, at, None, several=True)


def _documents(text: str, at: Place, loader: Any, *, several: bool) -> list[Node]:
    import yaml

    try:
        parser = (loader or getattr(yaml, "CSafeLoader", yaml.SafeLoader))(text)
        try:
            return _read_documents(parser, at, several=several)
        finally:
            parser.dispose()
    except yaml.reader.ReaderError as error:
        raise Unparsable(
            _position(at, text, error.position), _words(str(error.reason)), "remove it"
        ) from error
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, at, text) from error


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    at: Place
    is_mapping: bool
    anchor: str | None
    nodes: list[Node] = field(default_factory=list)
    size: int = 1


@dataclass(slots=True)
class _Builder:
    at: Place
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Node, int]] = field(default_factory=dict)
    root: Node | None = None

    def add(self, node: Node, size: int, anchor: str | None = None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node, size
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if top.is_mapping and len(top.nodes) % 2 == 0 and not isinstance(node, Scalar):
            raise Unparsable(node.at, f"{node} cannot be a key", "write a name before the colon")
        top.nodes.append(node)
        top.size += size
        if top.size > MOST_VALUES:
            what = f"the file holds more than {MOST_VALUES} values when its aliases are written out"
            raise Unparsable(node.at, what, "use fewer aliases")

    def open(self, place: Place, anchor: str | None, *, is_mapping: bool) -> None:
        if len(self.stack) == DEEPEST:
            raise Unparsable(place, f"this is nested more than {DEEPEST} levels deep", "nest it less deeply")
        if anchor is not None:
            self.anchors.pop(anchor, None)
        self.stack.append(_Open(place, is_mapping, anchor))

    def close(self) -> None:
        top = self.stack.pop()
        node = _mapping(top) if top.is_mapping else Sequence(top.at, tuple(top.nodes))
        self.add(node, top.size, top.anchor)

    def alias(self, place: Place, name: str) -> None:
        if name not in self.anchors:
            itself = any(each.anchor == name for each in self.stack)
            what = "contains itself" if itself else "has no anchor above it"
            raise Unparsable(place, f"the alias *{shorten(name)} {what}", "write the value out")
        node, size = self.anchors[name]
        self.add(replace(node, at=place), size)


def _mapping(top: _Open) -> Mapping:
    keys, values = top.nodes[::2], top.nodes[1::2]
    return Mapping(top.at, tuple((k, v) for k, v in zip(keys, values, strict=True) if isinstance(k, Scalar)))


def _read_documents(parser: Any, at: Place, *, several: bool) -> list[Node]:
    from yaml import events

    built, before = _Builder(at), list[Node]()
    while not isinstance(event := parser.get_event(), events.StreamEndEvent):
        place = Place(at.file, event.start_mark.line + 1, event.start_mark.column + 1, at.layer)
        kind = type(event)
        if kind is events.ScalarEvent:
            _no_tag(event, place)
            built.add(_scalar(event, place), 1, event.anchor)
        elif kind in (events.MappingStartEvent, events.SequenceStartEvent):
            _no_tag(event, place)
            built.open(place, event.anchor, is_mapping=kind is events.MappingStartEvent)
        elif kind in (events.MappingEndEvent, events.SequenceEndEvent):
            built.close()
        elif kind is events.AliasEvent:
            built.alias(place, event.anchor)
        elif kind is events.DocumentStartEvent and built.root is not None:
            if not several:
                raise Unparsable(place, "a second document begins here", "keep one document in a file")
            before.append(built.root)
            built = _Builder(at)
    return [*before, built.root or Scalar(at, "null", None, "")]


def _no_tag(event: Any, place: Place) -> None:
    if event.tag is not None:
        raise Unparsable(place, f"the tag {quote(event.tag)} is not supported", "write the value without it")


def _scalar(event: Any, place: Place) -> Scalar:
    raw = event.value
    if not event.implicit[0] or event.style:
        return Scalar(place, "text", raw, raw)
    kind, value = resolve(raw)
    return Scalar(place, kind, value, raw)


def _position(at: Place, text: str, index: int) -> Place:
    before = text[:index]
    return Place(at.file, before.count("\n") + 1, index - before.rfind("\n"), at.layer)


def _words(problem: str) -> str:
    return "this is not YAML: " + " ".join(problem.split())


def _syntax_error(error: Any, at: Place, text: str) -> Unparsable:
    """In the parser's own words, with the line to look at and what usually fixes it."""
    problem = error.problem or error.context or "it cannot be read"
    lines = text.split("\n")
    mark, began = error.problem_mark, error.context_mark
    if began and (
        mark is None or "end of stream" in problem or "stream end" in problem or mark.line >= len(lines)
    ):
        mark = began  # what is open at the end is to be fixed where it begins
    line = min(mark.line, len(lines) - 1) if mark else 0
    column = mark.column if mark and line == mark.line else len(lines[line])
    place = Place(at.file, line + 1, column + 1, at.layer)
    if "cannot start any token" in problem or lines[line][column:].startswith("::"):  # an IPv6 address
        return Unparsable(place, _words(problem), _cannot_start(lines[line]))
    fix = next(
        (fix for words, fix in _FIXES if words in problem), "check the quotes and the indentation here"
    )
    return Unparsable(place, _words(problem), fix)


def _cannot_start(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return "indent with spaces, not with a tab" if "\t" in indent else "put the value in quotes"


def as_yaml(tree: Branch, *, with_origin: bool = False) -> str:
    return "\n".join(_lines(tree, "", with_origin))


def _lines(branch: Branch, indent: str, with_origin: bool) -> Iterator[str]:
    for key, child in branch.children.items():
        yield from _entry(scalar(key), child, indent, with_origin)


def _entry(key: str, child: Tree, indent: str, with_origin: bool) -> Iterator[str]:
    if isinstance(child, Leaf):
        line = f"{indent}{key}: {_value(child)}"
        yield f"{line:{_COMMENT}} # {child.at.origin}" if with_origin else line
    elif child.children:
        yield f"{indent}{key}:"
        yield from _lines(child, indent + "  ", with_origin)
    else:
        yield f"{indent}{key}: {{}}"


def _value(leaf: Leaf) -> str:
    if isinstance(leaf.value, list):
        return f"[{', '.join(scalar(each) for each in leaf.value)}]"
    return scalar(leaf.value)


def scalar(value: object) -> str:
    """Text without quotes where no YAML reader takes it for something else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and resolve(value)[0] == "text":
        return value
    return json.dumps(value, ensure_ascii=False)
