"""What all forwards to one server share: the server, its login, and one watch for each kind and namespace."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping

from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Decoder
from kfw.kube.login import Login
from kfw.kube.resource import Resource
from kfw.kube.timeouts import Timeouts
from kfw.kube.watch import Watch
from kfw.kubeconfig.entries import Access

OnChange = Callable[[], None]
#: `labelSelector` or `fieldSelector`, and what it selects.
Where = Mapping[str, str]
Key = tuple[Resource, str, tuple[tuple[str, str], ...]]


class SharedWatches:
    """A watch runs while somebody listens to it, the server while somebody listens to anything here."""

    def __init__(
        self,
        access: Access,
        login: Login,
        timeouts: Timeouts,
        decoder: Callable[[Resource], Decoder],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.server = ApiServer(access, login, timeouts, self._tell, environ)
        self._decoder = decoder
        self.listeners = set[OnChange]()
        self._watches: dict[Key, Watch] = {}
        self._tasks: dict[Key | None, asyncio.Task[None]] = {}

    def join(self, listener: OnChange) -> None:
        self.listeners.add(listener)
        if None not in self._tasks:
            self._start(None, self.server.run(), f"api {self.server.error_context.server}")

    def watch(
        self, resource: Resource, namespace: str, listener: OnChange, where: Where | None = None
    ) -> Watch:
        """Of the nodes, which belong to no namespace, there is one for all. `where`: some of the objects only."""
        key = (resource, namespace if resource.namespaced else "", tuple(sorted((where or {}).items())))
        if key not in self._watches:
            made = Watch(self.server, resource, namespace, self._decoder(resource), where=where)
            self._watches[key] = made
            self._start(key, made.run(), f"watch {resource} {key[1]}")
        self._watches[key].listeners.add(listener)
        return self._watches[key]

    @property
    def is_in_trouble(self) -> bool:
        """Something here could not be read when it was asked for last."""
        return self.server.problem is not None or any(watch.problem for watch in self._watches.values())

    async def leave(self, listener: OnChange) -> None:
        """Ends the watches that nobody else listens to, and all if nobody is left."""
        self.listeners.discard(listener)
        for watch in self._watches.values():
            watch.listeners.discard(listener)
        unused = self._forget_unused()
        await self._end([*unused, None] if not self.listeners else unused)

    async def leave_watch(self, watch: Watch, listener: OnChange) -> None:
        """It is not needed by this listener any more; the others of this server are."""
        watch.listeners.discard(listener)
        await self._end(self._forget_unused())

    async def close(self) -> None:
        self._watches.clear()
        await self._end(list(self._tasks))

    def _forget_unused(self) -> list[Key]:
        unused = [key for key, watch in self._watches.items() if not watch.listeners]
        for key in unused:
            del self._watches[key]
        return unused

    def _start(self, key: Key | None, work: Coroutine[None, None, None], name: str) -> None:
        """Neither a watch nor the server's monitor ends by itself, whatever happens to it."""
        self._tasks[key] = asyncio.create_task(work, name=name)

    async def _end(self, keys: Iterable[Key | None]) -> None:
        tasks = [task for key in keys if (task := self._tasks.pop(key, None))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()
