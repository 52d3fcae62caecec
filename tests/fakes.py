"""Hand-written stand-ins for what is hard to have in a unit test: time, a cluster's words, a way that obeys."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Literal

from kfw.errors import KfwError
from kfw.methods.base import OpenRequest
from kfw.model import Endpoint, Forward, Problem, Reason, Resolution, Target
from kfw.supervisor.runner import World


class FakeClock:
    """Time moves only by `advance`; sleepers wake in order."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.time + seconds, wake))
        await wake

    async def advance(self, seconds: float) -> None:
        self.time += seconds
        due = [wake for at, wake in self._sleepers if at <= self.time]
        self._sleepers = [(at, wake) for at, wake in self._sleepers if at > self.time]
        for wake in due:
            if not wake.done():
                wake.set_result(None)
        await settle()


async def settle() -> None:
    """Let everything that can run now, run."""
    for _ in range(50):
        await asyncio.sleep(0)


class FakeClusters:
    """Says of every forward what the test tells it to say."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[Resolution] = asyncio.Queue()
        self.pokes = 0
        self.looks = 0
        self.wants: list[bool] = []

    async def follow(self, forward: Forward) -> AsyncIterator[Resolution]:
        while True:
            yield await self.said.get()

    def poke(self, forward: Forward) -> None:
        self.pokes += 1

    def look_again(self, forward: Forward) -> None:
        self.looks += 1

    def hand_on(self, old: Forward, new: Forward) -> None:
        pass

    def want(self, forward: Forward, *, asked_for: bool) -> None:
        self.wants.append(asked_for)

    async def say(self, resolution: Resolution) -> None:
        self.said.put_nowait(resolution)
        await settle()


class FakeDialer:
    """Connects to a real port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        transport, _ = await asyncio.get_running_loop().create_connection(factory, "127.0.0.1", self._port)
        return transport


class FakeTunnel:
    def __init__(self, endpoint: Endpoint, dialer: FakeDialer | None) -> None:
        self.endpoint = endpoint
        self.dialer = dialer
        self.pid: int | None = None
        self.closed = 0
        self.ill: KfwError | None = None
        self.probes = 0
        self._broken: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        return self.endpoint in endpoints

    async def broken(self) -> Problem:
        return await asyncio.shield(self._broken)

    def break_it(self, reason: Reason, words: str) -> None:
        self._broken.set_result(Problem(reason, words))

    async def probe(self) -> None:
        self.probes += 1
        if self.ill:
            raise self.ill

    async def close(self) -> None:
        self.closed += 1


class FakeMethod:
    """Opens at once, or fails with the next of `failures`; remembers its tunnels."""

    owns_port = False
    logs_in = False

    def __init__(self, name: str = "nodeport", wants: Literal["pod", "node"] = "node", port: int = 9) -> None:
        self.name = name
        self.wants = wants
        self.tunnels: list[FakeTunnel] = []
        self.failures: list[KfwError] = []
        self._port = port

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return None

    async def open(self, request: OpenRequest) -> FakeTunnel:
        if self.failures:
            raise self.failures.pop(0)
        dialer = None if self.owns_port else FakeDialer(self._port)
        self.tunnels.append(FakeTunnel(request.endpoints[0], dialer))
        return self.tunnels[-1]


class FakeWorld:
    def __init__(self, *methods: FakeMethod) -> None:
        self.clock = FakeClock()
        self.clusters = FakeClusters()
        self.methods = {method.name: method for method in methods or (FakeMethod(),)}
        self.world = World(self.clusters, self.methods, self.clock, logging.getLogger("kfw.test"))


def forward(name: str = "api", **changes: object) -> Forward:
    wanted: dict[str, object] = {
        "target": Target.parse("service/api"),
        "target_port": 80,
        "local_port": 0,
        "context": "test",
        "namespace": "shop",
        **changes,
    }
    return Forward(name, **wanted)  # type: ignore[arg-type]


def node(port: int = 30080, name: str = "node-1") -> Endpoint:
    return Endpoint("node", name, "127.0.0.1", port)


def pod(name: str, port: int = 8080) -> Endpoint:
    return Endpoint("pod", name, "10.0.0.1", port)
