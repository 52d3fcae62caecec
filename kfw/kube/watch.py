"""All objects of one kind in one namespace: listed, then watched, resuming for ever.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from kfw.errors import KfwError, LoginError, NotPermitted, ToolMissing, describe
from kfw.kube.decoder import Change, Decoder
from kfw.kube.errors import Absent, Busy, Gone, problem_of, status_of
from kfw.kube.resource import Resource
from kfw.kube.server import Server
from kfw.kube.session import ApiSession
from kfw.model import Problem, Reason

#: Objects in a page of a list: 250 pods are some 2 MB of JSON.
PAGE = 250
#: Seconds that a watch must last, or bring something, to count as one that works.
_WORKS = 1.0
#: Failures in a row until a server that answers, but not this, is worth a Problem.
_ENOUGH = 3


class _MayNotWatch(NotPermitted):
    """The list was allowed, the watch is not: then it is listed again and again."""


class Watch:
    """`objects` by name, true as of the last event; `listeners` are called after each change of anything here.

    `where` selects some of them: `labelSelector`, `fieldSelector`.
    `problem` is why they cannot be read; a server that is away or refuses the login is its server's problem.
    """

    def __init__(
        self,
        server: Server,
        resource: Resource,
        namespace: str,
        decoder: Decoder,
        *,
        where: Mapping[str, str] | None = None,
    ) -> None:
        self.objects: dict[str, Any] = {}
        self.synced = False
        self.problem: Problem | None = None
        self.listeners = set[Callable[[], None]]()
        self.resource = resource
        self._server = server
        self._namespace = namespace
        self._where = where or {}
        self._decoder = decoder
        self._version: str | None = None
        self._failures = 0

    @property
    def settled(self) -> bool:
        """It is known what there is, or why that cannot be known."""
        return self.synced or self.problem is not None

    @property
    def readable(self) -> bool:
        return self.synced and self.problem is None

    async def run(self) -> None:
        session = self._server.session()
        try:
            while True:
                await self._once(session)
        finally:
            self._server.close_session(session)

    def broke(self, error: BaseException) -> None:
        """`run` ended, which is a mistake in kfw: nobody shall trust what is here."""
        self._cannot(Problem(Reason.INTERNAL, f"the watch of {self.resource} ended: {describe(error)}"))

    async def _once(self, session: ApiSession) -> None:
        try:
            if self._version is None:
                await self._list(session)
            await self._watch(session)
        except _MayNotWatch:
            self._version = None
            await self._server.poked.wait(self._server.timeouts.relist)
        except (KfwError, msgspec.DecodeError) as error:
            session.close()
            self._failures += 1
            await self._after(error)
        await self._server.poked.wait(self._server.timeouts.pause(self._failures))

    async def _after(self, error: KfwError | msgspec.DecodeError) -> None:
        """What must be true before it is worth another try."""
        match error:
            case Gone() | msgspec.DecodeError():
                self._version = None
            case NotPermitted() | Absent():
                self._version = None
                self._cannot(problem_of(error))
                # An API server that has just started refuses what it will allow in a moment.
                await self._server.poked.wait(min(2.0**self._failures, self._server.timeouts.forbidden))
            case LoginError() | ToolMissing():  # which is the server's problem, too
                if pause := self._server.login.pause:
                    self._failures = 1
                    await self._server.poked.wait(pause)
            case Busy():
                if self._failures >= _ENOUGH:
                    self._cannot(problem_of(error))
                await self._server.poked.wait(error.retry_after)
            case KfwError():
                await self._server.monitor.wait_until_answers()

    async def _list(self, session: ApiSession) -> None:
        found: dict[str, Any] = {}
        token = ""
        while True:
            query: dict[str, str | int] = {**self._where, "limit": PAGE}
            if token:
                query["continue"] = token
            page = self._decoder.page(await session.read(self._path(), query))
            found.update((item.name, item) for item in page.items)
            token = page.next
            if not token:
                break
        self._version = page.version
        news = found != self.objects or not self.synced or self.problem is not None
        self.objects, self.synced, self.problem = found, True, None
        if news:
            self._tell()

    async def _watch(self, session: ApiSession) -> None:
        """Until the server ends it."""
        timeouts = self._server.timeouts
        query: dict[str, str | int] = {
            **self._where,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version or "",
            "timeoutSeconds": round(timeouts.watch) or 1,
        }
        began = asyncio.get_running_loop().time()
        try:
            answer = await session.get(self._path(), query)
        except NotPermitted as error:
            raise _MayNotWatch(error.what, error.fix) from error
        async with aclosing(answer.lines(timeouts.watch_idle)) as lines:
            async for text in lines:
                self._take(self._decoder.change(text))
                self._failures = 0
        short = asyncio.get_running_loop().time() - began < _WORKS
        self._failures = self._failures + 1 if short else 0

    def _take(self, change: Change) -> None:
        if change.type == "ERROR":
            raise _stream_error(change.item)
        self._version = change.version
        if change.item is None:
            return
        name, before = change.item.name, self.objects.get(change.item.name)
        if change.type == "DELETED":
            self.objects.pop(name, None)
        elif before == change.item:
            return  # something changed that kfw does not look at
        else:
            self.objects[name] = change.item
        self._tell()

    def _cannot(self, problem: Problem) -> None:
        if self.problem != problem:
            self.problem = problem
            self._tell()

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _path(self) -> str:
        return self.resource.path(self._namespace)


def _stream_error(status: bytes) -> KfwError:
    """A watch that began with 200 can still end with a Status; 410 mostly comes this way."""
    said = status_of(status)
    if said.code == 410 or said.reason in ("Expired", "Gone"):
        return Gone(said.message)
    return Busy(said.message or f"the watch ended with code {said.code}")
