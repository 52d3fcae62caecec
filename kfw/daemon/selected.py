"""The profiles that select services: what is in their namespaces, followed, and the forwards that come of it."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

from kfw.aio import Complaints, keep_going
from kfw.kube.resource import SERVICES
from kfw.model import Forward, Problem, Reason, Resolution, SelectingProfile
from kfw.names import RowId
from kfw.supervisor import selection as rules
from kfw.supervisor import wanted
from kfw.supervisor.runner import Clusters
from kfw.supervisor.selection import Member
from kfw.supervisor.wanted import Entry, Project, Switch
from kfw.target.objects import Needs, Objects, Service

log = logging.getLogger("kfw.daemon")

#: Seconds that `up` waits for the first list of a profile's services.
FIRST_LIST = 5.0


@dataclass(frozen=True)
class ServicesFound(Resolution):
    """`services`: by name; None while nothing is known. With a `problem` they are those that were known last."""

    services: tuple[Service, ...] | None = None


class ServiceLookup:
    """The services of a namespace that a selector selects: a Lookup of target/watcher.py.

    `labels`: a labelSelector; "" selects all.
    """

    known = ServicesFound()

    def __init__(self, labels: str) -> None:
        where = {SERVICES: {"labelSelector": labels}} if labels else {}
        self._needs = Needs(frozenset({SERVICES}), where=where)

    def needs(self, objects: Objects, *, doubt: bool) -> Needs:
        return self._needs

    async def resolve(self, objects: Objects, server: object) -> Resolution:
        if objects.services is None:
            return replace(self.known, problem=objects.why_unknown(SERVICES))
        found = tuple(objects.services[name] for name in sorted(objects.services))
        if not found and objects.namespace_missing:
            return ServicesFound(problem=_no_namespace(objects), services=())
        if not found:
            missing = Problem(
                Reason.TARGET_NOT_FOUND, f"no service in namespace {objects.namespace} matches the selector"
            )
            return ServicesFound(problem=missing, services=())
        return ServicesFound(services=found)


class ServicesPlace(NamedTuple):
    """Where services are looked for, and for whom."""

    key: str  # of the project
    profile: str
    namespace: str


class Selected(NamedTuple):
    """`forwards`: what runs and what is a row that says `disabled`. `gone`: rows whose services are not there any more.
    `kept`: rows of which nothing is known, as their namespace could not be listed yet. `ports`: see Project.ports."""

    forwards: list[Forward]
    gone: list[RowId]
    kept: list[Forward]
    ports: dict[str, int]
    #: Rows of other projects whose profile is the same word for word: they serve this one, too.
    shared: tuple[RowId, ...] = ()


class SelectedServices:
    """`changed(key)`: the services of a profile of this project are others, or for the first time known."""

    def __init__(self, clusters: Clusters, changed: Callable[[str], None]) -> None:
        self._clusters = clusters
        self._changed = changed
        self._followed: dict[ServicesPlace, tuple[Forward, str]] = {}
        self._tasks: dict[ServicesPlace, asyncio.Task[None]] = {}
        self._found: dict[ServicesPlace, ServicesFound] = {}
        self._news = asyncio.Event()
        self._closed = False

    def follow(self, projects: Mapping[str, Project]) -> None:
        """These from now on, and no others."""
        if self._closed:
            return
        places = {place: one for key, project in projects.items() for place, one in _places(key, project)}
        for place in [place for place, one in self._followed.items() if places.get(place) != one]:
            self._tasks.pop(place).cancel()
            del self._followed[place]
            self._found.pop(place, None)
        for place, (forward, labels) in ((p, one) for p, one in places.items() if p not in self._followed):
            self._followed[place] = (forward, labels)
            self._tasks[place] = asyncio.create_task(self._keep_following(place, forward, labels))

    @property
    def is_idle(self) -> bool:
        """Nobody asks for a profile that selects."""
        return not self._followed

    def close(self) -> None:
        self._closed = True
        for task in self._tasks.values():
            task.cancel()

    async def wait_until_listed(self, key: str) -> None:
        """Until each profile of the project was listed once, or said why not; for a few seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LIST):
                while any(place.key == key and place not in self._found for place in self._followed):
                    self._news.clear()
                    await self._news.wait()

    def problems(self) -> Iterator[str]:
        """In sentences, for `status`."""
        for place, found in self._found.items():
            if problem := found.problem:
                fix = f", {problem.fix}" if problem.fix else ""
                yield f"profile {place.profile}: {problem.message}{fix}"

    def of(self, key: str, project: Project, rows: Mapping[RowId, Forward]) -> Selected:
        """`rows`: all that the daemon has. What another project's profile, word for word the same, has selected already is
        left to that, as is a name that another forward of this project has."""
        others: dict[str, list[Forward]] = {}
        for row in rows.values():
            if row.selected and row.source != key:
                others.setdefault(row.name, []).append(row)
        members: dict[str, Member] = {}
        owner: dict[str, SelectingProfile] = {}
        unlisted = set[tuple[str, str]]()
        shared: list[RowId] = []
        for one in project.selections.values():
            for namespace in rules.namespaces(one):
                found = self._found.get(ServicesPlace(key, one.profile, namespace))
                if found is None or found.services is None:
                    unlisted.add((one.profile, namespace))
                    continue
                for member in rules.members(one, namespace, found.services):
                    same = (twin for twin in others.get(member.name, ()) if _is_same(twin, member, one))
                    if member.name in members:
                        continue
                    if RowId(key, member.name) not in rows and (twin := next(same, None)):
                        shared.append(twin.id)
                        continue
                    if _may_have(rows.get(RowId(key, member.name)), one.profile):
                        members[member.name], owner[member.name] = member, one
        taken = [row.local_port for at, row in rows.items() if at.project != key or at.name not in members]
        ports = rules.with_local_ports(list(members.values()), project.ports, taken)
        forwards = [rules.forward_of(one, ports[name], owner[name]) for name, one in members.items()]
        own = [row for row in rows.values() if row.source == key and row.selected and row.name not in members]
        kept = [row for row in own if (row.profile or "", row.namespace) in unlisted]
        gone = [row.id for row in own if row not in kept]
        return Selected(list(_wanted(project, forwards)), gone, kept, project.ports | ports, tuple(shared))

    async def _keep_following(self, place: ServicesPlace, forward: Forward, labels: str) -> None:
        complaints = Complaints(log, f"the check of the services of {place.profile}")

        async def turn() -> None:
            async for found in self._clusters.follow(forward, ServiceLookup(labels)):
                self._found[place] = cast(ServicesFound, found)
                self._news.set()
                self._changed(place.key)

        await keep_going(turn, complaints.tell)


