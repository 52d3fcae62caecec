"""Names of forwards on the command line: what to say about one that is not there."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kfw.commands._caller import caller_source
from kfw.errors import UsageError
from kfw.names import DisplayNames, RowId, few, probably, select_rows, suggestion
from kfw.protocol import ForwardStatus

K = TypeVar("K")

if TYPE_CHECKING:
    from kfw.config.settings import Settings


def unknown_name(name: str, known: Iterable[str]) -> UsageError:
    """Says which names there are, and which one was probably meant."""
    names = sorted(known)
    return UsageError(f"cannot find a forward named '{name}'", probably(name, names) + known_names(names))


def meant(
    words: Sequence[str], profile_of: Mapping[RowId, str | None], context: str | None = None
) -> list[RowId]:
    """The forwards that these names, profiles and patterns mean to who is in this folder. Raises UsageError for one that
    means nothing, or something in several projects.

    `context`: that of all of them, if only those of one were asked for."""
    chosen = select_rows(words, profile_of, caller_source())
    where = f" in the context {context}" if context else ""
    if chosen.unknown:
        fix = suggestion(chosen.unknown[0], DisplayNames().of_all(profile_of), profile_of.values())
        raise UsageError(f"cannot find a forward named '{chosen.unknown[0]}'{where}", fix)
    for word, those in chosen.ambiguous.items():
        raise UsageError(f"'{word}' is in {len(those)} projects{where}", f"name one of {few(those)}")
    return [row for row, profile in profile_of.items() if chosen.has(row, profile)]


def meant_of(
    words: Sequence[str], rows: Iterable[ForwardStatus], context: str | None = None
) -> list[ForwardStatus]:
    """The rows of these that are meant, in their order; of no words all."""
    rows = list(rows)
    here = set(in_context(context, {row.id: row.context for row in rows}))
    rows = [row for row in rows if row.id in here]
    if not words:
        return rows
    chosen = set(meant(words, {row.id: row.profile for row in rows}, context))
    return [row for row in rows if row.id in chosen]


def id_of(row: Mapping[str, Any]) -> RowId:
    """Of a ForwardStatus as it is on the wire."""
    return RowId(row.get("project") or "", row["name"])


def apart(forwards: Mapping[str, RowId]) -> dict[str, dict[str, str]]:
    """For --json: what each display name stands for."""
    return {text: {"project": row.project, "name": row.name} for text, row in forwards.items()}


def in_context(context: str | None, context_of: Mapping[K, str]) -> list[K]:
    """The forwards that are in it; without one all. Raises UsageError where none is: it may be mistyped."""
    found = [name for name, its in context_of.items() if context in (None, its)]
    if found or context is None:
        return found
    contexts = sorted(set(context_of.values()))
    fix = f"{probably(context, contexts)}forwards are in: {few(contexts)}" if contexts else known_names(())
    raise UsageError(f"no forward uses the context {context}", fix)


def known_names(names: Sequence[str]) -> str:
    return f"known: {few(names)}" if names else "nothing is forwarded yet, run `kfw up`"


def no_forwards(settings: "Settings") -> UsageError:
    """Which file has none yet, and where they go in it; or where a file was looked for."""
    from kfw import paths

    file = settings.project_file or next(reversed(settings.files), None)
    if file is None:
        here = f"found no kfw.yaml in {Path.cwd()} or above, and no {paths.config_file()}"
        fix = "`kfw init --from-cluster` writes a kfw.yaml from the cluster, `kfw add svc/NAME` works without one"
        return UsageError(f"no forwards are configured: {here}", fix)
    line = _line_of_forwards(file)
    where = f"below portForwards in line {line}" if line else "below `portForwards:`"
    fix = f"write one {where}; `kfw targets` lists what can be forwarded, `kfw add svc/NAME` needs no file"
    return UsageError(f"{file} has no forwards yet", fix)


def _line_of_forwards(file: Path) -> int:
    """0: it has no such line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    return next((number for number, line in enumerate(lines, 1) if line.startswith("portForwards:")), 0)
