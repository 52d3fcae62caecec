"""The kubeconfigs in use: read again only when a file has changed, and never on the event loop."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kfw.errors import UsageError
from kfw.kubeconfig.entries import Access, Kubeconfig, merge
from kfw.paths import user_home
from kfw.short_paths import know
from kfw.system.changes import Stamp, stamp
from kfw.system.files import OUTSIDE_TIMEOUT, outside

_Names = tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    """`stamp` None: it is read again by the next who asks, as what went wrong may be over by then."""

    stamp: tuple[Stamp, ...] | None
    content: Kubeconfig


class Kubeconfigs:
    def __init__(self, timeout: float = OUTSIDE_TIMEOUT) -> None:
        """`timeout`: seconds that looking at the files may take."""
        self._timeout = timeout
        self._read: dict[_Names, _Read] = {}
        self._reading: dict[_Names, asyncio.Task[_Read]] = {}
        self._last: dict[tuple[_Names, str], tuple[Kubeconfig, Access]] = {}

    async def access(self, files: Sequence[str], context: str) -> Access:
        """`files` () are the user's default. Raises UsageError."""
        names = self.names(files)
        return self._chosen(names, await self._look(names), context)

    def access_now(self, files: Sequence[str], context: str) -> Access:
        """As `access`. Blocking."""
        names = self.names(files)
        found = self._read[names] = _read(names, self._read.get(names))
        return self._chosen(names, found, context)

    def _chosen(self, names: _Names, found: _Read, context: str) -> Access:
        """Of what has not changed the same as before: what is in it is compared, and known as secret, often."""
        before = self._last.get((names, context))
        if before is None or before[0] is not found.content:
            before = self._last[names, context] = found.content, self.choose(found.content, context)
        return before[1]

    def names(self, files: Sequence[str]) -> tuple[str, ...]:
        """Of the files to be read."""
        names = tuple(files) or default_files(os.environ.get("KUBECONFIG"))
        _know(names)
        return names

    def choose(self, content: Kubeconfig, context: str) -> Access:
        """Raises UsageError."""
        return content.access(context)

    def last(self, files: Sequence[str], context: str) -> Access | None:
        """What `access` gave last, whatever the files say by now."""
        found = self._last.get((self.names(files), context))
        return found[1] if found else None

    def stamps(self, files: Sequence[str]) -> dict[str, Stamp]:
        """Each file as it was when it was read last; none while they must be read again anyway."""
        names = self.names(files)
        read = self._read.get(names)
        return dict(zip(names, read.stamp, strict=True)) if read and read.stamp else {}

    async def _look(self, names: _Names) -> _Read:
        """Who comes while somebody looks waits for the same look."""
        task = self._reading.get(names)
        if task is None:
            task = self._reading[names] = asyncio.create_task(self._look_outside(names), name="kubeconfig")
            task.add_done_callback(lambda ended: self._forget_look(names, ended))
        return await asyncio.shield(task)

    def _forget_look(self, names: _Names, ended: asyncio.Task[_Read]) -> None:
        del self._reading[names]
        if not ended.cancelled():
            ended.exception()  # who waited has it; perhaps nobody waits any more

    async def _look_outside(self, names: _Names) -> _Read:
        before = self._read.get(names)
        try:
            found = await outside(lambda: _read(names, before), self._timeout)
        except TimeoutError as error:
            raise UsageError(
                f"cannot read the kubeconfig {os.pathsep.join(names)}: it takes more than {self._timeout:g} s",
                "check the file system that it is on",
            ) from error
        self._read[names] = found
        return found


def default_files(kubeconfig: str | None) -> tuple[str, ...]:
    """The files of $KUBECONFIG (a list as PATH is one), else ~/.kube/config; absolute, each once."""
    listed = [part for part in (kubeconfig or "").split(os.pathsep) if part]
    if not listed:
        return (str(user_home() / ".kube" / "config"),)
    return tuple(dict.fromkeys(str(Path(part).absolute()) for part in listed))


def _know(files: Sequence[str]) -> None:
    """What is said of them from now on is said in short."""
    for file in files:
        know(file, os.environ.get("HOME", ""))


def load(files: Sequence[str]) -> Kubeconfig:
    """Reads and merges; what is wrong is kept in it. Blocking. A missing file is none."""
    from kfw.kubeconfig.parse import read  # brings in yaml

    _know(files)
    parts = [part for file in files if (part := read(Path(file))) is not None]
    return merge([Kubeconfig(tuple(files)), *(replace(part, files=()) for part in parts)])


def _read(names: _Names, before: _Read | None) -> _Read:
    """Blocking."""
    now = tuple(stamp(name) for name in names)
    if before and before.stamp == now:
        return before
    content = load(names)
    passing = content.broken is not None and content.broken.passing
    return _Read(None if passing else now, content)
