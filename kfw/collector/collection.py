"""One run of the collector: which workspaces there are, their figures, the events, and the record of what is done.

A figure that cannot be had is missing, never 0; what is missing is asked for again by the next run.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from kfw.collector.collected import CollectedRecord
from kfw.collector.grpc_calls import GrpcServer, ServerSilent
from kfw.collector.server_access import login_headers, trust
from kfw.collector.usage_events import Bucket, Metrics, UsageEvent, Workspace, oddities, rfc3339, summed
from kfw.config.collector_block import (
    CollectorSettings,
    Figure,
    FigureQuestion,
    ServerAccess,
    WorkspaceList,
    filled,
)
from kfw.config.json_path import NoNumber, kind_of, number_at, value_at
from kfw.errors import KfwError
from kfw.system.fetch import FetchBounds, fetch

#: Bytes of an answer by HTTP, and workspaces of one tenant.
_LARGEST, _MOST_WORKSPACES = 16 << 20, 100_000
#: Questions to one address without any answer, after which it is asked no more in this run.
_PATIENCE = 3


@dataclass
class CollectionResult:
    """Of one run: tenants that were collected, skipped because they were before, and that lack something."""

    collected: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)


class Backends:
    """Whom questions go to. `locate`: host:port of the forward of this name, or KfwError. `timeout`: seconds for one."""

    def __init__(self, locate: Callable[[str], str], timeout: float) -> None:
        self._locate = locate
        self._timeout = timeout
        self._servers: dict[tuple[str, ServerAccess], GrpcServer] = {}
        self._trusted: dict[ServerAccess, ssl.SSLContext] = {}
        self._silent: dict[str, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Backends":
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.close()

    def answer(self, question: FigureQuestion, about: Mapping[str, str]) -> Any:
        """The JSON of the answer. `about`: the tenant and the workspace. Raises KfwError. Any thread may ask."""
        address = question.address or self._locate(question.forward)
        if self._silent.get(address, 0) >= _PATIENCE:
            raise KfwError(f"{address} was asked {_PATIENCE} times and did not answer")
        try:
            found = (self._by_grpc if question.method else self._by_http)(address, question, about)
        except ServerSilent:
            with self._lock:
                self._silent[address] = self._silent.get(address, 0) + 1
            raise
        self._silent[address] = 0
        return found

    def _by_grpc(self, address: str, question: FigureQuestion, about: Mapping[str, str]) -> Any:
        key = (address, question.access)
        with self._lock:
            server = self._servers.get(key) or self._servers.setdefault(key, GrpcServer(*key))
        request = filled(json.loads(question.request), about)
        return server.call(question.method, request, self._timeout)

    def _by_http(self, address: str, question: FigureQuestion, about: Mapping[str, str]) -> Any:
        access = question.access
        base = address if "://" in address else f"http{'s' if access.tls else ''}://{address}"
        target = filled(question.path, {name: quote(value, safe="") for name, value in about.items()})
        bounds = FetchBounds(self._timeout, _LARGEST, ("http", "https"), redirects=0, proxies=False)
        login = {name: token.reveal() for name, token in login_headers(access).items()}
        with self._lock:
            if access.tls and access not in self._trusted:
                self._trusted[access] = trust(access)
        trusted = self._trusted.get(access)
        try:
            answer = fetch(f"{base}{target}", bounds, {"Accept": "application/json", **login}, trusted)
        except KfwError as error:
            raise ServerSilent(error.what) from error
        if answer.status != 200:
            raise KfwError(f"GET {target} of {address} is answered with {answer.status}")
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise KfwError(f"GET {target} of {address} is not answered with JSON") from error


@dataclass
class Collection:
    """`emit` writes an event, in the thread that runs it; `warn` says a sentence, in any thread."""

    settings: CollectorSettings
    backends: Backends
    emit: Callable[[UsageEvent], None]
    warn: Callable[[str], None]

    def run(
        self, tenants: tuple[str, ...], bucket: Bucket, record: CollectedRecord, *, force: bool
    ) -> CollectionResult:
        """Every tenant by itself: one that fails stops no other. Raises KfwError when something cannot be written."""
        outcome = CollectionResult()
        for tenant in tenants:
            if force:
                record.forget(tenant, bucket)
            if record.is_done(tenant, bucket):
                self.warn(f"{tenant}: collected already for {_shown(bucket)}, --force collects it again")
                outcome.skipped.append(tenant)
            elif self._tenant(tenant, bucket, record):
                outcome.collected.append(tenant)
            else:
                self.warn(
                    f"{tenant}: not complete for {_shown(bucket)}, the next run asks again for what is missing"
                )
                outcome.incomplete.append(tenant)
        return outcome

    def _tenant(self, tenant: str, bucket: Bucket, record: CollectedRecord) -> bool:
        """Whether everything of it was there, and is done with."""
        if self.settings.workspaces is None:
            event = self._asked(tenant, None, bucket)
            self._warn_of_oddities(event)
        else:
            try:
                workspaces = self._workspaces(self.settings.workspaces, tenant)
            except KfwError as error:
                self.warn(f"{tenant}: cannot list the workspaces: {error.what}")
                return False
            parts = dict(self._parts(tenant, workspaces, bucket, record))
            names = [figure.name for figure in self.settings.figures]
            event = UsageEvent(tenant, bucket, summed(names, parts), datetime.now(UTC))
        self.emit(event)
        if event.missing:
            return False
        record.finish(tenant, bucket)
        return True

    def _workspaces(self, where: WorkspaceList, tenant: str) -> list[Workspace]:
        answer = self.backends.answer(where.question, {"tenant": tenant})
        try:
            items = value_at(answer, where.items)
            if not isinstance(items, list) or len(items) > _MOST_WORKSPACES:
                raise NoNumber(f"is not a list of at most {_MOST_WORKSPACES}")
            found = [Workspace(_id(one, where), _name(one, where)) for one in items]
        except NoNumber as error:
            raise KfwError(f"the answer {error}") from error
        return list({one.id: one for one in found}.values())

    def _parts(
        self, tenant: str, workspaces: list[Workspace], bucket: Bucket, record: CollectedRecord
    ) -> Iterator[tuple[str, Metrics]]:
        """The figures of each by its id, those of an earlier run as they were then. Each event is out when it is yielded."""
        known = record.workspaces(tenant, bucket)
        names = {figure.name for figure in self.settings.figures}
        done = {one.id for one in workspaces if known.get(one.id, {}).keys() == names}
        yield from ((key, known[key]) for key in done)
        pool = ThreadPoolExecutor(self.settings.concurrency, "collect")
        try:
            left = [one for one in workspaces if one.id not in done]
            for event in pool.map(lambda one: self._asked(tenant, one, bucket), left):
                assert event.workspace
                self.emit(event)
                self._warn_of_oddities(event)
                if not event.missing:
                    record.add(tenant, bucket, event.workspace, event.metrics)
                yield event.workspace.id, event.metrics
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _asked(self, tenant: str, workspace: Workspace | None, bucket: Bucket) -> UsageEvent:
        """Every question once, whatever number of figures is in its answer."""
        began = time.monotonic()
        about = {"tenant": tenant, "workspace": workspace.id if workspace else ""}
        answers: dict[FigureQuestion, Any] = {}
        for question in dict.fromkeys(figure.question for figure in self.settings.figures):
            try:
                answers[question] = self.backends.answer(question, about)
            except KfwError as error:
                answers[question] = error
        metrics = {
            each.name: self._figure(each, answers[each.question], about) for each in self.settings.figures
        }
        ms = max(1, round((time.monotonic() - began) * 1000))
        return UsageEvent(tenant, bucket, metrics, datetime.now(UTC), workspace, ms)

    def _warn_of_oddities(self, event: UsageEvent) -> None:
        whose = f"{event.tenant}/{event.workspace.id}" if event.workspace else event.tenant
        for oddity in oddities(event.metrics):
            self.warn(f"{whose}: {oddity}")

    def _figure(self, figure: Figure, answer: Any, about: Mapping[str, str]) -> int | float | None:
        whose = "/".join(filter(None, about.values()))
        if isinstance(answer, KfwError):
            self.warn(f"{whose}: {figure.name} is missing: {answer.what}")
            return None
        try:
            return number_at(answer, figure.value)
        except NoNumber as error:
            self.warn(f"{whose}: {figure.name} is missing: the answer {error}")
            return None


def _id(item: Any, where: WorkspaceList) -> str:
    """Raises NoNumber for what cannot be asked about: another kind of value, or what no text can have."""
    found = value_at(item, where.id_at)
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise NoNumber(f"has a workspace whose id is {kind_of(found)}")
    if not is_id(str(found)):
        raise NoNumber("has a workspace whose id is empty or not text")
    return str(found)


def _name(item: Any, where: WorkspaceList) -> str:
    try:
        found = value_at(item, where.name_at)
    except NoNumber:
        return ""
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return str(found).encode("utf-8", "replace").decode()


def is_id(text: str) -> bool:
    """It can be asked about: JSON can name half of a surrogate pair, which no encoding has."""
    return bool(text) and not any("\ud800" <= one <= "\udfff" for one in text)


def _shown(bucket: Bucket) -> str:
    return f"{rfc3339(bucket.start)} to {rfc3339(bucket.end)}"
