"""Names of forwards on the command line: what to say about one that is not there, and completion by Tab."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from kfw.commands._caller import caller_source
from kfw.errors import KfwError, UsageError
from kfw.names import DisplayNames, RowId, completable, few, probably, probably_row, select_rows
from kfw.protocol import ForwardStatus

K = TypeVar("K")


def unknown_name(name: str, known: Iterable[str]) -> UsageError:
    """Says which names there are, and which one was probably meant."""
    names = sorted(known)
    return UsageError(f"there is no forward named '{name}'", probably(name, names) + known_names(names))


def meant(
    words: Sequence[str], profile_of: Mapping[RowId, str | None], context: str | None = None
) -> list[RowId]:
    """The forwards that these names, profiles and patterns mean to who is in this folder. Raises UsageError for one that
    means nothing, or something in several projects.

    `context`: that of all of them, if only those of one were asked for."""
    chosen = select_rows(words, profile_of, caller_source())
    where = f" in the context {context}" if context else ""
    if chosen.unknown:
        shown = DisplayNames().of_all(profile_of)
        fix = probably_row(chosen.unknown[0], shown) + known_names(sorted(shown.values()))
        raise UsageError(f"there is no forward named '{chosen.unknown[0]}'{where}", fix)
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
    raise UsageError(f"no forward is in the context {context}", fix)


def known_names(names: Sequence[str]) -> str:
    return f"known: {few(names)}" if names else "nothing is forwarded yet, `kfw up` starts"


def complete(incomplete: str) -> list[str]:
    """For the shell: the daemon's forwards, nothing if it does not answer at once. As `project/name` where several
    projects have the name."""
    words = completable(map(id_of, _rows()), caller_source())
    return sorted(word for word in words if word.startswith(incomplete))


def complete_context(incomplete: str) -> list[str]:
    """For the shell: the contexts that the daemon's forwards are in."""
    contexts = dict.fromkeys(row["context"] for row in _rows())
    return [context for context in contexts if context.startswith(incomplete)]


def _rows() -> list[dict[str, Any]]:
    import json

    from kfw import client

    try:
        rows: list[dict[str, Any]] = json.loads(client.status_raw(timeout=1.0))["forwards"]
    except KfwError:
        return []
    return rows
