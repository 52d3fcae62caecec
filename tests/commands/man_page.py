"""python -m tests.commands.man_page: write docs/kfw.1 again, from what `--help` says and the table of exit codes."""

import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from inspect import cleandoc
from io import StringIO
from typing import Any

import typer

import kfw
from kfw.cli import ALIASES
from kfw.commands._group import GROUPS, _app, load_command
from tests.other_user import ROOT

MAN_PAGE = ROOT / "docs" / "kfw.1"


def page() -> str:
    """In the macros of man(7), which every man reads. On a terminal help has colours; here it never is on one."""
    with redirect_stdout(StringIO()):
        return _page(typer.main.get_command(_app()))


def _page(root: Any) -> str:
    title, _, about = cleandoc(root.help).partition("\n\n")
    lines = [
        '.\\" Made by python -m tests.commands.man_page; changes belong into the commands.',
        f'.TH KFW 1 "" "kfw {kfw.__version__}" "User Commands"',
        *(".SH NAME", f"kfw \\- {_text(title).rstrip('.')}"),
        *(".SH SYNOPSIS", ".B kfw", ".I COMMAND", "[ARGUMENT...]"),
        *(".SH DESCRIPTION", *_paragraphs(about), *_options(root)),
    ]
    for group, names in GROUPS.items():
        lines += [f".SH {group.upper()}"]
        for name in names:
            lines += _command(load_command(name), f"kfw {name}")
    lines += [".SH EXIT STATUS", *_exit_codes(), ".SH SEE ALSO", ".BR kubectl (1)"]
    return "\n".join(lines) + "\n"


def _command(command: Any, path: str) -> Iterator[str]:
    yield f".SS {_text(' '.join([path, *_usage(command)]))}"
    yield from _paragraphs(cleandoc(command.help or ""))
    others = [alias for alias, name in ALIASES.items() if path == f"kfw {name}"]
    if others:
        yield from (".PP", _text(f"Also understood: {', '.join(others)}."))
    yield from _options(command)
    for verb, inner in getattr(command, "commands", {}).items():
        yield from _command(inner, f"{path} {verb}")


def _usage(command: Any) -> list[str]:
    with command.make_context(command.name, [], resilient_parsing=True) as context:
        return list(command.collect_usage_pieces(context))


def _options(command: Any) -> Iterator[str]:
    """Arguments with what is said of them, then options; `--help` is every command's."""
    with command.make_context(command.name, [], resilient_parsing=True) as context:
        records = [
            (record, one)
            for one in command.get_params(context)
            if "--help" not in one.opts and not getattr(one, "hidden", False)
            for record in [_record(one, context)]
            if record
        ]
    for (name, said), one in records:
        bold = one.param_type_name == "option"
        yield ".TP"
        yield f".B {_text(name)}" if bold else f".I {_text(name)}"
        yield _text(said) or "\\&"


def _record(one: Any, context: Any) -> tuple[str, str] | None:
    if one.param_type_name == "argument":
        said = one.help or ""
        return (one.make_metavar(context), said) if said else None
    found: tuple[str, str] | None = one.get_help_record(context)
    return found


def _paragraphs(text: str) -> Iterator[str]:
    r"""What follows `\b` keeps its lines."""
    for paragraph in filter(None, text.split("\n\n")):
        yield ".PP"
        if paragraph.startswith("\b"):
            yield from (".nf", *map(_text, paragraph.splitlines()[1:]), ".fi")
        else:
            yield _text(" ".join(paragraph.split()))


def _exit_codes() -> Iterator[str]:
    table = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").partition("| exit code |")[2]
    for code, means in re.findall(r"^\| (\d+) \| (.+) \|$", table.partition("\n\n")[0], re.M):
        yield from (".TP", f".B {code}", _text(means.replace("`", "")))


def _text(said: str) -> str:
    """troff's own signs as letters: a backslash, a hyphen that is typed, a line that begins with a dot or a quote."""
    escaped = said.replace("\\", "\\e").replace("-", "\\-").strip()
    escaped = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    MAN_PAGE.write_text(page(), encoding="utf-8")
