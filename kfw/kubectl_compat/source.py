"""The pods of one target, followed: the same for all ports of the command. To the runners it is the clusters."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from kfw.aio import Broadcast
from kfw.errors import KfwError
from kfw.kubectl_compat import choose
from kfw.kubectl_compat.clusters import OneCluster
from kfw.kubectl_compat.find import Found
from kfw.kubectl_compat.pod_source import PodSource
from kfw.kubectl_compat.ports import Pair, pairs
from kfw.model import Endpoint, Forward, Problem, Reason, Resolution
from kfw.target import objects
from kfw.target.decode.pod import Pod
from kfw.target.ports import declared_ports

#: Seconds between two looks at changes that come in bursts.
SETTLE = 0.02
#: Seconds between two looks at the kubeconfig while the API server cannot be asked.
FILES = 2.0
_LONG = 3600.0


class Source:
    """`lost` is set when a pod that was named is gone for good: not there for `patience` seconds, or of a name that is
    given only once."""

    def __init__(
        self,
        clusters: OneCluster,
        reach: PodSource,
        changed: asyncio.Event,
        texts: Sequence[str],
        patience: float,
    ) -> None:
        self.lost = asyncio.Event()
        self.pairs: list[Pair] = []
        self.reach = reach
        self._clusters = clusters
        self._changed = changed
        self._texts = texts
        self._patience = patience
        self._found = Found({})
        self._pods: Sequence[objects.Pod] = ()
        self._trouble: Problem | None = None
        self._news = Broadcast()
        self._poked = False
        self._going = asyncio.Event()
        self._comes_back = True
        self._gone_since: float | None = None

    def begin(self, found: Found, pods: Sequence[Pod]) -> None:
        """With the pods that are usable now. Raises Told where they have no such port."""
        self._found = found
        self.pairs = pairs(self._texts, pods[0], found.service)
        self._use(pods)

    # -- for runners

    async def follow(self, forward: Forward) -> AsyncGenerator[Resolution, None]:
        """`forward.name` is the number of its pair."""
        last: Resolution | None = None
        while True:
            now = self._resolution(int(forward.name))
            if now != last:
                last = now
                yield now
            else:
                await self._news.wait(_LONG)

    def poke(self, forward: Forward) -> None:
        self._poked = True
        self._going.set()
        self.reach.server.poke()
        self._changed.set()

    def look_again(self, forward: Forward) -> None:
        """The environment is this process's own, and never another one."""

    def want(self, forward: Forward, *, asked_for: bool) -> None:
        self.reach.server.want(asked_for=asked_for)

    # -- its own life

    async def close(self) -> None:
        await self.reach.close()

    def go(self) -> None:
        """Nobody waits for the first connection any more, so there is time for more."""
        self._going.set()

    async def run(self) -> None:
        """For ever, from `go` on, or from the first `poke`."""
        await self._going.wait()
        await self.reach.follow(self._found)
        while True:
            self._changed.clear()
            await self._look()
            self._news.notify_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_now()):
                    await self._changed.wait()
            await asyncio.sleep(SETTLE)

    def _patience_now(self) -> float:
        if self._trouble:
            return FILES
        return self._patience if self._gone_since is not None else _LONG

    async def _look(self) -> None:
        self._trouble = self.reach.server.problem
        if self._trouble:
            await self._look_at_the_kubeconfig()
            return
        with suppress(KfwError):  # what was known holds on; the server's problem shows by itself
            await self._look_at_the_service()
            await self._look_at_the_pods()

    async def _look_at_the_kubeconfig(self) -> None:
        """It may lead to another server, or with another login, by now."""
        await self._clusters.look()
        if self._clusters.access() != self.reach.access:
            old, self.reach = self.reach, PodSource(self._clusters, self.reach.reference, self._changed.set)
            await old.close()
            await self.reach.follow(self._found)

    async def _look_at_the_service(self) -> None:
        """Its selector or its ports may have changed."""
        now = self.reach.service
        if self._found.service and now and now != self._found.service.trim():
            found = await self.reach.finder.find()
            if found.where != self._found.where:
                await self.reach.follow(found)
            self._found = found
            if good := choose.usable(await self.reach.finder.pods(found)):
                self.begin(found, good)

    async def _look_at_the_pods(self) -> None:
        watch = self.reach.pods
        poked, self._poked = self._poked, False
        if watch is None or not (watch.readable or (watch.problem and poked)):
            return
        ready = [pod for pod in watch.objects.values() if pod.ready] if watch.readable else []
        if ready:
            self._gone_since = None
            self._pods = sorted(ready, key=lambda pod: pod.name)
        else:
            self._use(await self.reach.finder.pods(self._found))

    def _use(self, pods: Sequence[Pod]) -> None:
        self._pods = [pod.trim() for pod in choose.usable(pods)]
        if self._found.pod:
            self._judge(pods)

    def _judge(self, pods: Sequence[Pod]) -> None:
        """Of a pod that was named itself: whether it is gone, and whether it can come back."""
        if pods:
            self._comes_back = choose.comes_back(pods[0])
        if pods and not choose.has_ended(pods[0]):
            self._gone_since = None
            return
        now = asyncio.get_running_loop().time()
        self._gone_since = now if self._gone_since is None else self._gone_since
        if not self._comes_back or now - self._gone_since >= self._patience:
            self.lost.set()

    def _resolution(self, number: int) -> Resolution:
        endpoints = tuple(
            Endpoint("pod", pod.name, pod.ip, self.pairs[number].of(pod), declared_ports(pod))
            for pod in self._pods
        )
        problem = self._trouble
        if not endpoints and problem is None:
            problem = Problem(Reason.NO_READY_POD, f"no pod of {self.reach.reference} runs")
        return Resolution(pods=endpoints, problem=problem)
