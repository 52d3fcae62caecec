"""The record of what is wanted, on disk: survives `kill -9` and upgrades, so that the next daemon brings it back."""

import logging
from pathlib import Path

import msgspec

from kfw.daemon.request_validation import fault, fault_of_profile, shortened
from kfw.errors import KfwError, words_of
from kfw.model import Forward
from kfw.names import RowId
from kfw.protocol import ADDED, Source
from kfw.supervisor.moved_ports import MovedPort
from kfw.supervisor.wanted import Project, Switch, Wish
from kfw.system.files import clear_the_way, put_aside, read_bounded, write_atomic

log = logging.getLogger("kfw.store")

#: Bytes; what is kept of a thousand forwards has one million.
LARGEST = 32 * 1024 * 1024
#: Of the file's shape. 1 had one set of flags per project, and no version.
VERSION = 2


class WantedRecord(msgspec.Struct, frozen=True):
    #: What was up, and what was a row that said `disabled`, each complete: it comes back without any file being read.
    forwards: list[Forward] = []
    projects: dict[str, Project] = {}
    version: int = VERSION
    #: Also of what is down.
    moved: list[MovedPort] = []


class _Asked(msgspec.Struct, frozen=True):
    source: Source
    whole: bool


class _First(msgspec.Struct, frozen=True):
    """The file of kfw 0.1."""

    forwards: list[Forward] = []
    asked: dict[str, _Asked] = {}


class _Versioned(msgspec.Struct, frozen=True):
    version: int = 1


def save(path: Path, record: WantedRecord) -> None:
    """Raises KfwError when the disk does not take it. What is in its place and not a file is put aside."""
    clear_the_way(path)
    write_atomic(path, msgspec.json.encode(record))


def load(path: Path) -> WantedRecord:
    """An unreadable file is put aside, with a warning: it must not keep the daemon from starting.

    Of one that can be read, forwards that no config could ask for are left out.
    """
    try:
        record = _decode(read_bounded(path, LARGEST))
    except FileNotFoundError:
        return WantedRecord()
    except (OSError, ValueError, RecursionError) as error:
        log.warning("cannot read %s, starting with nothing up: %s", path.name, shortened(words_of(error)))
        _put_aside(path)
        return WantedRecord()
    projects = {key: _without_faulty_profiles(project, path) for key, project in record.projects.items()}
    moved = [one for one in record.moved if 0 < one.port < 65536]
    return WantedRecord(_possible(record.forwards, path), projects, moved=moved)


def _decode(data: bytes) -> WantedRecord:
    """Raises ValueError, of which msgspec's errors are, and RecursionError."""
    version = msgspec.json.decode(data, type=_Versioned).version
    if version == 1:
        return _from_first(msgspec.json.decode(data, type=_First))
    if version != VERSION:
        raise ValueError(f"it is of version {version}, this kfw reads {VERSION}")
    return msgspec.json.decode(data, type=WantedRecord)


def _from_first(first: _First) -> WantedRecord:
    """Its flags were those of the last `up`, whoever it was for: they go to the forwards that have what they say."""
    return WantedRecord(
        first.forwards, {key: _project(key, asked, first.forwards) for key, asked in first.asked.items()}
    )


def _project(key: str, asked: _Asked, forwards: list[Forward]) -> Project:
    plain = msgspec.structs.replace(asked.source, flags={})
    own = {
        forward.name: Wish(Switch.UP, asked.source if _has_what_they_say(forward, asked.source) else plain)
        for forward in forwards
        if forward.source == key and forward.enabled
    }
    if not asked.whole or key == ADDED:
        return Project(names=own)
    if all(wish.source == asked.source for wish in own.values()):
        return Project(whole=Wish(Switch.UP, asked.source))
    return Project(whole=Wish(Switch.UP, plain), names=own)


def _has_what_they_say(forward: Forward, source: Source) -> bool:
    known = {"context": forward.context, "namespace": forward.namespace, "method": forward.method}
    return all(known.get(flag, value) == value for flag, value in source.flags.items())


def _possible(forwards: list[Forward], path: Path) -> list[Forward]:
    found: dict[RowId, Forward] = {}
    for forward in forwards:
        if why := fault(forward):
            log.warning("%s: a forward is left out: %s", path.name, why)
        else:
            found[forward.id] = forward
    return list(found.values())


def _without_faulty_profiles(project: Project, path: Path) -> Project:
    faults = {name: fault_of_profile(one) for name, one in project.selections.items()}
    for why in filter(None, faults.values()):
        log.warning("%s: a profile is left out: %s", path.name, why)
    kept = {name: one for name, one in project.selections.items() if not faults[name]}
    ports = {name: port for name, port in project.ports.items() if 0 < port < 65536}
    return msgspec.structs.replace(project, selections=kept, ports=ports)


def _put_aside(path: Path) -> None:
    try:
        log.warning("%s was renamed to %s", path.name, put_aside(path).name)
    except KfwError as error:
        log.warning("%s", error.what)
