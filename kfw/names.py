"""What forwards are called. NAME on a command line: a forward, a profile, or a pattern of either such as `shop-*`; and
`project/name`, where two projects have the same name. Pure.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

#: What makes a word a pattern: none of these can be in the name of a forward.
_WILD = frozenset("*?[")
#: Where a capital begins a word: WebUI, HTTPServer.
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: Characters of a name, and of what one is made from.
_LONGEST_NAME, _LONGEST_TEXT = 63, 200
#: Names that are shown of many.
SHOWN = 5
#: Files that are a project's only one: it is called as their folder.
PROJECT_FILES = ("kfw.yaml", "kfw.yml", "kfw.toml")


@dataclass(frozen=True, slots=True, order=True)
class RowId:
    """Which forward, of all that the daemon has. `project`: the key of its protocol.Source; `name` is unique in it."""

    project: str
    name: str

    def __str__(self) -> str:
        """As text that `parse` reads: a name has no slash."""
        return f"{self.project}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> "RowId":
        """Without a slash: of no project, as a daemon before projects has it."""
        project, _, name = text.rpartition("/")
        return cls(project, name)


class Selection(NamedTuple):
    """`names`: forwards that were meant one by one; `profiles`: those that were named whole. In the config's order."""

    names: tuple[str, ...]
    profiles: tuple[str, ...]
    #: Words that nothing is named after.
    unknown: tuple[str, ...]

    def has(self, name: str, profile: str | None) -> bool:
        return name in self.names or profile in self.profiles


def select(words: Iterable[str], profile_of: Mapping[str, str | None]) -> Selection:
    """`profile_of`: each forward of a project, with its profile. A forward goes before a profile of the same name."""
    words = list(dict.fromkeys(words))
    profiles = dict.fromkeys(profile for profile in profile_of.values() if profile)
    names, whole, unknown = set[str](), set[str](), []
    for word in words:
        found = _matching(word, profile_of)
        of_profiles = [] if found else _matching(word, profiles)
        if not (found or of_profiles):
            unknown.append(word)
        names |= set(found)
        whole |= set(of_profiles)
    return Selection(
        tuple(name for name in profile_of if name in names),
        tuple(profile for profile in profiles if profile in whole),
        tuple(unknown),
    )


class RowSelection(NamedTuple):
    """`by_project`: what is meant of each project that a word is about."""

    by_project: dict[str, Selection]
    #: Words that nothing is named after.
    unknown: tuple[str, ...]
    #: Words that are about several projects, each with what could be meant, as `project/name`.
    ambiguous: dict[str, tuple[str, ...]]

    def has(self, row: RowId, profile: str | None) -> bool:
        chosen = self.by_project.get(row.project)
        return chosen is not None and chosen.has(row.name, profile)


#: The forwards of each project, with their profiles.
Members = Mapping[str, Mapping[str, str | None]]


def by_project(profile_of: Mapping[RowId, str | None]) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {}
    for row, profile in profile_of.items():
        found.setdefault(row.project, {})[row.name] = profile
    return found


def select_rows(words: Iterable[str], profile_of: Mapping[RowId, str | None], caller: str) -> RowSelection:
    """`caller`: the project of who asks, "" is none. A name means what that one has; else the one project that has it.

    A pattern that fits nothing of the caller's is about all projects. `project/name` is about that one; of the project the
    last folders of its path will do, as long as they are only its.
    """
    members = by_project(profile_of)
    profiles = {project: set(filter(None, own.values())) for project, own in members.items()}
    chosen: dict[str, list[str]] = {}
    unknown, ambiguous = [], dict[str, tuple[str, ...]]()
    for word in dict.fromkeys(words):
        prefix, slash, name = word.rpartition("/")
        projects = (
            projects_named(prefix, members) if slash else _caller_first(name, members, profiles, caller)
        )
        found = [one for one in projects if _has(name, members[one], profiles[one])]
        if not found:
            unknown.append(word)
        elif len(found) > 1 and not _is_pattern(word):
            short = short_projects(members)
            ambiguous[word] = tuple(f"{short[project]}/{name}" for project in found)
        else:
            for project in found:
                chosen.setdefault(project, []).append(name)
    return RowSelection(
        {project: select(names, members[project]) for project, names in chosen.items()},
        tuple(unknown),
        ambiguous,
    )


def _caller_first(
    name: str, members: Members, profiles: Mapping[str, Collection[str]], caller: str
) -> Iterable[str]:
    return [caller] if caller in members and _has(name, members[caller], profiles[caller]) else members


def _has(word: str, names: Iterable[str], profiles: Iterable[str]) -> bool:
    return bool(_matching(word, names) or _matching(word, profiles))


def projects_named(word: str, projects: Iterable[str]) -> list[str]:
    """Those that the part before the slash of `project/name` means. What is exactly called so goes before what ends so."""
    projects = list(projects)
    parts = tuple(word.strip("/").split("/"))
    if word in projects:
        return [word]
    by_end = [project for project in projects if _parts(project)[-len(parts) :] == parts]
    exact = [project for project in by_end if _parts(project) == parts]
    if by_end or not _is_pattern(word):
        return exact or by_end
    short = short_projects(projects)
    return [project for project in projects if _matching(word, (short[project],))]


