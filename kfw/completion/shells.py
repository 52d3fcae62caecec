"""What bash, zsh and fish ask with, and the answer as each of them takes it. Pure.

`_KFW_COMPLETE=complete_bash` with COMP_WORDS and COMP_CWORD, or `complete_zsh` and `complete_fish` with
_TYPER_COMPLETE_ARGS: that is what Typer's scripts send. Those of `kfw completion` ask with `lines`, by COMP_LINE.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: The exit code for a script of ours: the names of files fit here.
FILES = 9


class TabQuestion(NamedTuple):
    """`words` after `kfw`, without the one that is being typed."""

    words: tuple[str, ...]
    incomplete: str


class Suggestion(NamedTuple):
    value: str
    help: str = ""


def question_of(how: str, environ: Mapping[str, str]) -> TabQuestion:
    if how == "complete_bash":
        # A list, joined by the shell's IFS: newlines, or blanks.
        text = environ.get("COMP_WORDS", "")
        words = text.split("\n") if "\n" in text else split(text)
        number = environ.get("COMP_CWORD", "")
        return _cut(words, int(number) if number.isdigit() else len(words))
    line = environ.get("COMP_LINE" if how == "lines" else "_TYPER_COMPLETE_ARGS", "")
    words = split(line)
    return _cut(words, len(words) if not line or line[-1].isspace() else len(words) - 1)


def _cut(words: Sequence[str], number: int) -> TabQuestion:
    return TabQuestion(tuple(words[1:number]), words[number] if 0 < number < len(words) else "")


def split(line: str) -> list[str]:
    """As a shell does it. A quote that is still open is part of the last word."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words += lexer
    except ValueError:
        words.append(str(lexer.token))
    return words


def answer(how: str, candidates: Sequence[Suggestion]) -> str:
    match how:
        case "complete_zsh":
            shown = "\n".join(_zsh(one) for one in candidates)
            return f"_arguments '*: :(({shown}))'" if candidates else "_files"
        case "complete_fish" | "lines":
            return "\n".join(f"{one.value}\t{one.help}".rstrip("\t") for one in candidates)
    return "\n".join(one.value for one in candidates)


def _zsh(one: Suggestion) -> str:
    """Within quotes of two kinds that zsh's `eval` takes off, and a colon before the help."""
    return f'"{_quoted(one.value)}"' + (f':"{_quoted(one.help)}"' if one.help else "")


def _quoted(text: str) -> str:
    text = text.replace('"', '""').replace("'", "''").replace("$", "\\$").replace("`", "\\`")
    return text.replace(":", r"\\:")
