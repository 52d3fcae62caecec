"""What all forwards to one server share: the server, its login, and one watch for each kind and namespace."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping

from kfw.errors import KfwError, describe
from kfw.kube.decoder import Decoder
from kfw.kube.login import Login
from kfw.kube.resource import Resource
from kfw.kube.server import Server
from kfw.kube.timeouts import Timeouts
from kfw.kube.watch import Watch
from kfw.kubeconfig.entries import Access

log = logging.getLogger(__name__)

OnChange = Callable[[], None]
Key = tuple[Resource, str]


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
        self.server = Server(access, login, timeouts, self._tell, environ)
        self._decoder = decoder
        self.listeners = set[OnChange]()
        self._watches: dict[Key, Watch] = {}
        self._tasks: dict[Key | None, asyncio.Task[None]] = {}

    def join(self, listener: OnChange) -> None:
        self.listeners.add(listener)
        if None not in self._tasks:
            task = self._start(None, self.server.run(), f"api {self.server.error_context.server}")
            task.add_done_callback(self._server_ended)

    def watch(self, resource: Resource, namespace: str, listener: OnChange) -> Watch:
        """Of the nodes, which belong to no namespace, there is one for all."""
        key = (resource, namespace if resource.namespaced else "")
        if key not in self._watches:
            made = self._watches[key] = Watch(self.server, resource, namespace, self._decoder(resource))
            task = self._start(key, made.run(), f"watch {resource} {key[1]}")
            task.add_done_callback(lambda ended: _mistake(made, ended))
        self._watches[key].listeners.add(listener)
        return self._watches[key]

    async def leave(self, listener: OnChange) -> None:
        """Ends the watches that nobody else listens to, and all if nobody is left."""
        self.listeners.discard(listener)
        for watch in self._watches.values():
            watch.listeners.discard(listener)
        unused = [key for key, watch in self._watches.items() if not watch.listeners]
        for key in unused:
            del self._watches[key]
        await self._end([*unused, None] if not self.listeners else unused)

    async def close(self) -> None:
        self._watches.clear()
        await self._end(list(self._tasks))

    def _start(self, key: Key | None, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = self._tasks[key] = asyncio.create_task(work, name=name)
        return task

    async def _end(self, keys: Iterable[Key | None]) -> None:
        tasks = [task for key in keys if (task := self._tasks.pop(key, None))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _server_ended(self, ended: asyncio.Task[None]) -> None:
        if not ended.cancelled() and (error := ended.exception()):
            log.error("the watch over %s ended", self.server.error_context.server, exc_info=error)
            self.server.refused(
                KfwError(f"kfw has lost sight of {self.server.error_context.server}: {describe(error)}")
            )

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()


def _mistake(watch: Watch, ended: asyncio.Task[None]) -> None:
    """A watch never ends by itself: if it does, that is a mistake in kfw, to be seen by all who rely on it."""
    error = None if ended.cancelled() else ended.exception()
    if error is not None:
        log.error("the watch of %s ended", watch.resource, exc_info=error)
        watch.broke(error)
