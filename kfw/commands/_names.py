"""Names of forwards on the command line: what to say about one that is not there."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kfw.errors import UsageError
from kfw.names import few, probably

if TYPE_CHECKING:
    from kfw.config.settings import Settings


def unknown_name(name: str, known: Iterable[str], context: str | None = None) -> UsageError:
    """Says which names there are, and which one was probably meant. `context`: only its forwards are asked about."""
    names = sorted(known)
    where = f" in the context {context}" if context else ""
    return UsageError(
        f"there is no forward named '{name}'{where}", probably(name, names) + known_names(names)
    )


def meant(
    words: Sequence[str], profile_of: Mapping[str, str | None], context: str | None = None
) -> list[str]:
    """The forwards that these names, profiles and patterns mean. Raises UsageError for one that means nothing.

    `context`: that of all of them, if only those of one were asked for."""
    from kfw.names import select

    chosen = select(words, profile_of)
    if chosen.unknown:
        raise unknown_name(chosen.unknown[0], profile_of, context)
    return [name for name, profile in profile_of.items() if chosen.has(name, profile)]


def in_context(context: str | None, context_of: Mapping[str, str]) -> list[str]:
    """The forwards that are in it; without one all. Raises UsageError where none is: it may be mistyped."""
    found = [name for name, its in context_of.items() if context in (None, its)]
    if found or context is None:
        return found
    contexts = sorted(set(context_of.values()))
    fix = f"{probably(context, contexts)}forwards are in: {few(contexts)}" if contexts else known_names(())
    raise UsageError(f"no forward is in the context {context}", fix)


def known_names(names: Sequence[str]) -> str:
    return f"known: {few(names)}" if names else "nothing is forwarded yet, `kfw up` starts"


def no_forwards(settings: "Settings") -> UsageError:
    """Which file has none yet, and where they go in it; or where a file was looked for."""
    from kfw import paths

    file = settings.project_file or next(reversed(settings.files), None)
    if file is None:
        here = f"there is no kfw.yaml in {Path.cwd()} or above, and no {paths.config_file()}"
        fix = "`kfw init --from-cluster` writes a kfw.yaml of what is there, `kfw add svc/NAME` needs none"
        return UsageError(f"no forwards are configured: {here}", fix)
    line = _line_of_forwards(file)
    where = f"below portForwards in line {line}" if line else "below `portForwards:`"
    fix = f"write one {where}; `kfw targets` shows what there is, `kfw add svc/NAME` needs no file"
    return UsageError(f"{file} has no forwards yet", fix)


def _line_of_forwards(file: Path) -> int:
    """0: it has no such line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    return next((number for number, line in enumerate(lines, 1) if line.startswith("portForwards:")), 0)
