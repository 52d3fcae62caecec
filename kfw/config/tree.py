"""A config file as a tree in which every value knows where it stands; YAML and TOML both become this. Pure."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

#: Longest piece of a file that is repeated in a message.
_LONGEST_QUOTE = 60

Kind: TypeAlias = Literal["text", "int", "float", "bool", "null", "odd"]


class Place(NamedTuple):
    """Lines and columns count from 1; line 0 is something that has no lines, such as a flag."""

    file: str
    line: int = 1
    column: int = 1
    layer: str = ""  # embedded, remote, user, project, config or flag

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def origin(self) -> str:
        """For people: `project kfw.yaml:12`, `flag --context`."""
        return f"{self.layer} {self.file}:{self.line}" if self.line else f"{self.layer} {self.file}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """`raw` as it was written; `odd` is what YAML 1.1 turns into something nobody meant, such as 22:22 or 0777."""

    at: Place
    kind: Kind
    value: str | int | float | bool | None
    raw: str

    def __str__(self) -> str:
        match self.kind:
            case "null":
                return "nothing"
            case "text":
                return quote(self.raw) if self.raw else "empty"
            case "bool" if self.raw.lower() not in ("true", "false"):
                return f"{quote(self.raw)}, which YAML reads as {str(self.value).lower()}"
            case "odd" if isinstance(self.value, int | float):
                return f"{quote(self.raw)}, which YAML reads as the number {self.value}"
            case "odd":
                return f"{quote(self.raw)}, which is a date"
            case "int" | "float":
                return f"the number {shorten(self.raw)}"
        return shorten(self.raw)


@dataclass(frozen=True, slots=True)
class Sequence:
    at: Place
    items: tuple["Node", ...]

    def __str__(self) -> str:
        return "a list"


@dataclass(frozen=True, slots=True)
class Mapping:
    """`pairs` in the order of the file; a key may stand there twice."""

    at: Place
    pairs: tuple[tuple[Scalar, "Node"], ...]

    def __str__(self) -> str:
        return "a mapping"

    def get(self, key: str) -> "Node | None":
        return next((node for name, node in self.pairs if name.raw == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """`what` states the fact and `fix` what to write instead, both without a full stop."""

    at: Place
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.at}: {self.what}, {self.fix}"


class Unparsable(Exception):
    """The file is not YAML or TOML that kfw reads; nothing of it can be used."""

    def __init__(self, at: Place, what: str, fix: str) -> None:
        super().__init__(what)
        self.problem = ConfigProblem(at, what, fix)


def text_at(at: Place, text: str) -> Scalar:
    return Scalar(at, "text", text, text)


def shorten(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """On one line, without control characters, and no longer than a message can bear."""
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: longest + 1])
    return plain if len(plain) <= longest else plain[:longest] + "..."


def quote(text: str) -> str:
    return f"'{shorten(text)}'"
