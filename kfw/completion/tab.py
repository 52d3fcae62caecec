"""One press of Tab: what the shell asks, answered on stdout. Whatever goes wrong is silence."""

import os
import sys
from collections.abc import Mapping

from kfw.completion.command_tree import command_tree
from kfw.completion.shells import FILES, Suggestion, answer, question_of
from kfw.completion.typed import NOTHING, Asked, asked
from kfw.completion.values import values_of
from kfw.errors import KfwError


def complete(how: str, aliases: Mapping[str, str]) -> int:
    """`how`: as the shell asks, see shells.py. The exit code: FILES where a script of `kfw completion` shall offer files."""
    question = question_of(how, os.environ)
    wanted = asked(command_tree(), question.words, question.incomplete, aliases)
    found = _fitting(wanted)
    if how == "complete_fish" and os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        return 0 if found else 1
    if text := answer(how, found):
        sys.stdout.write(text + "\n")
    return FILES if how == "lines" and wanted.kind == "files" else 0


def _fitting(wanted: Asked) -> list[Suggestion]:
    if wanted == NOTHING:
        return []
    try:
        values = values_of(wanted)
    except (KfwError, OSError, ValueError, KeyError):  # no daemon, no such file, or one of another version
        return []
    return [
        one._replace(value=wanted.before + one.value) for one in values if one.value.startswith(wanted.typed)
    ]
