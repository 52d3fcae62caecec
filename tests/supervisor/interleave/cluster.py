"""The cluster and what is between here and there, as it is, and as a watch has last seen it."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

from kfw.errors import ClusterUnreachable, KfwError, LoginError, NotPermitted
from kfw.kube.pod_upgrade import SPDY, PodGone, Upgraded
from kfw.model import Endpoint, Forward, Problem, Reason, Resolution
from tests.methods.tunnel.far import ECHO, REFUSES, SILENT, App, Visit, gone_text
from tests.supervisor.interleave.loop import VirtualLoop
from tests.supervisor.interleave.node import Node
from tests.supervisor.interleave.pipes import Pipe

#: Seconds after which a dial that hangs gives up by itself: kube.upgrade.ANSWER.
HANGS = 10.0
#: Seconds between two looks at what is in trouble, and between two changes: kube.timeouts.Timeouts.
FILES, SETTLE = 2.0, 0.05


def _answer(visit: Visit, data: bytes) -> None:
    visit.say(b"HTTP/1.1 200 OK\r\n\r\n" if data.startswith(b"GET ") else data)


APPS: dict[str, App] = {
    "echo": App(heard=_answer, said_all=ECHO.said_all),
    "refuses": REFUSES,
    "silent": SILENT,
    "resets": App(heard=lambda visit, data: visit.reset()),
    "closes": App(came=lambda visit: visit.close()),
}

_GONE = App(came=lambda visit: visit.fail(gone_text(visit.port, f"sandbox-{visit.pod}")))

_AWAY = Problem(Reason.CLUSTER_UNREACHABLE, "the API server cannot be reached")
_NO_LOGIN = Problem(Reason.LOGIN_EXPIRED, "the login has run out")
_NO_RIGHTS = Problem(Reason.NOT_PERMITTED, "may not list endpointslices")
_NO_CONTEXT = Problem(Reason.CONTEXT_NOT_FOUND, "there is no context dev")
_NO_POD = Problem(Reason.NO_READY_POD, "no pod is ready")
_NO_TARGET = Problem(Reason.TARGET_NOT_FOUND, "there is no service api")


@cache
def _endpoint(pod: str) -> Endpoint:
    return Endpoint("pod", pod, "10.0.0.1", 8080)


@dataclass
class Truth:
    """`pods`: what each does. `dials`: what becomes of them: work, come late, hang, fail or end, by a cancellation from
    inside."""

    pods: dict[str, str] = field(default_factory=dict)
    service: bool = True
    api: bool = True
    login: bool = True
    rights: bool = True
    may_list: bool = True
    kubeconfig: bool = True
    user: str = "ada"
    cluster: int = 1
    dials: str = "work"
    watch_lives_on: bool = True  # a login that fails does not end a watch that streams


class Cluster:
    """Plays the supervisor's Clusters, the tunnel's Servers and what `open_portforward` reaches."""

    def __init__(self, loop: VirtualLoop, chance: random.Random, latency: float, *, sticky: bool) -> None:
        self.truth = Truth()
        self.links: list[tuple[Pipe, Node]] = []
        self.following = 0
        self.asked = 0  # by pokes and the like
        self.well = asyncio.Event()
        self._loop = loop
        self._chance = chance
        self._latency = latency
        self._sticky = sticky
        self._seen = Resolution()
        self._known = False
        self._change: asyncio.Future[None] = loop.create_future()  # of what is seen
        self._monitor = SimpleNamespace(away=None)
        self._servers: dict[tuple[str, int], Any] = {}

    # -- the supervisor's Clusters

    async def follow(self, forward: Forward) -> AsyncIterator[Resolution]:
        """As TargetWatcher.resolutions: what changes in bursts is told together."""
        last = None
        self.following += 1
        try:
            while True:
                if not (self._known and self._seen != last):
                    self._change = self._loop.create_future()
                    await self._change
                await asyncio.sleep(SETTLE)
                last = self._seen
                yield last
        finally:
            self.following -= 1

    def end_watch(self) -> None:
        """It is cancelled by what it waits for, and nobody has asked for that."""
        self._change.cancel()

    def poke(self, forward: Forward) -> None:
        self.asked += 1
        if self.truth.api:
            self.notice(0.0)

    def look_again(self, forward: Forward) -> None:
        self.notice(0.0)

    def want(self, forward: Forward, *, asked_for: bool) -> None: ...

    # -- what the watch sees

    def notice(self, lag: float) -> None:
        """What is so now is seen after so many seconds; 0: in this turn of the loop."""
        if lag:
            self._loop.call_later(lag, self._notice)
        else:
            self._notice()

    def _notice(self) -> None:
        truth = self.truth
        self._monitor.away = None if truth.api else ClusterUnreachable(_AWAY.message)
        seen, warning = self._seen, None
        told = self._why_mute()
        if (
            told
            and truth.watch_lives_on
            and truth.api
            and truth.kubeconfig
            and truth.may_list
            and self._known
        ):
            told, warning = None, told
        seen = replace(seen, problem=told) if told else self._resolution(warning)
        if seen != self._seen or not self._known:
            self._seen, self._known = seen, True
            if not self._change.done():
                self._change.set_result(None)

    def _why_mute(self) -> Problem | None:
        truth = self.truth
        if not truth.kubeconfig:
            return _NO_CONTEXT
        if not truth.api:
            return _AWAY
        if not truth.login:
            return _NO_LOGIN
        return None if truth.may_list else _NO_RIGHTS

    def _resolution(self, warning: Problem | None) -> Resolution:
        truth = self.truth
        pods = tuple(map(_endpoint, truth.pods)) if truth.service else ()
        problem = _NO_TARGET if not truth.service else None if pods else _NO_POD
        return Resolution(
            pods=pods, problem=problem, sticky=self._sticky, warning=warning, cluster=truth.cluster
        )

    # -- the tunnel's Servers

    def server(self, forward: Forward) -> Any:
        """Raises ClusterUnreachable."""
        if not self.following:
            raise ClusterUnreachable("the API server of context dev is not watched yet")
        key = self.truth.user, self.truth.cluster
        if key not in self._servers:
            self._servers[key] = SimpleNamespace(
                access=SimpleNamespace(user=key[0]), monitor=self._monitor, want=lambda *, asked_for: None
            )
        return self._servers[key]

    # -- dials

    async def open_portforward(self, server: Any, namespace: str, pod: str) -> Upgraded:
        """In place of kube.upgrade.open_portforward."""
        try:
            await self._travel()
            await self._be_answered(pod)
        except asyncio.CancelledError:
            for _ in range(self._chance.randrange(3)):  # its connection is closed first
                await asyncio.sleep(0)
            raise
        return self._link(pod)

    async def _travel(self) -> None:
        fate = self.truth.dials
        if fate == "hang" and await self._hang(HANGS):
            raise ClusterUnreachable("the API server does not answer")
        if fate == "come late":
            await self._hang(self._chance.choice((0.2, 0.6, 2.0, 4.9, 6.0, 9.0)))
        elif fate == "fail":
            raise ClusterUnreachable("connection refused")
        elif fate == "end from inside":
            raise asyncio.CancelledError
        turns = self._chance.randrange(5)
        if turns > 3:
            await asyncio.sleep(0.001 * self._chance.randrange(10))
        for _ in range(turns):
            await asyncio.sleep(0)

    async def _be_answered(self, pod: str) -> None:
        truth = self.truth
        if not truth.api:
            if self._chance.random() < 0.5:
                await self._hang(HANGS)
            raise ClusterUnreachable("the API server cannot be reached")
        if refusal := self._refusal(pod):
            raise refusal

    async def _hang(self, seconds: float) -> bool:
        """True: for so long. What hangs when all is well again comes to an end within a second, this or that way."""
        try:
            async with asyncio.timeout(seconds):
                await self.well.wait()
        except TimeoutError:
            return True
        await asyncio.sleep(self._chance.random())
        return self._chance.random() < 0.5

    def _refusal(self, pod: str) -> KfwError | None:
        truth = self.truth
        if not truth.login:
            return LoginError("Unauthorized")
        if not truth.rights:
            return NotPermitted("pods is forbidden: cannot create resource pods/portforward")
        return None if pod in truth.pods else PodGone(f"pods {pod!r} not found")

    def _link(self, pod: str) -> Upgraded:
        near, far = Pipe.pair(self._loop, self._latency)
        node = Node(pod, far, self.app)
        far.begin(_Reader(node))
        self.links.append((near, node))
        return Upgraded((None, _Writer(near)), SPDY, b"")  # type: ignore[arg-type]

    def app(self, pod: str) -> App:
        does = self.truth.pods.get(pod)
        return _GONE if does is None else APPS[does]


class _Writer:
    """As much of a StreamWriter as there is needed."""

    def __init__(self, transport: Pipe) -> None:
        self.transport = transport


class _Reader(asyncio.Protocol):
    def __init__(self, node: Node) -> None:
        self.data_received = node.received  # type: ignore[method-assign]