def short_projects(projects: Iterable[str]) -> dict[str, str]:
    """What each is called beside the others: the folder of its kfw.yaml, or its file without the suffix; with as many
    folders before it as make it the only one, else the whole path."""
    parts = {project: _parts(project) for project in projects}
    ends = Counter(own[start:] for own in parts.values() for start in range(len(own)))

    def short(project: str, own: tuple[str, ...]) -> str:
        alone = (own[start:] for start in range(len(own) - 1, -1, -1) if ends[own[start:]] == 1)
        return "/".join(next(alone, ())) or project

    return {project: short(project, own) for project, own in parts.items()}


def _parts(project: str) -> tuple[str, ...]:
    if not project.startswith("/"):  # what `kfw add` brought, or `kfw demo`
        return (project,)
    *folders, file = project.strip("/").split("/")
    return tuple(folders if file in PROJECT_FILES else (*folders, file.rpartition(".")[0] or file))


class DisplayNames:
    """What each row is called where people read it: its name, and `project/name` while another project has one, too."""

    def __init__(self) -> None:
        self._projects_with: dict[str, set[str]] = {}
        self._rows_of = Counter[str]()
        self._short: dict[str, str] = {}

    def add(self, row: RowId) -> None:
        projects = self._projects_with.setdefault(row.name, set())
        if row.project not in projects:
            projects.add(row.project)
            self._rows_of[row.project] += 1

    def discard(self, row: RowId) -> None:
        projects = self._projects_with.get(row.name, set())
        if row.project not in projects:
            return
        projects.discard(row.project)
        if not projects:
            del self._projects_with[row.name]
        self._rows_of[row.project] -= 1
        if not self._rows_of[row.project]:
            del self._rows_of[row.project]

    def of(self, row: RowId) -> str:
        projects = self._projects_with.get(row.name, ())
        is_alone = not projects or (len(projects) == 1 and row.project in projects)
        return row.name if is_alone else f"{self._project(row.project)}/{row.name}"

    def of_all(self, rows: Iterable[RowId]) -> dict[RowId, str]:
        """Also of rows that are gone, or not there yet."""
        rows = list(rows)
        new = [row for row in rows if row.project not in self._projects_with.get(row.name, ())]
        for row in new:
            self.add(row)
        shown = {row: self.of(row) for row in rows}
        for row in new:
            self.discard(row)
        return shown

    def _project(self, project: str) -> str:
        if self._short.keys() != self._rows_of.keys() or project not in self._short:
            self._short = short_projects((*self._rows_of, project))
        return self._short[project]


class RowName:
    """What a row is called, for log lines: as it is at the moment in which they are written."""

    __slots__ = ("_shown", "row")

    def __init__(self, row: RowId, shown: Callable[[RowId], str]) -> None:
        self.row = row
        self._shown = shown

    def __str__(self) -> str:
        return self._shown(self.row)


def probably(word: str, known: Iterable[str]) -> str:
    """`did you mean api? `, or "" where nothing is alike."""
    from difflib import get_close_matches  # for who mistypes only

    alike = get_close_matches(word, list(known), n=1)
    return f"did you mean {alike[0]}? " if alike else ""


def probably_row(word: str, shown: Mapping[RowId, str]) -> str:
    """As `probably`, of rows and what they are called: `did you mean shop/api or blog/api? `."""
    from difflib import get_close_matches

    meant = {text: [text] for text in shown.values()}
    for row, text in shown.items():
        if text != row.name:
            meant.setdefault(row.name, []).append(text)
    alike = get_close_matches(word, meant, n=1)
    return f"did you mean {' or '.join(meant[alike[0]])}? " if alike else ""


def suggestion(word: str, shown: Mapping[RowId, str], profiles: Iterable[str | None] = ()) -> str:
    """What could be typed for a word that nothing is named after: `did you mean api? known: api, db`."""
    if not shown:
        return "nothing is forwarded yet, run `kfw up`"
    meant = probably_row(word, shown) or probably(word, {profile for profile in profiles if profile})
    return f"{meant}known: {few(sorted(shown.values()))}"


def completable(rows: Iterable[RowId], caller: str) -> dict[str, RowId]:
    """Words that mean one row each to who is in this project: names, and `project/name` of those that several have."""
    shown = DisplayNames().of_all(rows)
    own = {row.name: row for row in shown if row.project == caller}
    return {text: row for row, text in shown.items()} | own


def few(names: Iterable[str]) -> str:
    """`api, db`, or of many their count and the first: `1600 (api, db, ...)`."""
    names = list(names)
    if len(names) <= 2 * SHOWN:
        return ", ".join(names)
    return f"{len(names)} ({', '.join(names[:SHOWN])}, ...)"


def _is_pattern(word: str) -> bool:
    return bool(_WILD & set(word))


def _matching(word: str, known: Iterable[str]) -> list[str]:
    if not _is_pattern(word):
        return [word] if word in known else []
    from fnmatch import fnmatchcase  # for who writes a pattern only

    return [name for name in known if fnmatchcase(name, word)]


def usable_name(text: str) -> str:
    """What a forward may be called after `text`: of WebUI it is web-ui, of catio_api catio-api; "" if nothing is left."""
    apart = _HUMPS.sub("-", text[:_LONGEST_TEXT])
    return re.sub(r"[^a-z0-9]+", "-", apart.lower()).strip("-")[:_LONGEST_NAME].strip("-")
