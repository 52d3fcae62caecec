"""What the daemon is asked to do beyond one forward: keep the record of what is wanted, read configs again, end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from kfw.daemon import logs
from kfw.daemon.events import Events
from kfw.daemon.named_rows import RowsMeant, profiles_of, rows_meant, rows_named
from kfw.daemon.project_files import ProjectReading, has_files
from kfw.daemon.project_reader import ProjectReader
from kfw.daemon.project_watch import ProjectWatch
from kfw.daemon.saved_record import SavedRecord
from kfw.daemon.selected import SelectedServices
from kfw.daemon.store import WantedRecord, load
from kfw.environ import Environ
from kfw.errors import KfwError, UsageError
from kfw.model import Forward
from kfw.names import RowId, Selection, few, select_rows
from kfw.protocol import ADDED, AgainRequest, NamesRequest, ReloadRequest, SwitchRequest, UpRequest
from kfw.supervisor import wanted
from kfw.supervisor.plan import Plan
from kfw.supervisor.supervisor import Supervisor
from kfw.supervisor.wanted import Project, Switch, Wish
from kfw.system.changes import FileChanges
from kfw.system.clock import Clock
from kfw.system.open_files import OPEN_FILES

log = logging.getLogger("kfw.daemon")


class DaemonService:
    """`on_demand`: the daemon was started by `up` alone, so it ends when the last forward is down."""

    def __init__(
        self, supervisor: Supervisor, events: Events, clock: Clock, store: Path, *, on_demand: bool
    ) -> None:
        self.supervisor = supervisor
        self.events = events
        self._clock = clock
        self._started = clock.monotonic()
        self._store = store
        self._on_demand = on_demand
        self._projects: dict[str, Project] = {}
        self._turn = asyncio.Lock()  # one change of what is wanted at a time
        self._files = ProjectReader(self._project, self._take_changed, events)
        self._services = SelectedServices(supervisor.clusters, self._on_changed_services)
        self._taking = set[asyncio.Task[object]]()
        self._saved = SavedRecord(store, self.record, self._tell_daemon)
        supervisor.moved_ports.on_change = lambda: self._saved.save_soon() if self.heir is None else None
        self.heir: int | None = None  # the pid of the daemon that serves instead of this one
        self.notes: list[Callable[[], str]] = []  # more to tell of this process, each "" at times
        #: Somebody looks who may start something, so that a daemon without forwards stays.
        self.is_watched: Callable[[], bool] = lambda: False
        self.ended = asyncio.Event()

    def uptime(self) -> float:
        return self._clock.monotonic() - self._started

    def warnings(self) -> list[str]:
        """What is wrong with this process or its disk, in sentences."""
        own = (OPEN_FILES.shortage(), self._saved.problem, logs.problem(), *(note() for note in self.notes))
        return [said for said in (*own, *self._files.problems(), *self._services.problems()) if said]

    def config_urls(self) -> list[str]:
        """Those of --config-url that something is up with, each once."""
        ways = [source for project in self._projects.values() for source in wanted.sources(project)]
        return list(dict.fromkeys(source.config_url for source in ways if source.config_url))

    def watch_files(self, changes: FileChanges) -> ProjectWatch:
        """From now on. The caller closes it."""
        watch = self._files.watch(changes)
        self._follow()
        return watch

    async def restore(self, record: WantedRecord | None = None) -> None:
        """Bring back what was up when the last daemon ended, or what it hands over."""
        record = record or load(self._store)
        self._projects = dict(record.projects)
        self.supervisor.moved_ports.remember(record.moved)
        if record.forwards:
            shown = self.supervisor.names.of_all(forward.id for forward in record.forwards)
            log.info("starting again what was up: %s", few(shown.values()))
            await self.bring_back(record.forwards)

    async def bring_back(self, forwards: Iterable[Forward]) -> None:
        async with self._turn:
            await self.supervisor.up(forwards, asked_for=False)

    def record(self) -> WantedRecord:
        running = [*self.supervisor.running().values(), *self.supervisor.shared()]
        return WantedRecord(running, self._projects, moved=self.supervisor.moved_ports.all())

    def unchanged(self) -> asyncio.Lock:
        """While it is held nobody changes what is wanted."""
        return self._turn

    def leave(self, heir: int) -> None:
        """The process `heir` serves, and sees to what is wanted."""
        self.heir = heir
        self._services.close()
        self._saved.close()
        self._files.close()

    async def up(self, request: UpRequest) -> Plan:
        async with self._turn:
            key = request.source.key
            environ = self.supervisor.environ_of(request.environ)
            forwards = [replace(forward, source=key) for forward in request.forwards]
            project = wanted.up(
                self._project(key), request.source, wanted.chosen_of(request), self._members(key, forwards)
            )
            # What is not covered was read before, perhaps from an older state of its files.
            before = {} if request.replace else project.files
            project = wanted.with_files(project, request.files | before)
            selections = [
                replace(one, template=replace(one.template, source=key)) for one in request.selections
            ]
            project = wanted.with_selections(project, selections, whole=request.replace)
            forwards = [wanted.switched(project, forward) for forward in forwards]
            if request.replace:
                forwards += self._selected(key, project)
            for selection in selections:
                self.supervisor.look_for_services(selection.template, environ)
            replaces = key if request.replace else None
            reply = await self.supervisor.up(forwards, replaces=replaces, environ=environ)
            added = {row.name for row in reply.taken}
            self._projects = wanted.not_added(self._projects, added) | {key: project}
            if request.replace:
                self._files.is_in_use(key)
            self._save()
        if project.selections:
            await self._services.wait_until_listed(key)
            reply += await self._take_services(key)
        return reply

    async def down(self, request: NamesRequest) -> list[RowId]:
        """Without names all of its project, or of everything; what is disabled stays so."""
        async with self._turn:
            chosen = self._those(request)
            projects = chosen.by_project()
            if not request.names:  # also one whose files have nothing at present
                also = [key for key in self._projects if request.project in ("", key)]
                projects = {key: projects.get(key, {}) for key in (*also, *projects)}
            for key, members in projects.items():
                part = chosen.part(key, self._members(key))
                self._projects[key] = wanted.down(self._project(key), part, members)
            stopped = await self._down(
                [row for row, forward in chosen.rows.items() if not self._is_disabled(forward)]
            )
            self._forget_what_is_down(projects)
            self._went()
            return stopped

    async def remove(self, request: NamesRequest) -> list[RowId]:
        async with self._turn:
            chosen = self._those(request)
            projects = chosen.by_project()
            for key, members in projects.items():
                part = chosen.part(key, self._members(key))
                project = wanted.down(self._project(key), part, members)
                self._projects[key] = wanted.forget(project, members) if key == ADDED else project
            shared, own = self._shared_and_own(chosen.rows)
            rows = self.supervisor.rows()
            self.supervisor.moved_ports.forget([rows[row_id] for row_id in own])
            removed = [*shared, *(await self.supervisor.remove(own) if own else ())]
            self._forget_what_is_down(projects)
            self._went()
            return removed

    async def disable(self, request: SwitchRequest) -> list[RowId]:
        """What is not up need not be read: the word about it is enough. Raises UsageError for an unknown name."""
        async with self._turn:
            chosen = await self._named(request)
            rows = [replace(forward, enabled=False) for forward in self._with_row(chosen)]
            self._projects |= self._switched(wanted.disable, chosen, request)
            self.supervisor.unshare(chosen.rows)
            await self.supervisor.up(rows, asked_for=False)
            self._went()
            return list(chosen.rows)

    async def enable(self, request: SwitchRequest) -> list[RowId]:
        """As the files have it now. Raises KfwError, and changes nothing, when they cannot be read."""
        async with self._turn:
            environ = self.supervisor.environ_of(request.environ)
            chosen = await self._named(request)
            said = self._switched(wanted.enable, chosen, request)
            rows = self._with_row(chosen)
            forwards = [
                forward
                for key, project in said.items()
                for forward in await self._as_now(key, project, rows)
                if forward.id in chosen.rows
            ]
            await self.supervisor.up(forwards, environ=environ)
            self._projects |= said
            self._save()
            return [forward.id for forward in forwards if forward.enabled]

    def _switched(
        self, switch: wanted.SwitchWord, chosen: RowsMeant, request: SwitchRequest
    ) -> dict[str, Project]:
        """The projects that the word is about, with it."""
        return {
            key: switch(
                self._project(key),
                wanted.way_of(key, request.source),
                chosen.part(key, ()) or Selection((), (), ()),
                members,
            )
            for key, members in chosen.by_project().items()
        }

    def word_about(self, forward: Forward) -> tuple[Project, Wish | None]:
        """The last one of the user, and the project that it is in."""
        project = self._project(forward.source)
        return project, wanted.governing(project, forward.name, forward.profile)

    def one(self, name: str, project: str) -> RowId:
        """The row that a single forward's name means to who is in this project. Raises UsageError."""
        rows = list(rows_named([name], self._known(), project).rows)
        if len(rows) != 1:
            shown = self.supervisor.names.of_all(rows)
            raise UsageError(f"'{name}' is several forwards", f"name one of {few(shown.values())}")
        return self.supervisor.shares.holder(rows[0])

    def restart(self, request: AgainRequest) -> list[RowId]:
        chosen, environ = self._asked_again(request)
        if chosen is None:
            return []
        return self.supervisor.restart(chosen, environ, request.project)

    def retry(self, request: AgainRequest) -> list[RowId]:
        chosen, environ = self._asked_again(request)
        if chosen is None:
            return []
        return self.supervisor.retry(chosen, environ, request.project)

    async def reload(self, request: ReloadRequest | None = None) -> Plan:
        """Read the files of every project again. Raises before anything changes when one of them is wrong.

        The caller's environment is for the caller's own project, and for those whose own is not known.
        """
        request = request or ReloadRequest()
        environ = self.supervisor.environ_of(request.environ)
        found = [
            (key, *await self._files.read_again(key))
            for key in list(self._projects)
            if self._files.has_to_be_read(key)
        ]
        total = Plan()
        for key, project, read in found:
            takes = key == request.project or self.supervisor.environ_is_missing(key)
            sent = environ if takes else None
            total += await self._take(key, project, read, sent, request.context)
        self._tell_of(total, "read the configs again")
        return total

    def stop(self, why: str) -> None:
        log.info("the daemon stops: %s", why)
        self._saved.finish()
        self.ended.set()

    # -- reading the files again

    async def _take(
        self, key: str, project: Project, found: ProjectReading, environ: Environ | None, context: str = ""
    ) -> Plan:
        """What was read, unless something else was said of the project meanwhile: then it is read once more. `context`:
        the forwards in other ones stay as they are."""
        while True:
            async with self._turn:
                if self._project(key) is project:
                    project = wanted.with_selections(
                        project, wanted.selections_in(context, found.selections, project)
                    )
                    forwards = [*found.forwards, *self._selected(key, project)]
                    reply = await self.supervisor.up(forwards, replaces=key, environ=environ, context=context)
                    self._projects[key] = wanted.with_files(project, found.files)
                    self._projects = wanted.not_added(self._projects, {row.name for row in reply.taken})
                    self._files.is_in_use(key)
                    self._save()
                    return reply
            if not self._files.has_to_be_read(key):  # it was taken down meanwhile
                return Plan()
            project, found = await self._files.read_again(key)

    async def _take_changed(self, key: str, project: Project, found: ProjectReading) -> None:
        reply = await self._take(key, project, found, None)
        if reply.changes:
            self._tell_of(reply, "read the configs again")

    # -- profiles that select

    def _selected(self, key: str, project: Project) -> list[Forward]:
        """What its profiles select now. Where that is not known yet, what is up stays."""
        found = self._services.of(key, project, self.supervisor.rows())
        running = self.supervisor.running()
        return [*found.forwards, *(row for row in found.kept if row.id in running)]

    def _on_changed_services(self, key: str) -> None:
        self._begin_task(self._take_services(key))

    async def _take_services(self, key: str) -> Plan:
        """Services have come, changed or gone; what was taken down stays so."""
        async with self._turn:
            if key not in self._projects:
                return Plan()
            project = self._project(key)
            found = self._services.of(key, project, self.supervisor.rows())
            removed = await self.supervisor.remove(found.gone) if found.gone else []
            reply = await self.supervisor.up(found.forwards, asked_for=False)
            reply = replace(reply, stop=tuple(removed), keep=(*reply.keep, *found.shared))
            self.supervisor.shares.add({RowId(key, row.name): row for row in found.shared})
            if found.ports != project.ports:
                self._projects[key] = msgspec.structs.replace(project, ports=found.ports)
            if reply.changes:
                self._save()
                self._tell_of(reply, "services have changed")
            return reply

    def _follow(self) -> None:
        self._services.follow(self._projects)
        self._files.follow(self._projects)

    def _tell_daemon(self, message: str) -> None:
        self.events.emit("daemon", message=message)

    def _tell_of(self, done: Plan, why: str) -> None:
        kinds = {"started": done.start, "restarted": done.restart, "stopped": done.stop}
        shown = self.supervisor.names.of_all(row for rows in kinds.values() for row in rows)
        said = [f"{kind}: {few(shown[row] for row in rows)}" for kind, rows in kinds.items() if rows]
        message = "; ".join(said) or "nothing changed"
        log.info("%s: %s", why, message)
        self.events.emit("reload", message=message)

    # -- which ones

    def _project(self, key: str) -> Project:
        return self._projects.get(key) or Project()

    def _known(self) -> dict[RowId, Forward]:
        """All rows, and what other rows serve as well."""
        return self.supervisor.rows() | {forward.id: forward for forward in self.supervisor.shared()}

    def _members(self, key: str, more: Iterable[Forward] = ()) -> dict[str, str | None]:
        """The project's forwards with their profiles."""
        rows = [forward for forward in self._known().values() if forward.source == key]
        return {forward.name: forward.profile for forward in (*rows, *more)}

    def _those(self, request: NamesRequest) -> RowsMeant:
        """Raises UsageError for words that none is named after."""
        return rows_meant(request, self._known(), self._caller_of)

    def _caller_of(self, forward: Forward) -> str:
        """The project of the folder in which it was asked for: for what came by --config or `add`."""
        wish = self.word_about(forward)[1]
        return wish.source.project if wish else ""

    def _asked_again(self, request: AgainRequest) -> tuple[list[RowId] | None, Environ | None]:
        """[]: all of them, as when none was named; None: the context has none."""
        environ = self.supervisor.environ_of(request.environ)
        if not (request.names or request.context):
            return [], environ
        project = request.project if request.names else ""
        chosen = self._those(NamesRequest(request.names, project, request.context))
        return list(dict.fromkeys(map(self.supervisor.shares.holder, chosen.rows))) or None, environ

    async def _named(self, request: SwitchRequest) -> RowsMeant:
        """Also what is not up, but is in the caller's files. Raises UsageError, KfwError when they cannot be read."""
        known, key = self._known(), request.source.key
        callers = {row: profile for row, profile in profiles_of(known).items() if row.project == key}
        if has_files(key) and select_rows(request.names, callers, key).unknown:
            try:
                found = await self._files.read(key, Project(), [request.source])
            except KfwError:
                if select_rows(request.names, profiles_of(known), key).unknown:
                    raise
            else:
                known = {entry.forward.id: entry.forward for entry in found.entries} | known
        return rows_named(request.names, known, key)

    async def _as_now(self, key: str, project: Project, rows: Iterable[Forward]) -> list[Forward]:
        """The project's forwards as they are wanted; what no file has is as its row is."""
        if has_files(key):
            return [*(await self._files.read(key, project)).forwards, *self._selected(key, project)]
        return [wanted.switched(project, row) for row in rows if row.source == key]

    def _with_row(self, chosen: RowsMeant) -> list[Forward]:
        """Those that are more than an entry of a file."""
        return [forward for row, forward in self._known().items() if row in chosen.rows]

    def _is_disabled(self, forward: Forward) -> bool:
        """By the user: what only a file has disabled is taken down like the others."""
        wish = self.word_about(forward)[1]
        return wish is not None and wish.switch is Switch.DISABLED

    async def _down(self, rows: list[RowId]) -> list[RowId]:
        shared, own = self._shared_and_own(rows)
        return [*shared, *(await self.supervisor.down(own) if own else ())]  # none would be all

    def _shared_and_own(self, rows: Iterable[RowId]) -> tuple[list[RowId], list[RowId]]:
        """Those whose row is another project's, which are so no more, and those that are rows."""
        rows = list(rows)
        shared = dict.fromkeys(self.supervisor.unshare(rows))
        return list(shared), [row for row in rows if row not in shared]

    # -- what is kept

    def _went(self) -> None:
        """After forwards ended: a daemon that nobody asked for ends with the last."""
        self._save()
        self.end_if_unused()

    def end_if_unused(self) -> None:
        is_idle = self.supervisor.is_idle() and self._services.is_idle
        if self._on_demand and is_idle and not self.is_watched():
            self.stop("nothing is up any more")

    def _forget_what_is_down(self, projects: Iterable[str]) -> None:
        """A project whose last forward was taken down is down: its files are read no more."""
        up = {forward.source for forward in self.supervisor.running().values() if forward.enabled}
        for key in projects:
            if key not in up and not wanted.followed(self._project(key)):
                self._projects[key] = wanted.down(self._project(key), None, {})
            if wanted.is_empty(self._project(key)):
                del self._projects[key]

    def _save(self) -> None:
        if self.heir is None:
            self._follow()
            self._saved.save()
            if left := self.supervisor.left_to_others():
                self._begin_task(self._take_over(left))

    async def _take_over(self, forwards: Iterable[Forward]) -> None:
        """Their port was another project's, which has ended it."""
        await self.bring_back(forwards)
        self._save()

    def _begin_task(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(work)
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
