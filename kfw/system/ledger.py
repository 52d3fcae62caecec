"""Every child on disk before it runs, so that a daemon that was killed leaves nothing the next one cannot end.

A disk that takes nothing, or a file that was taken away, stops no child: what is known is in memory, and the file is
written again as a whole as soon as that is possible.

One JSON object to a line: {"marker", "argv", "label"} before the spawn, {"marker", "pid", "start"} after it, and
{"marker", "ended": true} when the child and what it left behind are gone. A torn last line is not an error.
"""

import json
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from kfw.errors import KfwError, words_of
from kfw.system.files import append, clear_the_way, read_bounded, write_atomic
from kfw.system.process_identity import SeenProcess, alive, everybody, group, look

log = logging.getLogger("kfw.ledger")

#: Lines after which the file is written again with what still counts.
COMPACT_AFTER = 1000
#: Bytes of a ledger; between two compactions a thousand lines of some 500 are added.
LARGEST = 32 * 1024 * 1024
#: `intend` makes 32 hexadecimal digits. Never empty: that is what every process has that is not a child of ours.
_MARKER = re.compile(r"[\w-]{1,64}")
#: Above any pid (proc(5): pid_max is at most 2^22); 0, 1 and negative ones mean other things to kill(2).
_PIDS = range(2, 2**22 + 1)

_PAUSE = 0.02
#: Seconds between two lines in the log about a disk that takes something now and then.
_TELL_AGAIN = 60.0


@dataclass(frozen=True)
class LedgerEntry:
    """A child that we started, or were about to start (`pid` None). `start` is process_identity.SeenProcess's."""

    marker: str
    argv: tuple[str, ...]
    label: str
    pid: int | None = None
    start: str | None = None

    def __str__(self) -> str:
        return f"{self.label}: {' '.join(self.argv)}" + (f" (pid {self.pid})" if self.pid else "")


