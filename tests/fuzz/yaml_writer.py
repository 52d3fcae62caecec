"""Data as YAML in every style that YAML has, chosen by chance: what kubectl reads as one thing is written in many ways."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

#: What a plain text begins with in the configs of people who do not know that YAML has a meaning for it.
ODD_BEGINNINGS = (
    "*",
    "&",
    "!",
    "!!",
    "%",
    "@",
    "`",
    "|",
    ">",
    "? ",
    "- ",
    "#",
    "[",
    "{",
    '"',
    "'",
    "!!int ",
    "!!binary ",
)
_TAGS = (
    "!!str",
    "!!int",
    "!!float",
    "!!bool",
    "!!null",
    "!!binary",
    "!!set",
    "!!omap",
    "!!timestamp",
    "!!map",
    "!!seq",
)
_TAGS += ("!x", "!!python/object/apply:os.getpid", "!!python/name:os.system", "!<tag:x>", "!!merge")


class YamlWriter:
    """`odd`: the chance of each oddity. A text with `mark` in it is written alone on its line, and never as an anchor
    that something of another name uses."""

    def __init__(self, random: Random, mark: str, odd: float) -> None:
        self._random, self._mark, self._odd = random, mark, odd
        self._anchors: dict[str, list[str]] = {}  # of mappings, by the key they stand at

    def document(self, value: Any) -> str:
        text = "\n".join(self._block(value, 0, "")) + "\n"
        if self._chance(0.3):
            text = (
                self._random.choice(
                    ("---\n", "%YAML 1.1\n---\n", "# c\n\n---\n", "%TAG ! x\n---\n", "\ufeff")
                )
                + text
            )
        if self._chance(0.3):
            text += self._random.choice(
                ("---\n", "...\n", "---\nkind: Config\n", "---\n- 1\n", "--- \n...\n---\n", "---\n[\n")
            )
        return text

    def _chance(self, part: float = 1.0) -> bool:
        return self._random.random() < self._odd * part

    def _block(self, value: Any, indent: int, key: str) -> list[str]:
        pad = " " * indent
        if isinstance(value, Mapping) and value:
            return self._mapping(value, indent)
        if isinstance(value, Sequence) and value and not isinstance(value, str):
            lines = []
            for one in value:
                inner = self._block(one, indent + 2, key)
                lines += [f"{pad}- {inner[0].lstrip(' ')}", *inner[1:]]
            return lines
        return [pad + self._scalar(value)]

    def _mapping(self, value: Mapping[Any, Any], indent: int) -> list[str]:
        pad, lines = " " * indent, list[str]()
        for key, inner in value.items():
            lines += self._entry(str(key), inner, indent)
            if self._chance(0.1):
                lines += self._entry(str(key), inner, indent)  # twice
        if self._chance(0.1):
            merges = ("{}", "{a: b}", "5", "[]", "[{a: b}]", "*none", "~", "[[]]", "{<<: {}}", '"<<"')
            lines.append(f"{pad}<<: {self._random.choice(merges)}")
        if self._chance(0.1):
            lines.append(
                pad
                + self._random.choice(
                    ("\t", "# c", "? [a]\n" + pad + ": b", "~: x", "1: 2", "[a]: b", "{}: c")
                )
            )
        return lines

    def _entry(self, key: str, value: Any, indent: int) -> list[str]:
        pad, name = " " * indent, self._key(key)
        known = self._anchors.setdefault(key, [])
        if isinstance(value, Mapping) and value:
            if known and self._chance():
                return [f"{pad}{name}: *{self._random.choice(known)}"]
            if known and self._chance():
                return [
                    f"{pad}{name}:",
                    f"{pad}  <<: *{self._random.choice(known)}",
                    *self._mapping(value, indent + 2),
                ]
            anchor = ""
            if self._chance():
                anchor = (
                    f" &{key.replace(' ', '')[:9]}{len(known)}" if key.isascii() and key.isalnum() else " &x"
                )
                known.append(anchor[2:])
            if self._chance(0.2) and self._mark not in json.dumps(value, default=str):
                return [f"{pad}{name}:{anchor} {json.dumps(value, default=str)}"]
            return [f"{pad}{name}:{anchor}", *self._mapping(value, indent + 2)]
        if isinstance(value, Sequence) and value and not isinstance(value, str):
            return [f"{pad}{name}:", *self._block(value, indent + self._random.choice((0, 2)), key)]
        return [f"{pad}{name}: {self._scalar(value)}"]

    def _key(self, key: str) -> str:
        if key.replace("-", "").isalnum() and key.isascii():
            return (
                key
                if not self._chance(0.2)
                else self._random.choice((f'"{key}"', f"'{key}'", f"!!str {key}", f"{key} "))
            )
        return json.dumps(key)

    def _scalar(self, value: Any) -> str:
        if isinstance(value, str):
            return self._text(value)
        written = json.dumps(value, default=str)
        return f"{self._random.choice(_TAGS)} {written}" if self._chance(0.2) else written

    def _text(self, value: str) -> str:
        quoted = json.dumps(value)
        if not (value.isascii() and value.isprintable() and value.strip() == value and value):
            return quoted
        plain = value if not set(value) & set("#:[]{},&*!|>'\"%@`") else quoted
        if self._chance(0.3):
            return f"{self._random.choice(_TAGS)} {plain}"
        if self._mark in value and self._chance():
            return self._random.choice(ODD_BEGINNINGS) + value
        return self._random.choice((quoted, plain, plain))


def bomb(random: Random, levels: int, width: int) -> str:
    """Aliases of aliases: `width` ** `levels` things when written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]" if random.random() < 0.5 else "a0: &a0 {k: x}"]
    for level in range(1, levels + 1):
        inner = ", ".join(
            f"*a{level - 1}" if lines[0][8] == "[" or random.random() < 0.9 else "x" for _ in range(width)
        )
        lines.append(f"a{level}: &a{level} [{inner}]")
    return "\n".join(lines)


def merge_bomb(levels: int, width: int) -> str:
    lines = ["m0: &m0 {" + ", ".join(f"k{n}: v" for n in range(50)) + "}"]
    for level in range(1, levels + 1):
        lines.append(f"m{level}: &m{level} {{<<: [{', '.join([f'*m{level - 1}'] * width)}]}}")
    return "\n".join(lines)
