"""Which forwards are shown, in which order and under which headings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kfw import view
from kfw.tui.rows import LiveForward

#: The worst first: what needs the user, what is on its way, what is well, what is not meant to be there.
_STATUS_ORDER = (
    "error", "suspended", "reconnecting", "degraded", "starting", "active", "stopped", "disabled",
)  # fmt: skip
#: Nothing is wrong with these.
_FINE = ("active", "stopped", "disabled")

Key = Callable[[LiveForward], Any]


def _local(forward: LiveForward) -> tuple[str, int]:
    host, port = view.address(forward.row)
    return host, port


#: By the heading of a column, as in table_columns.py.
SORTS: dict[str, Key] = {
    "NAME": lambda forward: forward.cells["NAME"],
    "STATUS": lambda forward: _STATUS_ORDER.index(forward.row["status"]),
    "LOCAL": lambda forward: (_local(forward)[1], _local(forward)[0]),
    "TARGET": lambda forward: view.target(forward.row),
    "METHOD": lambda forward: forward.row["method"],
    "CONN": lambda forward: -forward.row["connections"],
    "RATE": lambda forward: -(forward.rate_in + forward.rate_out),
    "AGE": lambda forward: -forward.since,
    "CLUSTER": lambda forward: forward.row["context"],
}


def _project(forward: LiveForward) -> str:
    """The folder of its file is what a user calls the project."""
    source = forward.row.get("project") or ""
    if source == "added":
        return "added by hand"
    folder, _, file = source.rpartition("/")
    return (folder if file.startswith("kfw.") else source) or "no project"


GROUPS: dict[str, Callable[[LiveForward], str]] = {
    "project": _project,
    "profile": lambda forward: forward.row.get("profile") or "no profile",
    "cluster": lambda forward: forward.row["context"] or "no cluster",
}


@dataclass(frozen=True)
class ListOptions:
    """`sort` "" is the daemon's order; `group` one of GROUPS or "". `search`: see `matches`."""

    sort: str = ""
    reverse: bool = False
    group: str = ""
    search: str = ""


class GroupLine(NamedTuple):
    """A heading. `well` of the `below` forwards under it need no one."""

    title: str
    below: int
    well: int


Line = LiveForward | GroupLine


def arrange(forwards: Iterable[LiveForward], options: ListOptions) -> list[Line]:
    """What stands on each line. Equal ones stay in the daemon's order, also when it is reversed."""
    shown = [forward for forward in forwards if matches(forward, options.search)]
    if key := SORTS.get(options.sort):
        shown.sort(key=key, reverse=options.reverse)
    elif options.reverse:
        shown.reverse()
    if options.group not in GROUPS:
        return list(shown)
    groups: dict[str, list[LiveForward]] = {}
    for forward in shown:
        groups.setdefault(GROUPS[options.group](forward), []).append(forward)
    lines: list[Line] = []
    for title in sorted(groups):
        lines += [heading(title, groups[title]), *groups[title]]
    return lines


def heading(title: str, forwards: Sequence[LiveForward]) -> GroupLine:
    return GroupLine(title, len(forwards), sum(forward.row["status"] in _FINE for forward in forwards))


#: Words before a colon in a search.
FIELDS: dict[str, Callable[[LiveForward], str]] = {
    "name": lambda forward: forward.cells["NAME"],
    "status": lambda forward: forward.row["status"],
    "reason": lambda forward: forward.row["reason"] or "",
    "cluster": lambda forward: forward.row["context"],
    "profile": lambda forward: forward.row.get("profile") or "",
    "namespace": lambda forward: forward.row["namespace"],
    "method": lambda forward: forward.row["method"],
    "project": _project,
}


def matches(forward: LiveForward, search: str) -> bool:
    """All words of `search` are in what its row shows, whatever their case. `status:error` looks in one field only,
    `is:bad` finds what is not well."""
    return all(_matches_word(forward, word) for word in search.lower().split())


def _matches_word(forward: LiveForward, word: str) -> bool:
    if word == "is:bad":
        return forward.row["status"] not in _FINE
    field, colon, rest = word.partition(":")
    if colon and field in FIELDS:
        return rest in FIELDS[field](forward).lower()
    shown = (*(read(forward) for read in FIELDS.values()), view.local(forward.row), view.target(forward.row))
    return any(word in text.lower() for text in shown)