class Ledger:
    """One process at a time uses a ledger: the daemon's lock sees to it.

    `prepare` is called before the file is made again: whatever must be there besides it. It may raise KfwError.
    """

    def __init__(self, path: Path, prepare: Callable[[], object] = lambda: None) -> None:
        self.path = path
        self._prepare = prepare
        self._lines = 0  # since the file was last compacted
        self._known: dict[str, LedgerEntry] | None = None  # what has not ended; None: nothing was added yet
        self._lacks = set[str]()  # markers of what is known and not in the file as it is known
        self._written: tuple[int, ...] | None = None  # the file as it was left
        self.problem = ""  # why the file is not up to date
        self._told_at = -_TELL_AGAIN

    def intend(self, argv: Sequence[str], label: str) -> LedgerEntry:
        """Say what will be started; the marker must be in its environment."""
        entry = LedgerEntry(uuid4().hex, tuple(argv), label)
        self._known_now()[entry.marker] = entry
        self._add({"marker": entry.marker, "argv": entry.argv, "label": label})
        return entry

    def started(self, entry: LedgerEntry, pid: int) -> LedgerEntry:
        seen = look(pid)
        entry = replace(entry, pid=pid, start=seen.start if seen else None)
        self._known_now()[entry.marker] = entry
        self._add({"marker": entry.marker, "pid": pid, "start": entry.start})
        return entry

    def ended(self, entry: LedgerEntry) -> None:
        """An entry that cannot be written off does no harm: reclaim finds nobody who fits it."""
        self._known_now().pop(entry.marker, None)
        self._add({"marker": entry.marker, "ended": True})

    @property
    def is_behind(self) -> bool:
        """The file does not say what is known: `catch_up` when it may be possible again."""
        return bool(self.problem)

    def warning(self, entry: LedgerEntry) -> str:
        """ "" while the next kfw would find it; else a sentence for people."""
        if entry.marker not in self._lacks:
            return ""
        return f"if kfw is killed now, its child process keeps running: {self.problem}"

    def catch_up(self) -> None:
        """Write what the file lacks, also where somebody has taken it away. No error: see `problem`."""
        if self.is_behind or not self._is_there():
            self._try(self._write_known)

    @property
    def is_empty(self) -> bool:
        """Nothing is left to end. Raises KfwError, as `entries`."""
        return not (self.entries() if self._known is None else self._known)

    def entries(self) -> list[LedgerEntry]:
        """What has not ended, oldest first. Raises KfwError if the file is there and cannot be read."""
        try:
            text = read_bounded(self.path, LARGEST).decode(errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise KfwError(f"cannot read {self.path}: {words_of(error)}") from error
        return list(fold(text.split("\n")).values())

    def reclaim(self, grace: float = 1.0) -> list[LedgerEntry]:
        """End what a killed daemon left behind: TERM, after `grace` seconds KILL (blocking). Returns what was ended.

        Call it before anything is started. What cannot be ended (raised rights) stays in the file.
        """
        entries = self.entries()
        found = _alive(entries)
        left = _end(found, grace) if found else []
        if entries:
            with suppress(KfwError):  # only to keep the file short
                self._rewrite(left)
        return [entry for entry in found if entry not in left]

    def _known_now(self) -> dict[str, LedgerEntry]:
        """At first what the file has: a child of another kfw that could not be ended."""
        if self._known is None:
            self._known = {}
            with suppress(KfwError):
                self._known.update((entry.marker, entry) for entry in self.entries())
        return self._known

    def _add(self, line: Mapping[str, object]) -> None:
        self._try(lambda: self._append(line), str(line["marker"]))

    def _append(self, line: Mapping[str, object]) -> None:
        """Raises KfwError."""
        if self.is_behind or not self._is_there() or self._lines >= COMPACT_AFTER:
            self._write_known()
            return
        try:
            append(self.path, json.dumps(line).encode() + b"\n")
        finally:  # half a line is ours, too
            self._written = _look_at(self.path) or self._written
        self._lines += 1

    def _write_known(self) -> None:
        """Raises KfwError."""
        self._prepare()
        clear_the_way(self.path)
        self._rewrite(self._known_now().values())

    def _try(self, write: Callable[[], None], marker: str = "") -> None:
        known, there = self._known_now(), self._is_there()
        try:
            write()
        except KfwError as error:
            if not self.problem and time.monotonic() - self._told_at >= _TELL_AGAIN:
                self._told_at = time.monotonic()
                log.warning("%s; only this kfw knows which child processes run", error.what)
            self._lacks &= known.keys()
            self._lacks |= {marker} & known.keys() if there else known.keys()
            self.problem = error.what
            return
        if self.problem:
            log.info("%s is written again", self.path)
        self.problem = ""
        self._lacks.clear()

    def _is_there(self) -> bool:
        """The file is as it was left, or none was written; nobody has put another in its place."""
        return self._written is None or _look_at(self.path) == self._written

    def _rewrite(self, entries: Iterable[LedgerEntry]) -> None:
        """Raises KfwError."""
        lines = [json.dumps(vars(entry)) for entry in entries]
        write_atomic(self.path, "".join(f"{line}\n" for line in lines).encode())
        self._lines = 0
        self._written = _look_at(self.path)


def _look_at(path: Path) -> tuple[int, ...] | None:
    """What tells a file from another; the number alone may be given to the next one at once."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mode, found.st_size


def fold(lines: Iterable[str]) -> dict[str, LedgerEntry]:
    """What the lines add up to, by marker. Lines that make no sense (a torn end) are passed over."""
    entries: dict[str, LedgerEntry] = {}
    for line in lines:
        try:
            _fold_one(entries, json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
    return entries


def _fold_one(entries: dict[str, LedgerEntry], line: Mapping[str, object]) -> None:
    marker = line["marker"]
    if not isinstance(marker, str) or not _MARKER.fullmatch(marker):
        return
    if line.get("ended"):
        entries.pop(marker, None)
        return
    if isinstance(argv := line.get("argv"), list) and argv and argv[0]:
        entries[marker] = LedgerEntry(marker, tuple(map(str, argv)), str(line.get("label", "")))
    if isinstance(pid := line.get("pid"), int) and pid in _PIDS:
        start = line.get("start")
        entries[marker] = replace(entries[marker], pid=pid, start=start if isinstance(start, str) else None)


def members(entry: LedgerEntry, live: Iterable[SeenProcess]) -> list[SeenProcess]:
    """The processes of the entry: the child and what is in the group that it leads. Nobody else may be signalled.

    The child is told by pid, start time and marker, what it left behind in its group (socat's forked connections)
    by the marker. Where an environment may not be read the arguments must agree instead. An entry without a pid (we
    died in the moment of the spawn) needs marker and arguments.
    """
    live = list(live)
    if not entry.marker or entry.pid == 0:
        return []  # it fits everybody who has no marker
    if entry.pid is None:
        return [seen for seen in live if seen.marker == entry.marker and _same_arguments(seen, entry)]
    if entry.start and any(seen.pid == entry.pid and seen.start != entry.start for seen in live):
        return []  # a pid is given away again only when its group is empty: all of this group are strangers
    return [seen for seen in live if seen.group == entry.pid and _proved(seen, entry)]


def _proved(seen: SeenProcess, entry: LedgerEntry) -> bool:
    return _same_arguments(seen, entry) if seen.marker is None else seen.marker == entry.marker


def _same_arguments(seen: SeenProcess, entry: LedgerEntry) -> bool:
    """Not the name: `#!` scripts and wrappers that exec the real tool put another one in front."""
    said = " ".join(entry.argv[1:]) or entry.argv[0]
    return bool(said) and seen.command.endswith(said)


def living_members(entry: LedgerEntry) -> list[SeenProcess]:
    return members(entry, group(entry.pid) if entry.pid else everybody())


def kill(entry: LedgerEntry, number: signal.Signals) -> list[SeenProcess]:
    """Signal what is left of the entry: the whole group once a member is proved ours. Returns whom we saw."""
    found = living_members(entry)
    with suppress(ProcessLookupError, PermissionError):
        if found and entry.pid:
            os.killpg(entry.pid, number)  # also who was forked since we looked
            return found
        for seen in found:
            os.kill(seen.pid, number)
    return found


def _alive(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    live = list(everybody())
    return [entry for entry in entries if members(entry, live)]


def _end(entries: list[LedgerEntry], grace: float) -> list[LedgerEntry]:
    """Returns those that live on."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 1.0)):
        signalled = [seen for entry in entries for seen in kill(entry, number)]
        deadline = time.monotonic() + seconds
        while any(map(alive, signalled)) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        entries = _alive(entries)
    return entries
