"""One entry put into the text of a config file, or taken out of it; every other byte stays as it is. Pure.

By the places that PyYAML's nodes have, not by a library that loads and dumps: ruamel.yaml keeps comments, but moves those
after the last entry in front of a new one, and writes spaces and nulls in its own way. What comes out is read again: it must
say what the text said before and the change, or the edit is refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from kfw.config import toml_text, yaml_text
from kfw.config.blocks import camel, snake
from kfw.config.tree import Mapping as MappingNode
from kfw.config.tree import Node, Place, Scalar, Unparsable

#: A forward's keys as a config file has them.
Entry: TypeAlias = Mapping[str, str | int | bool | list[str]]

_FORWARDS = "portForwards"


class CannotEdit(Exception):
    """The file would not say what is wanted. The text says why."""


def with_forward(text: str, at: Place, name: str, entry: Entry) -> str:
    """Below portForwards, after what is there. `at.file` names the file, which is TOML if it ends so.

    Raises Unparsable, and CannotEdit.
    """
    before = _said(text, at)
    if _find(before, name):
        raise CannotEdit(f"'{name}' is in it already")
    if _is_toml(at):
        after = text.rstrip("\n") + ("\n\n" if text.strip() else "") + _toml_table(name, entry)
    else:
        after = _Yaml(text).add(name, entry)
    wanted = _with(before, name, entry)
    _prove(after, at, wanted)
    return after


def without_forward(text: str, at: Place, name: str) -> str:
    """Of portForwards or of a profile. Comments in the entry and behind it go with it, those above it stay.

    Raises Unparsable, and CannotEdit.
    """
    before = _said(text, at)
    path = _find(before, name)
    if not path:
        raise CannotEdit(f"it has no '{name}'")
    if _is_toml(at):
        raise CannotEdit("kfw cannot remove anything from TOML")
    after = _Yaml(text).remove(path)
    _prove(after, at, _without(before, path))
    return after


def as_text(name: str, entry: Entry, at: Place) -> str:
    """The entry as the file would have it, to be written by hand."""
    if _is_toml(at):
        return _toml_table(name, entry)
    return "".join(f"{line}\n" for line in ("portForwards:", *_block(name, entry, "  ", "  ", snakes=False)))


# -- what a text says


def _is_toml(at: Place) -> bool:
    return at.file.lower().endswith(".toml")


def _said(text: str, at: Place) -> dict[str, Any]:
    """As plain data with camelCase keys; {} for an empty file."""
    node = (toml_text if _is_toml(at) else yaml_text).parse(text, at)
    said = _plain(node)
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise Unparsable(node.at, f"the file is {node}", "write a mapping that begins with portForwards:")
    return said


def _plain(node: Node) -> Any:
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, MappingNode):
        return {key.raw: _plain(value) for key, value in node.pairs}
    return [_plain(item) for item in node.items]


def _key(block: Mapping[str, Any], name: str) -> str:
    """`name`, or as this block has it in snake_case."""
    return snake(name) if snake(name) in block else name


def _find(said: Mapping[str, Any], name: str) -> list[str]:
    """The keys that lead to the forward; [] if it is not there."""
    forwards = _key(said, _FORWARDS)
    if name in _inside(said, forwards):
        return [forwards, name]
    profiles = _inside(said, "profiles")
    for profile in profiles:
        its = _inside(profiles, profile)
        inner = _key(its, _FORWARDS)
        if name in _inside(its, inner):
            return ["profiles", profile, inner, name]
    return []


def _inside(block: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The block below `key`; {} where there is none, or something else."""
    found = block.get(key)
    return found if isinstance(found, dict) else {}


def _with(said: dict[str, Any], name: str, entry: Entry) -> dict[str, Any]:
    forwards = _key(said, _FORWARDS)
    return {**said, forwards: {**_inside(said, forwards), name: dict(entry)}}