def _places(key: str, project: Project) -> Iterator[tuple[ServicesPlace, tuple[Forward, str]]]:
    for one in wanted.followed(project).values():
        for namespace in rules.namespaces(one):
            yield (
                ServicesPlace(key, one.profile, namespace),
                (replace(one.template, namespace=namespace), one.labels),
            )


def _may_have(row: Forward | None, profile: str) -> bool:
    """`row`: the one of this name."""
    return row is None or (row.selected and row.profile == profile)


def _is_same(other: Forward, member: Member, one: SelectingProfile) -> bool:
    """Two projects read the user's config, where their profile stands."""
    mine = rules.forward_of(member, other.local_port, one)
    return replace(mine, source=other.source, enabled=other.enabled) == other


def _wanted(project: Project, forwards: list[Forward]) -> Iterator[Forward]:
    for forward in forwards:
        switch = wanted.switch_of(project, Entry(forward, off_by_profile=not forward.enabled))
        if switch is not Switch.DOWN:
            yield replace(forward, enabled=switch is Switch.UP)


def _no_namespace(objects: Objects) -> Problem:
    return Problem(
        Reason.TARGET_NOT_FOUND,
        f'namespaces "{objects.namespace}" not found in context {objects.context}',
        "its services are forwarded once it exists",
    )
