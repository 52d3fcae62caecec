"""An API server as one target needs it: what is asked there once, and what is watched."""

import asyncio
from collections.abc import Callable

from kfw.kube.api_server import ApiServer
from kfw.kube.resource import PODS, SERVICES, Resource
from kfw.kube.watch import Watch
from kfw.kubectl_compat.clusters import OneCluster
from kfw.kubectl_compat.find import Finder, Found
from kfw.kubectl_compat.kinds import Reference
from kfw.target import objects
from kfw.target.decode.kinds import decoder


class PodSource:
    """`changed` is called when something here is not as it was. `close` must be called at the end."""

    def __init__(self, clusters: OneCluster, reference: Reference, changed: Callable[[], None]) -> None:
        self.reference = reference
        self.access = clusters.access()
        self.namespace = clusters.known.namespace
        self.pods: Watch | None = None
        self._service: Watch | None = None
        self._clusters = clusters
        self._changed = changed
        self._shared = clusters.join(self.access, changed)
        self.server: ApiServer = self._shared.server
        self.finder = Finder(self.server, self.namespace, reference)
        self._tasks: dict[Watch, asyncio.Task[None]] = {}

    @property
    def service(self) -> objects.Service | None:
        """As it is now; None where that is not known."""
        known = self._service.objects if self._service and self._service.readable else {}
        found: objects.Service | None = known.get(self.reference.name)
        return found

    async def follow(self, found: Found) -> None:
        """Watch what it selects, and nothing else any more."""
        await self._end()
        self.pods = self._watch(PODS, found.where)
        if found.service:
            self._service = self._watch(SERVICES, {"fieldSelector": f"metadata.name={self.reference.name}"})

    async def close(self) -> None:
        await self._end()
        self.finder.close()
        await self._clusters.leave(self._shared, self._changed)

    def _watch(self, resource: Resource, where: dict[str, str]) -> Watch:
        made = Watch(self.server, resource, self.namespace, decoder(resource), where=where)
        made.listeners.add(self._changed)
        self._tasks[made] = asyncio.create_task(made.run(), name=f"watch {resource}")
        return made

    async def _end(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