def _without(said: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """What is empty then is an empty block."""
    first, *rest = path
    inner = {key: value for key, value in said.items() if key != first}
    return inner if not rest else {**said, first: _without(said[first], rest)}


def _prove(text: str, at: Place, wanted: dict[str, Any]) -> None:
    try:
        now = _said(text, at)
    except Unparsable as error:
        raise CannotEdit(f"the result would not be valid: {error.problem.what}") from error
    if _canonical(now) != _canonical(wanted):
        raise CannotEdit("it is written in a form that kfw cannot add to")


def _canonical(value: Any, depth: int = 0) -> Any:
    """An empty block is nothing, and both ways to write a key are one."""
    if isinstance(value, dict):
        return {camel(key): _canonical(each) for key, each in value.items()} or None
    return value


# -- YAML


@dataclass(frozen=True)
class _Span:
    """Characters of the text: from the first one of a node to the one after the last."""

    start: int
    end: int


class _Yaml:
    """A text that yaml_text.parse has accepted: so it is small, not deep, and one document."""

    def __init__(self, text: str) -> None:
        import yaml

        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        # The parser in Python: that in C counts bytes in some versions, and lines in others.
        self._root: Any = yaml.compose(text, Loader=yaml.SafeLoader)

    def add(self, name: str, entry: Entry) -> str:
        snakes = any("_" in key for key in _keys(self._root))
        found = _pair(self._root, _FORWARDS) or _pair(self._root, snake(_FORWARDS))
        if found is None:
            forwards = snake(_FORWARDS) if snakes else _FORWARDS
            head = "\n" if self._text.strip() else ""
            lines = [f"{forwards}:", *_block(name, entry, "  ", "  ", snakes=snakes)]
            return self._put(len(self._text), [*([""] if head else []), *lines])
        key, value = found
        if _is_mapping(value) and value.flow_style:
            return self._add_to_flow(value, name, entry, snakes=snakes)
        if not _is_mapping(value) or not value.value:
            indent = " " * (key.start_mark.column + 2)
            end = self._line_end(max(key.end_mark.index, value.end_mark.index))
            return self._put(end, _block(name, entry, indent, "  ", snakes=snakes))
        return self._add_to_block(key, value, name, entry, snakes=snakes)

    def _add_to_flow(self, value: Any, name: str, entry: Entry, *, snakes: bool) -> str:
        """In quotes where the names before it are: a JSON file is YAML, and stays JSON."""
        if value.value and value.value[-1][0].style == '"':
            written = f"{json.dumps(name)}: {json.dumps(dict(entry), ensure_ascii=False)}"
        else:
            written = f"{name}: {_flow(entry, snakes=snakes)}"
        if value.value:
            at = self._end(*value.value[-1])
            return f"{self._text[:at]}, {written}{self._text[at:]}"
        return f"{self._text[: value.start_mark.index]}{{{written}}}{self._text[value.end_mark.index :]}"

    def _add_to_block(self, key: Any, value: Any, name: str, entry: Entry, *, snakes: bool) -> str:
        """As the entry before it is written: on one line or on several, as far in, with an empty line between or without."""
        last_key, last = value.value[-1]
        indent = " " * last_key.start_mark.column
        if _is_mapping(last) and last.flow_style:
            lines = [f"{indent}{name}: {_flow(entry, snakes=snakes)}"]
        else:
            inner = last.value[0][0].start_mark.column if _is_mapping(last) and last.value else 0
            step = " " * (inner - last_key.start_mark.column) if inner > last_key.start_mark.column else "  "
            lines = _block(name, entry, indent, step, snakes=snakes)
        ends = self._behind_comments(self._line_end(self._end(last_key, last)), last_key.start_mark.column)
        spaced = [self._is_spaced(one, other) for one, other in pairwise(value.value)]
        return self._put(ends, ["", *lines] if spaced and all(spaced) else lines)

    def _behind_comments(self, index: int, column: int) -> int:
        """Those right below the last entry, as far in as it is, are of its block."""
        comments = re.compile(rf"(?:[ ]{{{column},}}#[^\n]*(?:\n|\Z))*").match(self._text, index)
        return comments.end() if comments and column else index

    def _is_spaced(self, one: Any, other: Any) -> bool:
        between = self._text[self._end(*one) : other[0].start_mark.index]
        return re.search(r"\n[ \t]*\r?\n", between) is not None

    def remove(self, path: list[str]) -> str:
        parent: Any = None
        found: Any = None
        node = self._root
        for step in path:
            parent, found = node, _pair(node, step)
            if found is None:
                raise CannotEdit(f"'{path[-1]}' is written in a form that kfw cannot remove")
            node = found[1]
        key, value = found
        if parent.flow_style:
            return self._remove_from_flow(parent, key, value)
        start = self._text.rfind("\n", 0, key.start_mark.index) + 1
        before, after = self._text[:start], self._text[self._line_end(self._end(key, value)) :]
        if before.endswith(("\n\n", "\n\r\n")) and (not after or after[0] in "\r\n"):
            before = before.removesuffix("\n").removesuffix(
                "\r"
            )  # of two empty lines that would meet, one stays
        return before + after

    def _remove_from_flow(self, parent: Any, key: Any, value: Any) -> str:
        start, end = key.start_mark.index, self._end(key, value)
        after = re.match(r"\s*,[ \t]*", self._text[end:])
        if after and len(parent.value) > 1 and parent.value[-1][0] is not key:
            return self._text[:start] + self._text[end + after.end() :]
        before = re.search(r"\s*,\s*$", self._text[:start])
        return self._text[: before.start() if before else start] + self._text[end:]

    def _end(self, key: Any, value: Any) -> int:
        """Behind the last character of the pair. A block ends with its last value, not before the next key as PyYAML has it;
        an alias is the node that it stands for, which begins elsewhere."""
        if value.start_mark.index < key.end_mark.index:
            line = self._text.find("\n", key.end_mark.index)
            return len(self._text) if line < 0 else line
        last = value.value[-1] if not isinstance(value.value, str) and value.value else None
        if last is None or value.flow_style:
            return max(int(key.end_mark.index), int(value.end_mark.index))
        return self._end(*last) if _is_mapping(value) else self._end(key, last)

    def _line_end(self, index: int) -> int:
        """The beginning of the line after it; a text in a block ends there by itself."""
        if index and self._text[index - 1] == "\n":
            return index
        line = self._text.find("\n", index)
        return len(self._text) if line < 0 else line + 1

    def _put(self, at: int, lines: list[str]) -> str:
        before = self._text[:at]
        if before and not before.endswith("\n"):
            before += self._newline
        return before + "".join(line + self._newline for line in lines) + self._text[at:]


def _is_mapping(node: Any) -> bool:
    return getattr(node, "id", "") == "mapping"


def _pair(node: Any, name: str) -> Any:
    """The key's and the value's node."""
    return next((pair for pair in node.value if pair[0].value == name), None) if _is_mapping(node) else None


def _keys(node: Any) -> list[str]:
    """Of kfw's blocks in this file, but not the names that a user chose."""
    found = []
    for key, value in node.value if _is_mapping(node) else ():
        found.append(key.value)
        for _, inner in value.value if _is_mapping(value) else ():
            found += [each.value for each, _ in inner.value] if _is_mapping(inner) else []
    return found


def _block(name: str, entry: Entry, indent: str, step: str, *, snakes: bool) -> list[str]:
    inner = indent + step
    return [f"{indent}{name}:", *(f"{inner}{line}" for line in _lines(entry, snakes=snakes))]


def _flow(entry: Entry, *, snakes: bool) -> str:
    return f"{{{', '.join(_lines(entry, snakes=snakes))}}}"


def _lines(entry: Entry, *, snakes: bool) -> list[str]:
    return [f"{snake(key) if snakes else key}: {_value(value)}" for key, value in entry.items()]


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(yaml_text.scalar(each) for each in value)}]"
    return yaml_text.scalar(value)


# -- TOML


def _toml_table(name: str, entry: Entry) -> str:
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in entry.items())
    return f"[portForwards.{name}]\n{''.join(lines)}"
