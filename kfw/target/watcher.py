"""One forward's target, followed: what it is now, and again at each change."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from kfw.aio import Complaints, expose_cancellation, pause_after
from kfw.environ import Environ
from kfw.errors import UsageError, describe
from kfw.kube.api_server import ApiServer
from kfw.kube.plugin_run import PERSON
from kfw.kube.resource import Resource
from kfw.kube.shared_watches import OnChange, SharedWatches
from kfw.kube.timeouts import Timeouts
from kfw.kube.watch import ONLY_KUBECTL, Watch
from kfw.kubeconfig.entries import Access
from kfw.model import Endpoint, Forward, Kind, Problem, Reason, Resolution, problem_of
from kfw.target.objects import Needs, Objects

log = logging.getLogger(__name__)


class Pool(Protocol):
    timeouts: Timeouts

    async def access(self, forward: Forward) -> Access: ...
    def watch_kubeconfig(self, follower: "TargetWatcher") -> None: ...
    def environ(self, forward: Forward) -> Environ: ...
    def join(self, access: Access, environ: Environ, listener: OnChange) -> SharedWatches: ...
    async def leave(self, shared: SharedWatches, listener: OnChange) -> None: ...


class Lookup(Protocol):
    """What to watch for one target, and what that says of it. `known`: what is known before anything is watched."""

    @property
    def known(self) -> Resolution: ...

    def needs(self, objects: Objects, *, doubt: bool) -> Needs:
        """Of what is known; grows with it. `doubt`: what was resolved did not work."""
        ...

    async def resolve(self, objects: Objects, server: ApiServer) -> Resolution:
        """All that must be known is in `objects`, or denied there. What they do not say may be asked of `server`."""
        ...


class TargetWatcher:
    """`leave` must be called at the end."""

    def __init__(self, forward: Forward, pool: Pool, lookup: Lookup) -> None:
        self.forward = forward
        self._pool = pool
        self._lookup = lookup
        self._changed = asyncio.Event()
        self._joined: tuple[Access, bytes] | None = None
        self._environ: Environ | None = None
        self._shared: SharedWatches | None = None
        self._watches: dict[Resource, Watch] = {}
        self._known = lookup.known
        self._trouble = True
        self._connect_again = True
        self._broken: Problem | None = None  # why it cannot be used, while what it was before goes on
        self._doubt = False
        self._namespace_missing = False
        self._asked_namespace = float("-inf")
        self._namespace_answer = False
        self._last_look = float("-inf")
        self._began = asyncio.get_running_loop().time()
        self._wanted_at = float("-inf")
        self._asked_for = False
        self._failures = 0
        self._complaints = Complaints(log, f"the check of the target of {forward.name}")

    async def resolutions(self) -> AsyncGenerator[Resolution, None]:
        """As soon as something is known, then at each change, for ever."""
        last: tuple[Resolution, tuple[object, ...]] | None = None
        while True:
            self._changed.clear()
            now = await self._look_whatever_happens()
            if now is not None:
                self._last_look = asyncio.get_running_loop().time()
                seen = now, tuple(endpoint.declared for endpoint in now.pods)  # which equality leaves out
                if seen != last:
                    last = seen
                    yield now
            await self._next_change()

    def poke(self) -> None:
        """Look again now, at the kubeconfig, too, and from now on at the pods behind a service's endpoints."""
        self._connect_again = self._doubt = True
        self._asked_namespace = float("-inf")
        if self._shared:
            self._shared.server.poke()
        self._changed.set()

    def look_at_kubeconfig(self) -> None:
        """One of its files has changed."""
        self._connect_again = True
        self._changed.set()

    def look_again(self) -> None:
        """How its server is reached may have changed."""
        self._connect_again = True
        self._changed.set()

    @property
    def shared(self) -> SharedWatches | None:
        return self._shared

    def want(self, *, asked_for: bool) -> None:
        """Somebody waits for it: a login that needs a person may begin, also one to a server that is joined later."""
        self._wanted_at = asyncio.get_running_loop().time()
        self._asked_for = asked_for
        if self._shared:
            self._shared.server.want(asked_for=asked_for)

    async def leave(self) -> None:
        shared, self._shared = self._shared, None
        self._watches = {}
        if shared:
            await self._pool.leave(shared, self._changed.set)

    async def _look_whatever_happens(self) -> Resolution | None:
        """A mistake in kfw is a problem to be told, and another look comes after a pause."""
        try:
            now = await expose_cancellation(self._look(), "the check of the target")
        except Exception as error:  # noqa: BLE001  a forward is followed until its owner ends it
            self._complaints.tell(error)
            self._failures += 1
            told = f"internal error: cannot follow the target: {describe(error)}"
            return self._with_trouble(Problem(Reason.INTERNAL, told, "`kfw logs` shows where"))
        self._failures = 0
        return now

    async def _look(self) -> Resolution | None:
        """None: nothing can be said yet."""
        if (self._trouble or self._connect_again) and (broken := await self._connect()):
            return self._with_trouble(broken)
        assert self._shared
        server = self._shared.server
        if problem := server.problem:
            if self._is_old(server.judged_at):
                await self._wanted()  # so that somebody asks
                return self._unexplained(f"the API server {server.error_context.server} to answer")
            if server.monitor.away or not self._is_live():
                return self._with_trouble(problem)
        wanted = await self._wanted()
        unsettled = [resource for resource in wanted.must if not self._is_settled(resource)]
        if unsettled:
            return self._unexplained(
                f"the API server {server.error_context.server} to list the {unsettled[0]} "
                f"of namespace {self.forward.namespace}"
            )
        if self._in_time and not all(map(self._is_settled, wanted.soon)):
            return None
        found = await self._resolved()
        if found.problem and found.problem.reason.traits.blocks_api:
            return self._with_trouble(found.problem)
        found = replace(found, cluster=self._cluster())
        self._trouble, self._known = problem is not None, found
        if problem:
            return replace(
                found, warning=self._of_unknown_environment(problem), needs_person=server.login.needs_person
            )
        return replace(found, warning=self._broken or found.warning)

    def _cluster(self) -> int:
        return cluster_of(self._joined[0]) if self._joined else 0

    def _is_live(self) -> bool:
        """A login that fails stops no watch that streams: what it tells is true, and goes on serving."""
        must = self._lookup.needs(self._objects(), doubt=self._doubt).must
        return all(r in self._watches and self._watches[r].is_live for r in must)

    def _with_trouble(self, problem: Problem) -> Resolution:
        self._trouble = True
        if self._broken:
            both = f"{problem.message}; and {self._broken.message}, so its last answer stays in use"
            problem = replace(problem, message=both, fix=self._broken.fix)
        problem = self._of_unknown_environment(problem)
        needs_person = self._shared is not None and self._shared.server.login.needs_person
        if not needs_person and self._is_left_to_kubectl(problem):
            return replace(self._known, pods=(_by_name(self.forward),), warning=problem)
        return replace(self._known, problem=problem, needs_person=needs_person)

    def _is_left_to_kubectl(self, problem: Problem) -> bool:
        """kfw cannot log this user in, or may not list what kubectl gets by its name: then kubectl finds the target."""
        forward = self.forward
        if forward.target.kind is Kind.PODS:  # kubectl port-forward takes no labels
            return False
        if forward.method != "kubectl" or forward.target_port is None or self._known.pods:
            return False
        if problem.reason is Reason.NOT_PERMITTED or problem.fix == ONLY_KUBECTL:
            return True
        user = self._joined[0].user if self._joined else None
        return problem.reason is Reason.LOGIN_EXPIRED and bool(user and (user.exec or user.auth_provider))

    def _of_unknown_environment(self, problem: Problem) -> Problem:
        """Nobody has said since the start of this daemon in which environment its user logs in and which proxy is used."""
        said = problem.reason.traits.if_environ_unknown
        if not said or self._environ is None or self._environ.known or self._joined is None:
            return problem
        if problem.reason is not Reason.CLUSTER_UNREACHABLE and self._joined[0].user.exec is None:
            return problem
        fix = f"{said}; `kfw retry {self.forward.name}` in your shell sends it"
        return replace(problem, fix=f"{problem.fix}; {fix}" if problem.fix else fix)

    def _is_old(self, judged_at: float) -> bool:
        """That was said before this forward was there: what is wanted now is asked now, and it waits for the answer."""
        return self._knows_nothing and judged_at < self._began

    def _unexplained(self, waits_for: str) -> Resolution | None:
        """What it waits for, once it has waited for so long that somebody may ask."""
        if not self._knows_nothing or self._waited < self._pool.timeouts.unexplained:
            return None
        return replace(self._known, problem=Problem(Reason.TIMED_OUT, f"waiting for {waits_for}"))

    @property
    def _knows_nothing(self) -> bool:
        return self._known == type(self._lookup.known)()

    @property
    def _waited(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def _connect(self) -> Problem | None:
        """To the server that the kubeconfig names now. While it names none, the last one goes on."""
        self._connect_again = False
        try:
            access = (await self._pool.access(self.forward)).of_all_namespaces
        except UsageError as error:
            return self._broken_kubeconfig(problem_of(error))
        finally:
            self._pool.watch_kubeconfig(self)
        self._broken = None
        environ = self._pool.environ(self.forward)
        self._environ = environ
        joined = (access, environ.key(plugin=access.user.exec is not None))
        if joined != self._joined:
            before, self._watches = self._shared, {}
            self._joined = joined
            self._began = asyncio.get_running_loop().time()
            self._shared = self._pool.join(access, environ, self._changed.set)
            if self._began - self._wanted_at < PERSON:
                self._shared.server.want(asked_for=self._asked_for)
            if self._shared.is_in_trouble:
                self._shared.server.judge_again()
            if before:  # left only now: who asks for the server meanwhile gets one
                await self._pool.leave(before, self._changed.set)
        return None

    def _broken_kubeconfig(self, problem: Problem) -> Problem | None:
        """None: what it was before goes on."""
        if self._shared is None:
            return problem
        if problem != self._broken:
            self._broken = problem
            log.warning("%s: %s; its last answer stays in use", self.forward.name, problem.message)
        return None

    async def _wanted(self) -> Needs:
        """Watches what is needed; it is asked again, as another forward may have these watches already."""
        assert self._shared
        while True:
            wanted = self._lookup.needs(self._objects(), doubt=self._doubt)
            await self._leave_other_watches(wanted)
            new = wanted.all() - self._watches.keys()
            if not new:
                return wanted
            for resource in new:
                self._watches[resource] = self._shared.watch(
                    resource, self.forward.namespace, self._changed.set, wanted.where.get(resource)
                )

    async def _leave_other_watches(self, wanted: Needs) -> None:
        """Those of objects that another selector selected."""
        others = [r for r, watch in self._watches.items() if watch.where != wanted.where.get(r, {})]
        for resource in others:
            watch = self._watches.pop(resource)
            if self._shared:
                await self._shared.leave_watch(watch, self._changed.set)

    def _is_settled(self, resource: Resource) -> bool:
        watch = self._watches[resource]
        if watch.problem:
            return not self._is_old(watch.judged_at)
        return watch.synced

    @property
    def _in_time(self) -> bool:
        """It is so soon that it is worth to wait for more."""
        return self._knows_nothing and self._waited < self._pool.timeouts.nodes

    def _objects(self) -> Objects:
        assert self._shared
        known = {r.name: watch.objects for r, watch in self._watches.items() if watch.readable}
        return Objects(
            context=self.forward.context,
            namespace=self.forward.namespace,
            api_host=self._shared.server.host,
            denied={r: watch.problem for r, watch in self._watches.items() if watch.problem},
            namespace_missing=self._namespace_missing,
            **known,
        )

    async def _resolved(self) -> Resolution:
        self._namespace_missing = False
        found = await self._resolve()
        if found.problem and found.problem.reason is Reason.TARGET_NOT_FOUND and await self._no_namespace():
            self._namespace_missing = True
            return await self._resolve()
        return found

    async def _resolve(self) -> Resolution:
        assert self._shared
        return await self._lookup.resolve(self._objects(), self._shared.server)

    async def _no_namespace(self) -> bool:
        """A list in a namespace that does not exist is empty, no error: an empty one makes it worth asking."""
        if self._shared is None or any(watch.objects for watch in self._watches.values()):
            return False
        now = asyncio.get_running_loop().time()
        if now - self._asked_namespace > self._pool.timeouts.namespace:
            self._asked_namespace = now
            self._namespace_answer = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pool.timeouts.namespace_answer):
                    self._namespace_answer = await self._shared.server.namespace_is_missing(
                        self.forward.namespace
                    )
        return self._namespace_answer

    async def _next_change(self) -> None:
        """Files do not tell when they change, so in trouble they are looked at now and then."""
        timeouts = self._pool.timeouts
        seconds = timeouts.namespace if self._namespace_missing else None
        if self._trouble or self._broken:
            seconds = timeouts.files
        elif self._in_time:
            seconds = timeouts.nodes
        if self._failures:
            seconds = pause_after(self._failures + 1)
        if self._knows_nothing and self._waited < timeouts.unexplained:
            seconds = min(seconds or timeouts.unexplained, timeouts.unexplained - self._waited + 0.001)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        # The first of many changes is looked at at once, the others together.
        await asyncio.sleep(self._last_look + timeouts.settle - asyncio.get_running_loop().time())


def cluster_of(access: Access) -> int:
    """For Resolution.cluster. A new token of the same user is not a move: see PodTunnel.retarget."""
    return hash((access.cluster, access.user.name))


def _by_name(forward: Forward) -> Endpoint:
    """Where only kubectl can find what that is."""
    port = forward.target_port
    return Endpoint("target", str(forward.target), "", port if isinstance(port, int) else 0)
