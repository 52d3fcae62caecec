"""The files of the projects that are up, read again: in bounded time, when somebody asks or they have changed, and what is
wrong with them remembered until it is right."""

import logging
from collections.abc import Awaitable, Callable, Iterable

from kfw.daemon.events import Events
from kfw.daemon.project_files import ProjectReading, has_files, read_again
from kfw.daemon.project_watch import ProjectWatch
from kfw.errors import ConfigError, KfwError
from kfw.protocol import Source
from kfw.supervisor import wanted
from kfw.supervisor.wanted import Project
from kfw.system.changes import FileChanges
from kfw.system.files import outside

log = logging.getLogger("kfw.daemon")

#: Seconds that reading one project's config and kubeconfigs again may take.
READ_AGAIN = 10.0


class ProjectReader:
    """`project(key)`: its record as it is now. `take` is handed what was read after a change, and may raise KfwError."""

    def __init__(
        self,
        project: Callable[[str], Project],
        take: Callable[[str, Project, ProjectReading], Awaitable[None]],
        events: Events,
    ) -> None:
        self._project = project
        self._take = take
        self._events = events
        self._unread: dict[str, str] = {}  # projects whose files have changed and are wrong now
        self._watch: ProjectWatch | None = None
        self._closed = False

    def watch(self, changes: FileChanges) -> ProjectWatch:
        """From the next `follow` on. The caller closes it."""
        self._watch = ProjectWatch(changes, self._on_changed_files)
        return self._watch

    def follow(self, projects: Iterable[str]) -> None:
        """These from now on, of those that have to be read, and no others."""
        read = [key for key in projects if self.has_to_be_read(key)]
        self._unread = {key: said for key, said in self._unread.items() if key in read}
        if self._watch:
            self._watch.follow({key: files for key in read if (files := self._project(key).files)})

    def problems(self) -> Iterable[str]:
        """In sentences, for `status`."""
        return self._unread.values()

    def is_in_use(self, key: str) -> None:
        """What its files say now was read and taken: nothing is wrong with them any more."""
        self._unread.pop(key, None)

    def close(self) -> None:
        self._closed = True
        if self._watch:
            self._watch.close()

    def has_to_be_read(self, key: str) -> bool:
        return has_files(key) and bool(wanted.sources(self._project(key)))

    async def read_again(self, key: str) -> tuple[Project, ProjectReading]:
        """With the record that it was read by."""
        project = self._project(key)
        return project, await self.read(key, project)

    async def read(self, key: str, project: Project, ways: Iterable[Source] = ()) -> ProjectReading:
        """Off the loop: a project may be on a file system that hangs. Raises KfwError."""
        try:
            return await outside(lambda: read_again(key, project, ways), READ_AGAIN)
        except TimeoutError as error:
            what = f"cannot read the files of {key} again: it takes more than {READ_AGAIN:g} s"
            raise KfwError(what, "check the file system that it is on") from error

    async def _on_changed_files(self, key: str) -> None:
        """What is wrong changes nothing, and is said until it is right again."""
        if self._closed or not self.has_to_be_read(key):
            return
        try:
            await self._take(key, *await self.read_again(key))
        except KfwError as error:
            self._unread[key] = _why_unread(key, error)
            log.error("%s", self._unread[key])
            self._events.emit("reload", message=f"nothing changed: {error.what}")


def _why_unread(key: str, error: KfwError) -> str:
    if isinstance(error, ConfigError):
        return f"{key} has changed but is not used: {error.what}"
    return f"{key} was read again, but nothing changes: {error.what}"
