"""What the user wants, and who said so: the last word about each forward, profile and project. Pure.

A word belongs to what it was said of. That of a forward goes before that of its profile, and that before the word about
the whole project; only then comes what the files say. Each word remembers how it was said (`Source`: files, flags,
$KUBECONFIG), so that reading the files again moves nothing else.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from kfw.model import Forward, SelectingProfile
from kfw.names import Selection
from kfw.protocol import ADDED, Source, UpRequest
from kfw.supervisor.plan import keep_pins, only_in


class Switch(StrEnum):
    """`DOWN` holds until the next `up` that covers it, `DISABLED` until `enable`, or an `up` that names it."""

    UP = "up"
    DOWN = "down"
    DISABLED = "disabled"


class Wish(msgspec.Struct, frozen=True):
    switch: Switch
    source: Source


#: Modification time, size, inode and device of a file, see system/changes.py.
FileStamp = tuple[int, int, int, int] | None
Wishes = dict[str, Wish]


class Project(msgspec.Struct, frozen=True, omit_defaults=True):
    """By the key of its Source: the file of a project, or `ADDED`."""

    whole: Wish | None = None
    profiles: Wishes = {}
    names: Wishes = {}
    #: What was read last, as it was then.
    files: dict[str, FileStamp] = {}
    #: Profiles that select, as they were read last; and the local ports that their forwards were given, for ever.
    selections: dict[str, SelectingProfile] = {}
    ports: dict[str, int] = {}

    def wishes(self) -> Iterator[Wish]:
        yield from self.names.values()
        yield from self.profiles.values()
        if self.whole:
            yield self.whole


@dataclass(frozen=True)
class Entry:
    """A forward as its files have it. `off_by_profile`: it is disabled, but only because its profile is."""

    forward: Forward
    off_by_profile: bool = False


#: `disable` or `enable`.
SwitchWord = Callable[[Project, Source, Selection, Mapping[str, str | None]], Project]

#: What the files say when they are read as a Source says.
Reading = Sequence[Entry]


def up(
    project: Project, source: Source, chosen: Selection | None, members: Mapping[str, str | None]
) -> Project:
    """`chosen` None: the whole project. `members`: the forwards that there are, with their profiles."""
    wish = Wish(Switch.UP, source)
    if chosen is None:
        return msgspec.structs.replace(
            project,
            whole=wish,
            profiles=_renewed(project.profiles, source),
            names=_renewed(project.names, source),
        )
    return _said(project, lambda _, __: wish, chosen, members)


def down(project: Project, chosen: Selection | None, members: Mapping[str, str | None]) -> Project:
    """What is disabled stays so."""
    if chosen is None:
        whole = project.whole and Wish(Switch.DOWN, project.whole.source)
        return msgspec.structs.replace(
            project, whole=whole, profiles=_disabled(project.profiles), names=_disabled(project.names)
        )
    on = Selection(
        tuple(name for name in chosen.names if not _is_disabled(project.names.get(name))),
        tuple(name for name in chosen.profiles if not _is_disabled(project.profiles.get(name))),
        (),
    )
    return _switched(project, Switch.DOWN, on, members, None)


def disable(
    project: Project, source: Source, chosen: Selection, members: Mapping[str, str | None]
) -> Project:
    """`source`: of who asks, for what was never up."""
    return _switched(project, Switch.DISABLED, chosen, members, source)


def enable(project: Project, source: Source, chosen: Selection, members: Mapping[str, str | None]) -> Project:
    """It comes back as it was brought up."""
    return _switched(project, Switch.UP, chosen, members, source)


def forget(project: Project, names: Collection[str]) -> Project:
    """Of forwards that no file has any more, or that were only added."""
    return msgspec.structs.replace(
        project, names={name: wish for name, wish in project.names.items() if name not in names}
    )


def not_added(projects: Mapping[str, Project], names: Collection[str]) -> dict[str, Project]:
    """What was added and then saved in a file is only the file's."""
    found = dict(projects)
    if names and ADDED in found:
        found[ADDED] = forget(found[ADDED], names)
        if is_empty(found[ADDED]):
            del found[ADDED]
    return found


def with_files(project: Project, files: Mapping[str, FileStamp]) -> Project:
    """`files`: all that were read for it."""
    return msgspec.structs.replace(project, files=dict(files))


def with_selections(project: Project, found: Iterable[SelectingProfile], *, whole: bool = True) -> Project:
    """`whole`: these are all that there are. What is followed stays in its cluster, as forwards do: see `keep_pins`."""
    now = {one.profile: one for one in found}
    before = {name: one.template for name, one in followed(project).items()}
    pinned = keep_pins(before, {name: one.template for name, one in now.items()})
    now = {name: replace(one, template=pinned[name]) for name, one in now.items()}
    return msgspec.structs.replace(project, selections=({} if whole else project.selections) | now)


def selections_in(
    context: str, found: Iterable[SelectingProfile], project: Project
) -> list[SelectingProfile]:
    """`found`, but of the profiles that are in another context, before and now, those that the project has; "": all."""
    now, before = {one.profile: one for one in found}, project.selections
    old, new = ({name: one.template for name, one in which.items()} for which in (before, now))
    meant = only_in(context, old, keep_pins(old, new))
    kept = [
        one for name, one in before.items() if name not in meant and context not in ("", old[name].context)
    ]
    return [*kept, *(now[name] for name in meant)]


