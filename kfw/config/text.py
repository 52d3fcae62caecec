"""Settings as a YAML file that says the same, if wanted with the place that each value came from. Pure."""

import json
import re
from collections.abc import Iterator

from kfw.config.merge import Branch, Leaf, Tree
from kfw.config.yaml_scalars import resolve

#: Comments stand in one column, unless the line is longer.
_COMMENT = 44

_PLAIN = re.compile(r"[A-Za-z0-9/][-A-Za-z0-9_./]*")


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
