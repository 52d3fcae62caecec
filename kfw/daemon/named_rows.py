"""The words of a request -> the rows that they mean, of all that the daemon has. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kfw.errors import UsageError
from kfw.model import Forward
from kfw.names import DisplayNames, RowId, RowSelection, Selection, by_project, few, select_rows, suggestion
from kfw.protocol import NamesRequest

Rows = Mapping[RowId, Forward]


@dataclass(frozen=True)
class RowsMeant:
    """`words`: what was named of each project; None: no word was given."""

    rows: dict[RowId, Forward]
    words: RowSelection | None = None

    def by_project(self) -> dict[str, dict[str, str | None]]:
        """The names of each with their profiles."""
        return by_project(profiles_of(self.rows))

    def part(self, key: str, members: Iterable[str]) -> Selection | None:
        """Of a project that has these members; None: the whole of it."""
        if self.words:
            return self.words.by_project.get(key, Selection((), (), ()))
        mine = tuple(row.name for row in self.rows if row.project == key)
        return Selection(mine, (), ()) if set(members) - set(mine) else None


def rows_meant(request: NamesRequest, known: Rows, caller_of: Callable[[Forward], str]) -> RowsMeant:
    """`caller_of`: the project of the folder in which a forward was asked for. Raises UsageError for words that none is
    named after, or several projects have."""
    rows = {row: forward for row, forward in known.items() if request.context in ("", forward.context)}
    if request.names:
        return rows_named(request.names, rows, request.project, request.context)
    if not request.project:
        return RowsMeant(rows)
    return RowsMeant(
        {
            row: forward
            for row, forward in rows.items()
            if request.project == row.project or request.project == caller_of(forward)
        }
    )


def rows_named(words: Iterable[str], rows: Rows, caller: str, context: str = "") -> RowsMeant:
    """`caller`: the project whose names go first. Raises UsageError."""
    chosen = select_rows(words, profiles_of(rows), caller)
    _refuse(chosen, rows, context)
    return RowsMeant(
        {row: forward for row, forward in rows.items() if chosen.has(row, forward.profile)}, chosen
    )


def profiles_of(rows: Rows) -> dict[RowId, str | None]:
    return {row: forward.profile for row, forward in rows.items()}


def _refuse(chosen: RowSelection, rows: Rows, context: str) -> None:
    where = f" in the context {context}" if context else ""
    if chosen.unknown:
        fix = suggestion(chosen.unknown[0], DisplayNames().of_all(rows), profiles_of(rows).values())
        raise UsageError(f"cannot find a forward named {few(map(repr, chosen.unknown))}{where}", fix)
    for word, meant in chosen.ambiguous.items():
        raise UsageError(f"'{word}' is in {len(meant)} projects{where}", f"name one of {few(meant)}")
