"""The files of a project, read again: each way in which its forwards were asked for, then what is wanted of it. Blocking."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kfw import paths
from kfw.config import sources
from kfw.errors import ConfigError, UsageError
from kfw.model import Forward, SelectingProfile
from kfw.protocol import Origin, RemoteDefaults, Source
from kfw.secret import redact
from kfw.supervisor import wanted
from kfw.supervisor.wanted import Entry, FileStamp, Project
from kfw.system.changes import stamp
from kfw.system.clock import rfc3339


class ProjectReading(NamedTuple):
    """`forwards`: pinned, what runs and what is a row that says `disabled`. `entries`: all that the files have.
    `selections`: pinned, each profile that selects, as it was asked for."""

    forwards: list[Forward]
    entries: list[Entry]
    files: dict[str, FileStamp]
    selections: list[SelectingProfile]


def read_again(key: str, project: Project, ways: Iterable[Source] = ()) -> ProjectReading:
    """`ways`: more ways to read than those in which something was asked for.

    Raises ConfigError: of a file that is wrong, and of one that was there and is gone. Then nothing is to change.
    """
    files: dict[str, FileStamp] = {}
    readings: list[tuple[Source, list[Entry]]] = []
    selections: list[SelectingProfile] = []
    for source in [*wanted.sources(project), *ways]:
        now, entries, selecting = _read(key, source)
        files |= now
        readings.append((source, entries))
        kubeconfigs, pinned = _pinned_selections(project, source, selecting)
        files |= kubeconfigs
        selections += pinned
    found: dict[str, Forward] = {}
    for source, reading in readings:
        kubeconfigs, forwards = _pinned(project, source, reading)
        files |= kubeconfigs
        found |= {forward.name: forward for forward in forwards}
    _refuse_gone(project.files, files)
    return ProjectReading(
        list(found.values()), [entry for _, reading in readings for entry in reading], files, selections
    )


def origins_of(forward: Forward, source: Source) -> list[Origin]:
    """What its files and flags say of it, each value with where it stands. Raises ConfigError."""
    from kfw.config.layers import load
    from kfw.config.merge import leaves

    files = [Path(file) for file in source.config_files]
    settings = load(Path(source.cwd), config_files=files, flags=source.flags, config_url=source.config_url)
    tree = settings.tree
    if forward.profile:
        tree = tree.branch("profiles").branch(forward.profile)
    found = leaves(tree.branch("portForwards").branch(forward.name))
    return [
        Origin(key, str(leaf.value), leaf.at.origin)
        for key, leaf in found.items()
        if leaf.at.layer != "embedded"
    ]


def remote_defaults(urls: Iterable[str]) -> list[RemoteDefaults]:
    """How the copies of these are that this daemon reads."""
    return [_remote_defaults(url) for url in urls]


def _remote_defaults(url: str) -> RemoteDefaults:
    from kfw.config.remote import state_of, url_of  # hashlib and more, which few need

    try:
        remote = url_of(url)
    except UsageError as error:  # of another client than kfw's own
        return RemoteDefaults(url=redact(url.partition("?")[0]), state="missing", message=error.what)
    found = state_of(remote)
    return RemoteDefaults(
        url=redact(remote.name),
        state="missing" if not found.is_here else "old" if found.problem else "current",
        newest_at=rfc3339(found.newest) if found.is_here and found.newest else None,
        message=found.problem,
    )


def has_files(key: str) -> bool:
    """Of what `kfw add` and `kfw demo` brought there is no file."""
    return key.startswith("/")


def _read(key: str, source: Source) -> tuple[dict[str, FileStamp], list[Entry], list[SelectingProfile]]:
    from kfw.config.layers import load, remote_sources  # yaml: only a daemon that reloads pays for it

    cwd, config_files = Path(source.cwd), [Path(file) for file in source.config_files]
    remote = remote_sources(source.config_url)
    seen = [*remote, *sources.find(cwd, paths.config_file(), config_files, [])]
    stamps = {
        str(each.path): stamp(str(each.path)) for each in seen
    }  # before: what changes meanwhile is seen later
    if not remote and not _is_among(key, stamps):
        raise ConfigError([_gone(key)])
    settings = load(cwd, config_files=config_files, flags=source.flags, config_url=source.config_url)
    entries = [
        Entry(replace(forward, source=key), forward.name in settings.off_by_profile)
        for forward in settings.forwards.values()
    ]
    selections = [
        replace(one, template=replace(one.template, source=key)) for one in settings.selections.values()
    ]
    return {str(paths.config_file()): stamp(str(paths.config_file()))} | stamps, entries, selections


def _is_among(key: str, files: Iterable[str]) -> bool:
    """The user's config may be a .toml beside the name that it is known by."""
    users = key == str(paths.config_file())
    return any(
        file == key or (users and Path(file).with_suffix("") == Path(key).with_suffix("")) for file in files
    )


def _refuse_gone(before: Mapping[str, FileStamp], now: Mapping[str, FileStamp]) -> None:
    gone = [file for file, known in before.items() if known and file not in now and not os.path.lexists(file)]
    if gone:
        raise ConfigError([_gone(file) for file in gone])


def _gone(file: str) -> str:
    return f"{file}: the file is gone, restore it, or run `kfw up` to use what is there now"


def _pinned(
    project: Project, source: Source, reading: list[Entry]
) -> tuple[dict[str, FileStamp], list[Forward]]:
    """With the kubeconfigs whose current context is followed, as they were before they were read."""
    from kfw.kubeconfig.pin import followed_files, pin

    forwards = wanted.wanted(project, [(source, reading)])
    return followed_files(forwards, source.kubeconfig), pin(forwards, source.kubeconfig)


def _pinned_selections(
    project: Project, source: Source, selections: Iterable[SelectingProfile]
) -> tuple[dict[str, FileStamp], list[SelectingProfile]]:
    """Those that were asked for in this way; see `_pinned`."""
    from kfw.kubeconfig.pin import followed_files, pin

    meant = [one for one in selections if _way_of(project, one) == source]
    files = followed_files((one.template for one in meant), source.kubeconfig)
    pinned = (pin([one.template], source.kubeconfig) for one in meant)
    return files, [
        replace(one, template=template)
        for one, templates in zip(meant, pinned, strict=True)
        for template in templates
    ]


def _way_of(project: Project, selection: SelectingProfile) -> Source | None:
    wish = project.profiles.get(selection.profile) or project.whole
    return wish.source if wish else None
