"""The pods of one command, for the runners of its ports: by kubectl's rules, kept current by the daemon's watcher.

target/watcher.py keeps them current: kubeconfig, login, server and watches. Its own rules (target/resolve.py) are not
kubectl's, so PodLookup stands in their place:
- A service's pods are those that its selector matches, not those of its EndpointSlices, which kubectl does not read; a
  workload's are those of its selector, whoever owns them. All that are ready get connections.
- Only these are watched, not all of the namespace: who may list one pod by its name need not be allowed to list the others.
- Who may `get` a pod and neither list nor watch it can forward to it. So what no watch tells is asked for by its name.
- A service's port is translated by the pod that kubectl would take.
- A pod that was named itself can be gone for good, and that ends the command.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, replace

from kfw.environ import Environs
from kfw.errors import KfwError
from kfw.kube.api_server import ApiServer
from kfw.kube.resource import PODS, SERVICES
from kfw.kube.shared_watches import SharedWatches
from kfw.kubectl_compat.access import CommandLine
from kfw.kubectl_compat.find import Finder, PodChoice, TargetReference
from kfw.kubectl_compat.pods import comes_back, first_pods, has_ended, usable
from kfw.kubectl_compat.ports import Pair, pairs
from kfw.model import Endpoint, Forward, Problem, Reason, Resolution
from kfw.names import RowId
from kfw.target import objects
from kfw.target.decode.pod import Pod
from kfw.target.objects import Needs, Objects, Service
from kfw.target.ports import declared_ports
from kfw.target.registry import ClusterRegistry
from kfw.target.watcher import Lookup, cluster_of


@dataclass(frozen=True)
class Wanted:
    """`ports` as they stand on the command line. `patience`: seconds that a pod which was named may be gone."""

    reference: TargetReference
    namespace: str
    ports: tuple[str, ...]
    patience: float

    def finder(self, server: ApiServer) -> Finder:
        return Finder(server, self.namespace, self.reference)


class PodLookup:
    """The pods behind one of the ports: see target.watcher.Lookup."""

    def __init__(
        self, wanted: Wanted, number: int, found: PodChoice, first: Sequence[Pod], registry: "PodRegistry"
    ) -> None:
        """`first`: the pods that are usable now, the best first. Raises KubectlError where it has no such port."""
        self.pair = pairs(wanted.ports, first[0], found.service)[number]
        self._wanted = wanted
        self._number = number
        self._found = found
        self._pods: Sequence[objects.Pod] = [pod.trim() for pod in first]
        self._registry = registry
        self._gone_since: float | None = None
        self._comes_back = comes_back(first[0])
        self.known = self._resolution()

    def needs(self, objects: Objects, *, doubt: bool) -> Needs:
        where = {PODS: self._where(objects)}
        if self._found.service:
            where[SERVICES] = {"fieldSelector": f"metadata.name={self._wanted.reference.name}"}
        return Needs(frozenset(where), where=where)

    async def resolve(self, objects: Objects, server: ApiServer) -> Resolution:
        ready = [pod for pod in (objects.pods or {}).values() if pod.ready]
        other_service = self._other_service(objects) is not None
        if ready:
            self._gone_since = None
            self._pods = sorted(ready, key=lambda pod: pod.name)
        if other_service or not ready:
            with suppress(KfwError):  # what was known holds on; the server's problem shows by itself
                await self._ask(server, other_service)
        return self._resolution()

    def _where(self, objects: Objects) -> Mapping[str, str]:
        now = self._other_service(objects)
        return {"labelSelector": str(now.selector)} if now and now.selector else self._found.where

    def _other_service(self, objects: Objects) -> Service | None:
        """As it is now, if its selector or its ports are not what they were."""
        before = self._found.service
        now = (objects.services or {}).get(self._wanted.reference.name)
        return now if before and now != before.trim() else None

    async def _ask(self, server: ApiServer, service_too: bool) -> None:
        """As kubectl does at the beginning. Raises KfwError."""
        with closing(self._wanted.finder(server)) as finder:
            found = await finder.find() if service_too else self._found
            pods = await finder.pods(found)
        good = usable(pods)
        if good or not service_too:  # else its ports are looked at when it has pods
            self._found = found
        self._pods = [pod.trim() for pod in good]
        if self._found.pod:
            self._judge(pods)
        if service_too and good:
            self.pair = pairs(self._wanted.ports, good[0], self._found.service)[self._number]

    def _judge(self, pods: Sequence[Pod]) -> None:
        """Of a pod that was named itself: whether it is gone, and whether it can come back."""
        if pods:
            self._comes_back = comes_back(pods[0])
        if pods and not has_ended(pods[0]):
            self._gone_since = None
            return
        loop = asyncio.get_running_loop()
        if self._gone_since is None:
            self._gone_since = loop.time()
            loop.call_later(self._wanted.patience, self._registry.look_once_more, self._number)
        if not self._comes_back or loop.time() - self._gone_since >= self._wanted.patience:
            self._registry.lost.set()

    def _resolution(self) -> Resolution:
        endpoints = tuple(
            Endpoint("pod", pod.name, pod.ip, self.pair.of(pod), declared_ports(pod)) for pod in self._pods
        )
        problem = (
            None
            if endpoints
            else Problem(Reason.NO_READY_POD, f"no pod of {self._wanted.reference} is running")
        )
        return Resolution(pods=endpoints, problem=problem)


class PodRegistry(ClusterRegistry):
    """The one target of the command, for the runners of all its ports: `forward.name` is the number of the port.

    `lost` is set when a pod that was named itself is gone for good: not there for `patience` seconds, or of a name that is
    given only once.
    """

    def __init__(self, command_line: CommandLine, environ: Mapping[str, str]) -> None:
        super().__init__(
            timeouts=command_line.timeouts,
            environs=Environs(environ, known=True),
            kubeconfigs=command_line,
            lookup=lambda forward: self._lookups[int(forward.name)],
        )
        self.lost = asyncio.Event()
        self._access = replace(command_line.known, namespace="")
        self._lookups: list[PodLookup] = []
        self._changed = asyncio.Event()
        self._first: SharedWatches | None = None
        self._going = asyncio.Event()

    @property
    def pairs(self) -> list[Pair]:
        return [lookup.pair for lookup in self._lookups]

    def join_first(self) -> SharedWatches:
        """The server is asked from now on, although nothing is followed yet."""
        self._first = self.join(self._access, self._environs.of(RowId("", "")), self._changed.set)
        return self._first

    async def begin(self, wanted: Wanted, say: Callable[[str], None]) -> None:
        """Find the pods. `join_first` comes before. Raises KfwError."""
        assert self._first
        with closing(wanted.finder(self._first.server)) as finder:
            found, first = await first_pods(finder, self._first, self._changed, wanted.patience, say)
        count = range(len(wanted.ports))
        self._lookups = [PodLookup(wanted, number, found, first, self) for number in count]

    def go(self) -> None:
        """Nobody waits for the first connection any more, so there is time to watch."""
        self._going.set()

    async def follow(
        self, forward: Forward, lookup: Lookup | None = None
    ) -> AsyncGenerator[Resolution, None]:
        """What was found at the beginning, and from `go` or the first `poke` on what the watcher sees."""
        last = replace(self._lookups[int(forward.name)].known, cluster=cluster_of(self._access))
        yield last
        await self._going.wait()
        async with aclosing(super().follow(forward, lookup)) as resolutions:
            async for resolution in resolutions:
                await self._leave_first()
                if resolution != last:
                    yield resolution
                last = resolution

    def poke(self, forward: Forward) -> None:
        self.go()
        super().poke(forward)

    def look_once_more(self, number: int) -> None:
        for watcher in self._followers_of(RowId("", str(number))):
            watcher.look_again()

    async def _leave_first(self) -> None:
        first, self._first = self._first, None
        if first:
            await self.leave(first, self._changed.set)
