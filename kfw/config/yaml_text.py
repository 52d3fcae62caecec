"""YAML text to nodes, by the parser's events: no recursion, no tree that a bomb could blow up, every place known.

PyYAML's events are read, not its values: it keeps the last of two equal keys, and turns `on` into true and 22:22
into 1342 (YAML 1.1). Here such scalars stay what was written, marked as odd.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from kfw.config.tree import Mapping, Node, Place, Scalar, Sequence, Unparsable, quote, shorten
from kfw.config.yaml_scalars import resolve

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


def parse(text: str, at: Place, *, loader: Any = None) -> Node:
    """The one document of `text`; a Scalar of kind null if there is none. Raises Unparsable. `at.file` names it."""
    import yaml

    try:
        parser = (loader or getattr(yaml, "CSafeLoader", yaml.SafeLoader))(text)
        try:
            return _document(parser, at)
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
            raise Unparsable(place, f"this is nested more than {DEEPEST} levels deep", "write it flatter")
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


def _document(parser: Any, at: Place) -> Node:
    from yaml import events

    built = _Builder(at)
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
            raise Unparsable(place, "a second document begins here", "keep one document in a file")
    return built.root or Scalar(at, "null", None, "")


def _no_tag(event: Any, place: Place) -> None:
    if event.tag is not None:
        raise Unparsable(place, f"the tag {quote(event.tag)} is not read", "write the value without it")


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
