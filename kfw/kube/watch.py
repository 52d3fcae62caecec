"""All objects of one kind in one namespace: listed, then watched, resuming for ever.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from kfw.aio import Complaints, keep_going
from kfw.backoff import Backoff
from kfw.errors import KfwError, LoginError, NotPermitted, Shortage, ToolMissing, describe
from kfw.kube.api_connection import LARGE, ApiAnswer
from kfw.kube.api_errors import (
    Abandoned,
    Absent,
    Busy,
    Gone,
    NotUnderstood,
    TooLarge,
    not_understood,
    status_of,
    without_frames,
)
from kfw.kube.api_server import ApiServer
from kfw.kube.api_session import ApiSession
from kfw.kube.decoder import Change, Decoder, Page
from kfw.kube.resource import Resource
from kfw.model import Problem, Reason, problem_of

log = logging.getLogger(__name__)

#: Objects in a page of a list: 250 pods are some 2 MB of JSON.
PAGE = 250
#: Objects of one kind in one namespace, and bytes that they take as JSON, trimmed: a pod has some 300. So many take 8 MB
#: of memory, most of which comes back when they go.
MOST_OBJECTS, MOST_BYTES = 25_000, 12 << 20
#: What helps against more.
ONLY_KUBECTL = "use method kubectl for this forward: it asks for the target alone"
#: Pages in a row that bring nothing new.
_MOST_IDLE_PAGES = 20
#: Seconds that a watch must last to count as one that works.
_WORKS = 1.0
#: Failures in a row until a server that answers, but not this, is worth a Problem.
_ENOUGH = 3
#: Seconds until another try when this machine has no room for one.
_NO_ROOM_PAUSE = 0.3
#: As many count at most of watches that end soon, but bring something: they are asked again within a second.
_BRINGS = 4


class _CannotWatch(KfwError):
    """The list comes, the watch does not: then it is listed again and again."""


class _TooMany(NotUnderstood):
    """More objects than kfw keeps. Its words are for people as they are."""


class Watch:
    """`objects` by name, true as of the last event; `listeners` are called after each change of anything here.

    `where` selects some of them: `labelSelector`, `fieldSelector`.
    `problem` is why they cannot be read; a server that is away or refuses the login is its server's problem.
    """

    def __init__(
        self,
        server: ApiServer,
        resource: Resource,
        namespace: str,
        decoder: Decoder,
        *,
        where: Mapping[str, str] | None = None,
    ) -> None:
        self.objects: dict[str, Any] = {}
        self.synced = False
        self.problem: Problem | None = None
        self.judged_at = float("-inf")  # when it was asked what `problem` answers, in the loop's time
        self.listeners = set[Callable[[], None]]()
        self.resource = resource
        self._server = server
        self._namespace = namespace
        self.where = where or {}
        self._decoder = decoder
        self.is_live = False  # the server tells each change, whatever it says of another request
        self._version: str | None = None
        self._bytes = 0  # of the objects, as JSON
        self._failures = 0
        self._watch_failures = 0  # after lists that came
        self._asked = float("-inf")

    @property
    def settled(self) -> bool:
        """It is known what there is, or why that cannot be known."""
        return self.synced or self.problem is not None

    @property
    def readable(self) -> bool:
        return self.synced and self.problem is None

    async def run(self) -> None:
        """For ever."""
        session = self._server.session()
        complaints = Complaints(
            log, f"the watch of {self.resource} in namespace {self._namespace or '(all)'}"
        )

        def on_failure(error: Exception) -> None:
            complaints.tell(error)
            session.close()
            self._version = None
            told = f"internal error: cannot read {self.resource}: {describe(error)}"
            self._cannot(Problem(Reason.INTERNAL, told, "`kfw logs` shows where"))

        try:
            await keep_going(lambda: self._once(session), on_failure, self._server.poked.wait)
        finally:
            self._server.close_session(session)

    async def _once(self, session: ApiSession) -> None:
        failure = await self._list_and_watch(session)
        pause = self._server.timeouts.pause
        match failure:
            case None:
                await self._server.poked.wait(pause(self._failures))
            case Abandoned():
                if self._server.monitor.away:
                    await self._server.monitor.wait_until_answers()
            case _CannotWatch():
                log.debug("%s cannot be watched, so they are listed: %s", self.resource, failure.what)
                self._version = None
                relist = self._server.timeouts.relist
                await self._server.poked.wait(max(relist, pause(self._watch_failures)))
            case _:
                self._failures += 1
                least = await self._after(failure)
                await self._server.poked.wait(max(least, pause(self._failures)))

    async def _list_and_watch(self, session: ApiSession) -> KfwError | None:
        """Until it ends: what went wrong."""
        self._asked = asyncio.get_running_loop().time()
        try:
            if self._version is None:
                await self._list(session)
            await self._watch(session)
        except KfwError as error:
            session.close()
            return without_frames(error)
        return None

    async def _after(self, error: KfwError) -> float:
        """The least seconds until it is worth another try. Returns when the server answers."""
        listing = self._version is None
        match error:
            case Gone():
                self._version = None
            case NotUnderstood():
                self._version = None
                self._server.freed.give_back_soon()
                if isinstance(error, _TooMany) or (listing and self._failures >= _ENOUGH):
                    self._cannot(problem_of(error))
            case NotPermitted() | Absent():
                self._version = None
                self._cannot(problem_of(error))
                # An API server that has just started refuses what it will allow in a moment.
                await self._server.poked.wait(
                    Backoff(2.0, self._server.timeouts.forbidden).after(self._failures)
                )
            case Shortage():  # this machine's, and no verdict on anything
                if not self.synced:  # somebody waits for it, and must know what it waits for
                    self._cannot(Problem(Reason.TIMED_OUT, error.what, error.fix))
                self._failures = 1
                return _NO_ROOM_PAUSE
            case LoginError() | ToolMissing():  # which is the server's problem, too
                if pause := self._server.login.pause:
                    self._failures = 1
                    return pause
            case Busy():
                if listing and self._failures >= _ENOUGH:
                    self._cannot(problem_of(error))
                return error.retry_after
            case KfwError():
                await self._server.monitor.wait_until_answers()
                if listing and self._failures >= _ENOUGH:  # it answers, but not this
                    self._cannot(problem_of(error))
                elif self._failures >= _ENOUGH:  # the watch alone fails, so changes must come by lists
                    self._version = None
        return 0.0

    # -- the list

    async def _list(self, session: ApiSession) -> None:
        found: dict[str, Any] = {}
        try:
            self._version, self._bytes, same = await self._all_pages(session, found)
        except KfwError:
            if len(found) > PAGE:
                self._server.freed.give_back_soon()
            raise
        news = not (same and len(found) == len(self.objects) and self.readable)
        self.objects, self.synced, self.problem = found, True, None
        if news:
            self._tell()

    async def _all_pages(self, session: ApiSession, found: dict[str, Any]) -> tuple[str, int, bool]:
        """Into `found`. The version, the bytes that they take, and whether all are known as they are."""
        size, same, token, idle, limit = 0, True, "", 0, PAGE
        while True:
            before = len(found)
            try:
                async with self._page(session, token, limit) as (answer, page):
                    for raw in page.items:
                        item = self._decoder.item(raw)
                        size += _size(item) - (_size(found[item.name]) if item.name in found else 0)
                        found[item.name] = item
                        same = same and self.objects.get(item.name) == item
                        self._check_size(len(found), size)
                        await answer.reading.pause_when_due()
            except TooLarge as error:
                if limit == 1:
                    raise self._not_understood(error) from error
                limit = max(limit // 4, 1)
                continue
            except NotUnderstood as error:
                raise self._not_understood(error) from error
            idle = idle + 1 if len(found) == before else 0
            if idle > _MOST_IDLE_PAGES or (page.next and page.next == token):
                raise self._not_understood(NotUnderstood("a list that never ends"))
            token = page.next
            if not token:
                return page.version, size, same

    @asynccontextmanager
    async def _page(
        self, session: ApiSession, token: str, limit: int
    ) -> AsyncIterator[tuple[ApiAnswer, Page]]:
        """Large ones are read one after the other, so that they do not fill the memory together."""
        query: dict[str, str | int] = {**self.where, "limit": limit}
        if token:
            query["continue"] = token
        turn = self._server.large
        has_turn = False

        async def take_turn() -> None:
            nonlocal has_turn
            has_turn = await turn.acquire()

        try:
            answer = await session.get(self._path(), query)
            body = await answer.body(self._server.timeouts.answer, take_turn)
            yield answer, self._decoder.page(body)
            answer.reading.waits()  # what the last items took counts, too
        finally:
            if has_turn:
                turn.release()
                self._server.freed.give_back_soon()

    def _check_size(self, objects: int, size: int) -> None:
        if objects > MOST_OBJECTS or size > MOST_BYTES:
            where = f"in namespace {self._namespace}" if self.resource.namespaced else "in the cluster"
            raise _TooMany(
                f"too many {self.resource} {where} to follow: {objects} take {size / 1e6:.0f} MB",
                ONLY_KUBECTL,
            )

    def _not_understood(self, error: NotUnderstood) -> NotUnderstood:
        return error if isinstance(error, _TooMany) else not_understood(error, self._server.error_context)

    # -- the watch

    async def _watch(self, session: ApiSession) -> None:
        """Until the server ends it. Raises _CannotWatch once lists come and watches do not."""
        began, brought = asyncio.get_running_loop().time(), False
        try:
            answer = await session.get(self._path(), self._watch_query())
            lines = answer.lines(self._server.timeouts.watch_idle, self._server.timeouts.answer)
            self.is_live = True
            async with aclosing(lines):
                async for text in lines:
                    self._take(self._decoder.change(text), len(text))
                    brought = True
        except NotPermitted as error:
            raise _CannotWatch(error.what) from error
        except (Busy, Absent, NotUnderstood) as error:
            self._watch_failures += 1
            if self._watch_failures >= _ENOUGH and not isinstance(error, _TooMany):
                raise _CannotWatch(error.what) from error
            if isinstance(error, NotUnderstood):
                raise self._not_understood(error) from error
            raise
        finally:
            self.is_live = False
        self._failures, self._watch_failures = self._after_watch(began, brought), 0

    def _watch_query(self) -> dict[str, str | int]:
        return {
            **self.where,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version or "",
            "timeoutSeconds": round(self._server.timeouts.watch) or 1,
        }

    def _after_watch(self, began: float, brought: bool) -> int:
        """The failures in a row: one that ends at once is one, too, or it would be asked again without a pause."""
        if asyncio.get_running_loop().time() - began >= _WORKS:
            return 0
        return min(self._failures + 1, _BRINGS) if brought else self._failures + 1

    def _take(self, change: Change, length: int) -> None:
        if length > LARGE:
            self._server.freed.give_back_soon()
        if change.type == "ERROR":
            raise _stream_error(change.item)
        self._version = change.version
        if change.item is None:
            return
        name, before = change.item.name, self.objects.get(change.item.name)
        if before == change.item and change.type != "DELETED":
            return  # something changed that kfw does not look at
        self._bytes -= _size(before) if before is not None else 0
        if change.type == "DELETED":
            self.objects.pop(name, None)
        else:
            self._bytes += _size(change.item)
            self._check_size(len(self.objects) + (before is None), self._bytes)
            self.objects[name] = change.item
        self._tell()

    def _cannot(self, problem: Problem) -> None:
        """Told each time: some wait for a verdict that is new."""
        self.problem, self.judged_at = problem, self._asked
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _path(self) -> str:
        return self.resource.path(self._namespace)


def _size(item: Any) -> int:
    return len(msgspec.json.encode(item))


def _stream_error(status: bytes) -> KfwError:
    """A watch that began with 200 can still end with a Status; 410 mostly comes this way."""
    said = status_of(status)
    if said.code == 410 or said.reason in ("Expired", "Gone"):
        return Gone(said.message)
    return Busy(said.message or f"the watch ended with code {said.code}")