def followed(project: Project) -> dict[str, SelectingProfile]:
    """The profiles of which the services are to be known: somebody asks for them, or for one of their forwards."""
    return {name: one for name, one in project.selections.items() if _is_followed(project, one)}


def _is_followed(project: Project, selection: SelectingProfile) -> bool:
    wish = project.profiles.get(selection.profile) or project.whole
    return wish is not None and wish.switch is not Switch.DOWN


def is_empty(project: Project) -> bool:
    """Nothing that has to be remembered: all is down, and no file would be read for it."""
    return all(wish.switch is Switch.DOWN for wish in project.wishes())


def governing(project: Project, name: str, profile: str | None) -> Wish | None:
    """The last word about it; None: nobody has asked for it."""
    return project.names.get(name) or project.profiles.get(profile or "") or project.whole


def switch_of(project: Project, entry: Entry) -> Switch:
    """Whether it runs, is a row that says `disabled`, or neither."""
    forward = entry.forward
    wish = governing(project, forward.name, forward.profile)
    if wish is None or wish.switch is not Switch.UP:
        return wish.switch if wish else Switch.DOWN
    if forward.name in project.names:
        return Switch.UP
    its_profile = forward.profile in project.profiles
    enabled = forward.enabled or (its_profile and entry.off_by_profile)
    return Switch.UP if enabled else Switch.DISABLED


def chosen_of(request: UpRequest) -> Selection | None:
    if request.replace:
        return None
    if request.names or request.profiles:
        return Selection(tuple(request.names), tuple(request.profiles), ())
    return Selection(tuple(forward.name for forward in request.forwards), (), ())


def way_of(key: str, caller: Source) -> Source:
    """Of what was never asked for: as its file is found from its own folder, if the caller is elsewhere."""
    return caller if caller.key == key else Source(key=key, project=key, cwd=str(Path(key).absolute().parent))


def who_said_so(project: Project, name: str, profile: str | None) -> str:
    """In a sentence, for `explain`."""
    wish = governing(project, name, profile)
    if wish is None:
        return "nobody asks for it any more"
    if name in project.names:
        about = "by its name"
    else:
        about = f"with its profile {profile}" if profile in project.profiles else "with its project"
    flags = "".join(f" --{flag} {value}" for flag, value in wish.source.flags.items())
    return f"{wish.switch.value}, {about}{', with' if flags else ''}{flags}"


def sources(project: Project) -> list[Source]:
    """How the files have to be read: once for each way in which something was asked for that is a row."""
    found: list[Source] = []
    for wish in project.wishes():
        if wish.switch is not Switch.DOWN and wish.source not in found:
            found.append(wish.source)
    return found


def wanted(project: Project, readings: Iterable[tuple[Source, Reading]]) -> list[Forward]:
    """What runs, and what is a row that says `disabled`; each as it is read in the way in which it was asked for."""
    found: dict[str, Forward] = {}
    for source, reading in readings:
        for entry in reading:
            forward = entry.forward
            wish = governing(project, forward.name, forward.profile)
            if wish and wish.source == source and (switch := switch_of(project, entry)) is not Switch.DOWN:
                found[forward.name] = replace(forward, enabled=switch is Switch.UP)
    return list(found.values())


def _switched(
    project: Project,
    switch: Switch,
    chosen: Selection,
    members: Mapping[str, str | None],
    source: Source | None,
) -> Project:
    """Each keeps the way in which it was asked for; `source` is for what never was, which is left out without one."""

    def wish(name: str | None, profile: str | None) -> Wish | None:
        before = governing(project, name or "", profile)
        how = before.source if before else source
        return Wish(switch, how) if how else None

    return _said(project, wish, chosen, members)


def _said(
    project: Project,
    wish: Callable[[str | None, str | None], Wish | None],
    chosen: Selection,
    members: Mapping[str, str | None],
) -> Project:
    """A word about a profile replaces the earlier ones about its members, but not that one of them is disabled."""
    names = {
        name: before
        for name, before in project.names.items()
        if members.get(name) not in chosen.profiles or _is_disabled(before)
    }
    said = {name: wish(name, members.get(name)) for name in chosen.names}
    of_profiles = {profile: wish(None, profile) for profile in chosen.profiles}
    return msgspec.structs.replace(
        project,
        names=names | {name: one for name, one in said.items() if one},
        profiles=project.profiles | {name: one for name, one in of_profiles.items() if one},
    )


def _renewed(wishes: Wishes, source: Source) -> Wishes:
    """A bare `up` is about all: what was down is as the files say, what was named or disabled stays so."""
    return {
        name: Wish(wish.switch, source) for name, wish in wishes.items() if wish.switch is not Switch.DOWN
    }


def _disabled(wishes: Wishes) -> Wishes:
    return {name: wish for name, wish in wishes.items() if _is_disabled(wish)}


def _is_disabled(wish: Wish | None) -> bool:
    return wish is not None and wish.switch is Switch.DISABLED


def switched(project: Project, forward: Forward) -> Forward:
    """As the user's last word about it has it."""
    return replace(forward, enabled=switch_of(project, Entry(forward)) is Switch.UP)
