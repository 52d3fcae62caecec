"""Names of forwards on the command line: what to say about one that is not there, and completion by Tab."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kfw.commands._caller import caller_source
from kfw.errors import KfwError, UsageError
from kfw.names import DisplayNames, RowId, completable, few, probably, probably_row, select_rows
from kfw.protocol import ForwardStatus


def unknown_name(name: str, known: Iterable[str]) -> UsageError:
    """Says which names there are, and which one was probably meant."""
    names = sorted(known)
    return UsageError(f"there is no forward named '{name}'", probably(name, names) + known_names(names))


def meant(words: Sequence[str], profile_of: Mapping[RowId, str | None]) -> list[RowId]:
    """The forwards that these names, profiles and patterns mean to who is in this folder. Raises UsageError for one that
    means nothing, or something in several projects."""
    chosen = select_rows(words, profile_of, caller_source())
    if chosen.unknown:
        shown = DisplayNames().of_all(profile_of)
        fix = probably_row(chosen.unknown[0], shown) + known_names(sorted(shown.values()))
        raise UsageError(f"there is no forward named '{chosen.unknown[0]}'", fix)
    for word, those in chosen.ambiguous.items():
        raise UsageError(f"'{word}' is in {len(those)} projects", f"name one of {few(those)}")
    return [row for row, profile in profile_of.items() if chosen.has(row, profile)]


def meant_of(words: Sequence[str], rows: Iterable[ForwardStatus]) -> list[RowId]:
    return meant(words, {row.id: row.profile for row in rows})


def id_of(row: Mapping[str, Any]) -> RowId:
    """Of a ForwardStatus as it is on the wire."""
    return RowId(row.get("project") or "", row["name"])


def apart(forwards: Mapping[str, RowId]) -> dict[str, dict[str, str]]:
    """For --json: what each display name stands for."""
    return {text: {"project": row.project, "name": row.name} for text, row in forwards.items()}


def known_names(names: Sequence[str]) -> str:
    return f"known: {few(names)}" if names else "nothing is forwarded yet, `kfw up` starts"


def complete(incomplete: str) -> list[str]:
    """For the shell: the daemon's forwards, nothing if it does not answer at once. With a slash as `project/name`, also
    where the name alone would do."""
    import json

    from kfw import client

    try:
        rows = [id_of(row) for row in json.loads(client.status_raw(timeout=1.0))["forwards"]]
    except KfwError:
        return []
    return sorted(word for word in completable(rows, caller_source()) if word.startswith(incomplete))
