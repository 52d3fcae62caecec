"""The life of one pod: creating, running, ready, crashing and backing off, draining, gone."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kfw.sandbox.api import kinds
from kfw.sandbox.api.store import Store
from kfw.sandbox.api.verbs import record
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.node.pod import ServingPod
from kfw.sandbox.node.status import Doing, Life, pod_status
from kfw.sandbox.node.workloads import WORKLOADS, workload
from kfw.sandbox.objects import Object, is_leaving, name_of, namespace_of, uid_of

#: Seconds of the first back-off after a crash; it doubles. The real kubelet starts at 10 s.
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 30.0


class _Leaving(Exception):
    """The pod shall end, so whatever it was waiting for does not matter any more."""


class PodLife:
    """`behave` reads from the pod as it is how it shall behave. `node_ip` is its node's address."""

    def __init__(
        self,
        store: Store,
        pod: Object,
        serving: ServingPod,
        node_ip: str,
        behave: Callable[[Object], Behaviour],
    ) -> None:
        self.pod = serving
        self._store = store
        self._thing = pod
        self._node_ip = node_ip
        self._behave = behave
        self._life = Life()
        self._woken = asyncio.Event()
        self._gone = False
        serving.when_idle = self.wake

    @property
    def has_run(self) -> bool:
        return self._life.started > 0

    @property
    def restarts(self) -> int:
        return self._life.restarts

    @property
    def word(self) -> str:
        return self._life.doing.value

    def wake(self) -> None:
        """The pod's object has changed."""
        self._woken.set()

    def on_remove(self) -> None:
        """The pod's object is gone: it ends at once, without grace."""
        self._gone = True
        self.pod.stop("killed")
        self.wake()

    async def live(self) -> None:
        try:
            await self._run()
        except _Leaving:
            await self._drain()
        finally:
            self.pod.stop("over")
            self.pod.log.end()
            await self.pod.wait_until_closed()
        if not self._gone:
            self._store.remove(kinds.PODS, namespace_of(self._thing), name_of(self._thing))

    async def _run(self) -> None:
        """Until it is told to end, which raises _Leaving."""
        self._tell(Doing.CREATING)
        await self._wait(self._behave(self._thing).start_after)
        missing = [
            one["image"] for one in self._thing["spec"]["containers"] if workload(one["image"]) is None
        ]
        if missing:
            await self._no_image(missing[0])
        backoff = FIRST_BACKOFF
        while True:
            await self._serve()
            await self._crash(backoff)
            backoff = min(LONGEST_BACKOFF, backoff * 2)

    async def _no_image(self, image: str) -> None:
        message = f'the sandbox has no image "{image}", only {", ".join(WORKLOADS)}'
        self._event("Failed", message, kind="Warning")
        self._tell(Doing.NO_IMAGE, message=message)
        await self._until(lambda: False)

    async def _serve(self) -> None:
        """Start the containers, become ready when it is time, follow the annotations; returns at a crash."""
        self.pod.start()
        clock = asyncio.get_running_loop().time
        started = clock()
        self._listen(0.0)
        self._tell(Doing.RUNNING, started=self._store.now())
        for container in self._thing["spec"]["containers"]:
            self._event("Started", f"Started container {container['name']}")
        while True:
            now, how = clock() - started, self._behave(self._thing)
            if how.crash_after is not None and now >= how.crash_after:
                return
            self._listen(now)
            self._tell(Doing.RUNNING, ready=how.ready and now >= how.ready_after)
            moments = [
                moment - now
                for moment in (how.listen_after, how.ready_after, how.crash_after)
                if moment is not None and moment > now
            ]
            await self._wait_for_change(min(moments, default=None))

    def _listen(self, now: float) -> None:
        how = self._behave(self._thing)
        self.pod.listen(on=how.listen and now >= how.listen_after)

    async def _crash(self, backoff: float) -> None:
        self.pod.stop("exit code 1")
        life = self._life
        self._tell(
            Doing.BACKING_OFF,
            crashed=self._store.now(),
            restarts=life.restarts + 1,
            message=f"back-off {backoff:g}s",
        )
        self._event("BackOff", "Back-off restarting failed container", kind="Warning")
        await self._wait(backoff)

    async def _drain(self) -> None:
        """Serve on until the last connection has ended, `drain` seconds at least, the grace at most."""
        if self._gone:
            return
        self._event("Killing", "Stopping container " + self._thing["spec"]["containers"][0]["name"])
        self.pod.drain()
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self._gone:
            over = loop.time() - began
            grace = float(self._thing["metadata"].get("deletionGracePeriodSeconds") or 0)
            least = min(grace, self._behave(self._thing).drain)
            if over >= grace or (over >= least and not self.pod.connections):
                return
            await self._pause((least if over < least else grace) - over)

    async def _wait(self, seconds: float) -> None:
        """Raises _Leaving when the pod shall end meanwhile."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        await self._until(lambda: loop.time() >= end, end)

    async def _until(self, done: Callable[[], bool], end: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._look()
            if done():
                return
            await self._pause(None if end is None else end - loop.time())

    async def _wait_for_change(self, seconds: float | None) -> None:
        self._look()
        await self._pause(seconds)
        self._look()

    async def _pause(self, seconds: float | None) -> None:
        """Until the pod's object changes, but no longer than that."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()
        self._refresh()

    def _refresh(self) -> None:
        present = self._store.find(kinds.PODS, namespace_of(self._thing), name_of(self._thing))
        if present is not None and uid_of(present) == uid_of(self._thing):
            self._thing = present

    def _look(self) -> None:
        self._refresh()
        if self._gone or is_leaving(self._thing):
            raise _Leaving

    def _tell(self, doing: Doing, *, ready: bool = False, **facts: Any) -> None:
        """Write the status, if it says anything new."""
        self._refresh()
        self._life = replace(self._life, doing=doing, ready=ready, **{"message": "", **facts})
        status = pod_status(self._thing, self._life, self._node_ip, self.pod.ip, self._store.now())
        if not self._gone and status != self._thing.get("status"):
            self._thing = self._store.replace(kinds.PODS, {**self._thing, "status": status})

    def _event(self, reason: str, message: str, *, kind: str = "Normal") -> None:
        host = self._thing["spec"]["nodeName"]
        record(self._store, self._thing, reason, message, "kubelet", kind=kind, host=host)
