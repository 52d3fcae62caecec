"""The user's editor, on a config file: opened at a line, and again as long as there is a mistake and the user wants to."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from kfw.commands import _output as output
from kfw.errors import ConfigError, UsageError
from kfw.system.foreground_command import CommandSignals, check_command

T = TypeVar("T")

#: How an editor is told the line, by the name of its program; the others are told by +LINE, as vi is.
_WITH_COLON = ("code", "code-insiders", "codium", "cursor", "windsurf", "subl", "hx", "helix", "zed", "atom")
_WITHOUT_LINE = ("gedit", "ed", "cat", "true", "notepad", "TextEdit")
#: These return at once, and have to be told to wait until the file is closed.
_TO_WAIT = ("code", "code-insiders", "codium", "cursor", "windsurf", "subl", "zed", "atom")


def editor() -> list[str]:
    """$VISUAL, then $EDITOR, then vi, as words. Raises UsageError."""
    text = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the editor {text!r} cannot be run: {error}", "set $VISUAL or $EDITOR") from error
    if not words:
        raise UsageError("cannot find an editor", "set $VISUAL or $EDITOR")
    check_command(words, os.environ.get("PATH"))
    return words


def command_line(words: Sequence[str], file: Path, line: int, column: int) -> list[str]:
    """`line` 0: wherever the editor opens it."""
    program = Path(words[0]).name
    waits = ["--wait"] if program in _TO_WAIT and not {"--wait", "-w"} & set(words) else []
    if not line or program in _WITHOUT_LINE:
        return [*words, *waits, str(file)]
    if program in _WITH_COLON:
        goto = ["--goto"] if program.startswith(("code", "cursor", "windsurf")) else []
        return [*words, *waits, *goto, f"{file}:{line}:{column}"]
    return [*words, *waits, f"+{line}", str(file)]


def edit(file: Path, check: Callable[[], T]) -> tuple[T, bool]:
    """What `check` returns in the end, and whether the file has changed. Raises the ConfigError that the user lets stand."""
    words, line, column = editor(), 0, 0
    before = _content(file)
    while True:
        with CommandSignals() as signals:
            code = signals.run(command_line(words, file, line, column), os.environ)
        if code:
            raise UsageError(f"{words[0]} ended with {code}", "set $VISUAL or $EDITOR")
        try:
            return check(), _content(file) != before
        except ConfigError as error:
            line, column = place_in(error.problems, file)
            if not line or not _again(error, line):
                raise


def place_in(problems: Sequence[str], file: Path) -> tuple[int, int]:
    """Line and column of the first one in this file; (0, 0): all are in others."""
    for problem in problems:
        name, _, rest = problem.partition(":")
        line, column, *_ = [*rest.split(":"), "", ""]
        if line.isdigit() and column.isdigit() and os.path.realpath(name) == os.path.realpath(file):
            return int(line), int(column)
    return 0, 0


def _again(error: ConfigError, line: int) -> bool:
    """Nobody is asked where nobody can answer."""
    if not (output.is_terminal(sys.stdin) and output.is_terminal(sys.stderr)):
        return False
    import typer

    for problem in error.problems:
        output.say(problem)
    return typer.confirm(f"open it again at line {line}?", default=True, err=True)


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
