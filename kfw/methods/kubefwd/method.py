"""kubefwd: one supervised kubefwd per profile, for people who want the names that it writes into /etc/hosts.

Limits, all kubefwd's own: it is root; a forward that has lost its pod may stay dead (kfw starts kubefwd again then, and with
it all forwards of the profile); and it forwards every service of the namespaces, as it cannot choose several by name.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from kfw import paths
from kfw.backoff import Backoff
from kfw.errors import KfwError, Shortage
from kfw.methods.base import LocalPlace, OpenRequest
from kfw.methods.eof_behaviour import EofBehaviour
from kfw.methods.kubefwd.root_access import RootAccess
from kfw.methods.kubefwd.shared import LOOK, SharedKubefwd, SharedKubefwds
from kfw.methods.probe import Prober
from kfw.methods.supervised import first, stopped
from kfw.model import Endpoint, Forward, Kind, Problem, Reason
from kfw.relay.dialer import Dialer, TcpDialer
from kfw.relay.suspicion import Hint
from kfw.system import tools
from kfw.system.process import Child, Children

#: Seconds that a forward may be dead while its service has a pod, until kubefwd is started again: with what kubefwd takes
#: to end (8) and to begin it is 30 in all.
STUCK = 14.0
#: Seconds until an attempt to open is given up.
GIVE_UP = 40.0
#: Seconds between two looks at a forward that does not carry yet.
_PAUSES = Backoff(0.1, 2.0, multiplier=1.5)


class _Stuck(Exception):
    """kubefwd lives, its forward does not."""


class Kubefwd:
    name = "kubefwd"
    wants: Literal["pod", "node"] = "pod"
    owns_port = True
    logs_in = True

    def __init__(
        self, children: Children, root: RootAccess | None = None, *, stuck_after: float = STUCK
    ) -> None:
        self._shared = SharedKubefwds(children, root or RootAccess.of_this_process(), _folder)
        self._stuck_after = stuck_after

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return tools.missing("kubefwd", environ)

    def unfit(self, forward: Forward) -> Problem | None:
        if forward.target.kind is Kind.SERVICE:
            return None
        return Problem(Reason.BAD_CONFIG, f"kubefwd forwards services, not {forward.target}", "use tunnel")

    async def open(self, request: OpenRequest) -> "KubefwdTunnel":
        """Raises KfwError: needs-root, child-exited, unhealthy, timed-out, and what kubefwd says of the cluster."""
        if unfit := self.unfit(request.forward):
            raise KfwError(unfit.message, unfit.fix, reason=unfit.reason)
        shared = self._shared.of(request.forward)
        tunnel = KubefwdTunnel(shared, self._shared, request, self._stuck_after)
        try:
            await tunnel.begin()
        except BaseException:
            await tunnel.close()
            raise
        return tunnel


class KubefwdTunnel:
    """One forward of a shared kubefwd."""

    dialer: Dialer | None = None

    def __init__(
        self, shared: SharedKubefwd, all_shared: SharedKubefwds, request: OpenRequest, stuck_after: float
    ) -> None:
        self._shared = shared
        self._all_shared = all_shared
        self._forward = request.forward
        self._environ = request.environ
        self._pods = request.endpoints
        self._stuck_after = stuck_after
        self._prober = Prober(request.forward.health, EofBehaviour())
        self.pid: int | None = None
        self._child: Child | None = None
        self._hints = shared.hints
        self._closed = False
        shared.users[self] = request.forward

    async def begin(self) -> None:
        """Returns when the forward carries. Raises KfwError."""
        asked_at = _now()
        self._shared.down.setdefault(self._forward.name, asked_at)
        while True:
            self._child = await self._shared.running(asked_at, self._environ)
            self.pid = self._child.pid
            try:
                await self._until_it_carries(asked_at + GIVE_UP)
                return
            except _Stuck as stuck:
                self._shared.restarted_for.add(self._forward.name)
                await self._shared.restart(self._child, str(stuck))

    async def _until_it_carries(self, deadline: float) -> None:
        looks = 0
        error = KfwError("kubefwd has not said where it listens", reason=Reason.TIMED_OUT)
        while True:
            looks += 1
            if self.local:
                try:
                    return await self.probe()
                except Shortage:
                    raise
                except KfwError as failed:
                    error = failed
            self._raise_if_over()
            if self._is_stuck:
                raise _Stuck(f"{self._forward.name} does not work: {error.what}")
            if _now() > deadline:
                raise error
            await self._shared.news.wait(_PAUSES.after(looks))

    @property
    def _is_stuck(self) -> bool:
        name, now = self._forward.name, _now()
        since = max(self._shared.down.get(name, now), self._shared.started_at)
        return now - since >= self._stuck_after and name not in self._shared.restarted_for

    def _raise_if_over(self) -> None:
        if self._child and self._child.over.done():
            problem = self._shared.end(self._child)
            raise KfwError(problem.message, problem.fix, reason=problem.reason)

    # -- a Tunnel

    @property
    def endpoint(self) -> Endpoint:
        told = self._shared.announced_for(self._forward, self._pods)
        return next((pod for pod in self._pods if told and pod.name == told.pod), self._pods[0])

    @property
    def local(self) -> LocalPlace | None:
        return self._shared.place_of(self._forward, self._pods)

    @property
    def how(self) -> str:
        place = self.local
        return f"by kubefwd at {place.address}:{place.port} as {', '.join(place.names)}" if place else ""

    @property
    def warning(self) -> str:
        return self._child.warning if self._child else ""

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        """kubefwd goes from pod to pod by itself; whether it does is seen by dialling."""
        self._pods = endpoints or self._pods
        return bool(endpoints)

    async def broken(self) -> Problem:
        child = self._child
        assert child
        await first(child.over)
        return self._shared.end(child)

    async def probe(self) -> None:
        if self._child and (error := stopped(self._child)):
            raise error
        place = self.local
        if place is None:
            raise KfwError("kubefwd does not say where it listens", reason=Reason.UNHEALTHY)
        try:
            await self._prober.probe(TcpDialer(place.address, place.port).dial, learn=False)
        except Shortage:
            raise
        except KfwError:
            self._shared.down.setdefault(self._forward.name, _now())
            raise
        self._shared.down.pop(self._forward.name, None)
        self._shared.restarted_for.discard(self._forward.name)

    #: Connections that were lost: kubefwd does not count them.
    lost = 0

    async def suspected(self) -> Hint:
        """kubefwd has said so, or nobody listens there any more."""
        while True:
            await self._shared.news.wait(LOOK)
            if self._shared.hints > self._hints:
                self._hints = self._shared.hints
                return Hint.ALL
            place = self.local
            if place and not self._shared.seems_to_listen(place):
                return Hint.ALL

    async def close(self) -> None:
        self._prober.close()
        if not self._closed:
            self._closed = True
            others = (one.name for user, one in self._shared.users.items() if user is not self)
            if self._forward.name not in others:
                self._shared.down.pop(self._forward.name, None)
            await self._all_shared.leave(self._shared, self)


def _folder() -> Path:
    return paths.state_dir() / "kubefwd"


def _now() -> float:
    return asyncio.get_running_loop().time()
