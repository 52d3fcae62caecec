"""What comments, docstrings and pages point to: where the words stand, and what there is to point to."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("kfw", "tests", "docs", "scripts", "quick-start", ".ci")
WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Said:
    """Words for people, and where they begin."""

    file: Path
    line: int
    text: str

    def at(self, offset: int) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line + self.text.count(chr(10), 0, offset)}"


@dataclass
class Source:
    """A file of Python: its comments and docstrings, its words, and what it defines."""

    file: Path
    said: list[Said] = field(default_factory=list)
    strings: list[Said] = field(default_factory=list)
    words: set[str] = field(
        default_factory=set
    )  #: of the code: names, attributes, parameters, and those in strings
    defines: set[str] = field(default_factory=set)  #: functions, classes, fields, constants
    members: dict[str, set[str]] = field(default_factory=dict)  #: by class

    @cached_property
    def text(self) -> str:
        return self.file.read_text("utf-8")


@cache
def files() -> tuple[Path, ...]:
    inside = [path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.is_file()]
    top = [path for path in ROOT.iterdir() if path.is_file()]
    return tuple(sorted(path for path in [*inside, *top] if "__pycache__" not in path.parts))


@cache
def pages() -> list[Said]:
    return [Said(path, 1, path.read_text("utf-8")) for path in files() if path.suffix == ".md"]


@cache
def scripts() -> list[Said]:
    """Shell scripts and the Makefile whole: their code names files, too."""
    named = [path for path in files() if path.name in ("Makefile", "run") or path.suffix in (".sh", ".bash")]
    return [Said(path, 1, path.read_text("utf-8")) for path in named]


@cache
def sources() -> dict[Path, Source]:
    return {path: read_source(path) for path in files() if path.suffix == ".py"}


def comments() -> list[Said]:
    """What `#` and docstrings say, in all Python."""
    return [said for source in sources().values() for said in source.said]


def read_source(path: Path) -> Source:
    source = Source(path)
    source.said += _comments(source)
    source.defines |= (
        set(path.relative_to(ROOT).with_suffix("").parts) if path.is_relative_to(ROOT) else set()
    )
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(id(node.value))  # ast.walk meets it later
            if isinstance(node.value.value, str):
                source.said.append(Said(path, node.lineno, node.value.value))
        elif id(node) not in docstrings:
            _note(node, source)
    return source


def _note(node: ast.AST, source: Source) -> None:
    match node:
        case ast.Constant(value=str(text)):
            source.strings.append(Said(source.file, node.lineno, text))
            source.words.update(WORD.findall(text))
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            source.defines.add(name)
            source.words.add(name)
        case ast.ClassDef(name=name):
            source.defines.add(name)
            source.words.add(name)
            source.members.setdefault(name, set()).update(_members(node))
        case ast.AnnAssign(target=ast.Name(id=name)):
            source.defines.add(name)
        case ast.Name(id=name):
            source.words.add(name)
            if name.isupper():
                source.defines.add(name)
        case ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
            source.words.add(name)
        case ast.alias(name=name, asname=other):
            source.words.update(name.split("."), [other] if other else [])
        case ast.ImportFrom(module=str(name)):
            source.words.update(name.split("."))
        case _:
            pass


def _members(node: ast.ClassDef) -> Iterator[str]:
    """Methods, fields, and what is set on self."""
    for inner in ast.walk(node):
        match inner:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.Name(id=name, ctx=ast.Store())
            ):
                yield name
            case ast.Attribute(attr=name, value=ast.Name(id="self"), ctx=ast.Store()):
                yield name
            case _:
                pass


def _comments(source: Source) -> Iterator[Said]:
    """Lines of `#` that follow each other are one."""
    lines: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            if lines and token.start[0] != last + 1:
                yield Said(source.file, first, "\n".join(lines))
                lines = []
            first = first if lines else token.start[0]
            last = token.start[0]
            lines.append(token.string.lstrip("#: "))
    if lines:
        yield Said(source.file, first, "\n".join(lines))


# -- what there is


@cache
def defined() -> frozenset[str]:
    """Every function, class, field, constant, module and folder."""
    return frozenset(name for source in sources().values() for name in source.defines)


@cache
def modules() -> dict[str, list[Source]]:
    """kfw's, by the last part of their names; a package is its `__init__`."""
    found: dict[str, list[Source]] = {}
    for path, source in sources().items():
        if path.is_relative_to(ROOT / "kfw"):
            found.setdefault(path.parent.name if path.stem == "__init__" else path.stem, []).append(source)
    return found


@cache
def paths() -> frozenset[str]:
    """Every file and folder, by its whole path and by each end of it; a file of Python also without its suffix."""
    found: set[str] = set()
    for path in files():
        whole = path.relative_to(ROOT)
        for one in (whole, whole.with_suffix(""), *whole.parents):
            found |= {"/".join(one.parts[start:]) for start in range(len(one.parts))}
    return frozenset(found)


@cache
def options() -> dict[str, frozenset[str]]:
    """Of every command of kfw, by its words: `config check`; "" is kfw itself, a noun has those of its verbs."""
    from kfw.commands._group import COMMANDS, load_command

    found = {"": frozenset({"--help", "--version", "-h"})}
    for name in COMMANDS:
        command = load_command(name)
        verbs = getattr(command, "commands", {})
        found |= {f"{name} {verb}": _options_of(one) for verb, one in verbs.items()}
        found[name] = _options_of(command).union(*(found[f"{name} {verb}"] for verb in verbs))
    return found


def _options_of(command: object) -> frozenset[str]:
    params = getattr(command, "params", [])
    return frozenset(
        {"--help", "-h"} | {name for param in params for name in (*param.opts, *param.secondary_opts)}
    )
