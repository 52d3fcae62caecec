"""All clusters in use: what is open, shared by the forwards that follow something in it, and closed with the last."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Any, Self

from kfw.choices import KINDS
from kfw.environ import Environ, Environs
from kfw.errors import ClusterUnreachable
from kfw.kube import exec_plugin, tls
from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Decoder
from kfw.kube.login import Login, Plugin
from kfw.kube.resource import ENDPOINTSLICES, NODES, OF_KIND, PODS, SERVICES, Resource
from kfw.kube.shared_watches import OnChange, SharedWatches
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import Access, ClusterEntry, UserEntry
from kfw.kubeconfig.load import Kubeconfigs
from kfw.model import Forward, Resolution
from kfw.names import RowId
from kfw.system.changes import FileChanges
from kfw.target.decode.pod import Pod
from kfw.target.decode.service import EndpointSlice, Service
from kfw.target.decode.workload import Node, ReplicationController, Workload
from kfw.target.watcher import Lookup, TargetWatcher

SHAPES: Mapping[Resource, type[Any]] = {
    SERVICES: Service,
    ENDPOINTSLICES: EndpointSlice,
    PODS: Pod,
    NODES: Node,
    **{OF_KIND[name]: Workload for name, one in KINDS.items() if one.pods_by in ("owner", "replicasets")},
    OF_KIND["replicationcontroller"]: ReplicationController,
}


def decoder(resource: Resource) -> Decoder:
    return Decoder(SHAPES[resource])


#: A server as one user in an environment, and a login in one.
_Key = tuple[Access, bytes]
_LoginKey = tuple[UserEntry, ClusterEntry | None, bytes]

#: Logins that are kept for a forward that comes back.
_UNUSED_LOGINS = 16


def _lookup_by_kind() -> Callable[[Forward], Lookup]:
    from kfw.target.resolve import LookupByKind  # `kfw port-forward` starts without it

    return LookupByKind


class ClusterRegistry:
    """An async context manager. Watches are shared per kubeconfig entry, context, namespace and kind."""

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        plugin: Plugin | None = None,
        environs: Environs | None = None,
        kubeconfigs: Kubeconfigs | None = None,
        lookup: Callable[[Forward], Lookup] | None = None,
    ) -> None:
        """`plugin` runs exec plugins in a test's way; `environs` knows whose environment each forward has, `lookup` how its
        pods are found."""
        self.timeouts = timeouts or Timeouts()
        self._plugin = plugin
        self._environs = environs or Environs(os.environ, known=True)
        self._kubeconfigs = kubeconfigs or Kubeconfigs()
        self._lookup = lookup or _lookup_by_kind()
        self._logins: dict[_LoginKey, Login] = {}
        self._shared: dict[_Key, SharedWatches] = {}
        #: Of 1,600 forwards each asks for its own.
        self._followers: dict[RowId, list[TargetWatcher]] = {}
        self._changes: FileChanges | None = None
        self._wanted = set[RowId]()

    async def __aenter__(self) -> Self:
        tls.share_buffers()
        self._changes = FileChanges(self.timeouts.files_interval)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends what still runs; the forwards' own `follow` should have ended before."""
        if self._changes:
            self._changes.close()
        shared, self._shared = list(self._shared.values()), {}
        await asyncio.gather(*(one.close() for one in shared))
        await asyncio.gather(*(login.close() for login in self._logins.values()))

    async def follow(
        self, forward: Forward, lookup: Lookup | None = None
    ) -> AsyncGenerator[Resolution, None]:
        """What the target is, as soon as something is known, then at each change. Never ends by itself.

        Trouble with the API is a Resolution with a `problem` that keeps the endpoints that were known last.
        Pods empty and nodes not, without a problem: the service's endpoints are not pods, only its node port serves.
        """
        follower = TargetWatcher(forward, self, lookup or self._lookup(forward))
        if forward.id in self._wanted:
            self._wanted.discard(forward.id)
            follower.want(asked_for=True)
        self._followers.setdefault(forward.id, []).append(follower)
        try:
            async with aclosing(follower.resolutions()) as resolutions:
                async for resolution in resolutions:
                    yield resolution
        finally:
            self._forget_follower(follower)
            if self._changes:
                self._changes.watch(follower, {}, follower.look_at_kubeconfig)
            await follower.leave()

    def poke(self, forward: Forward) -> None:
        """Try again now, not at the end of a pause: login, kubeconfig and API server."""
        for follower in self._followers_of(forward.id):
            if follower.forward == forward:
                follower.poke()

    def look_again(self, forward: Forward) -> None:
        """Its environment is another one now: what it needs is asked in that, and what is open stays open."""
        for follower in self._followers_of(forward.id):
            follower.look_again()

    def hand_on(self, old: Forward, new: Forward) -> None:
        """The same in another project: it is followed as before."""
        followers = self._followers.pop(old.id, [])
        for follower in followers:
            follower.forward = new
        if followers:
            self._followers[new.id] = followers
        if old.id in self._wanted:
            self._wanted.discard(old.id)
            self._wanted.add(new.id)

    def want(self, forward: Forward, *, asked_for: bool = True) -> None:
        """Somebody waits for it (`asked_for`: by a command), so that a login that needs a person may begin."""
        followers = self._followers_of(forward.id)
        for follower in followers:
            follower.want(asked_for=asked_for)
        if not followers:
            self._wanted.add(forward.id)  # it is followed in a moment

    def server(self, forward: Forward) -> ApiServer:
        """The API server of a forward that is being followed. Raises ClusterUnreachable."""
        known = self._kubeconfigs.last(forward.kubeconfig, forward.context)
        shared = self._followed(forward)
        if known:
            key = self._key(known.of_all_namespaces, self.environ(forward))
            shared = self._shared.get(key) or shared
        if shared is None:
            raise ClusterUnreachable(f"the API server of context {forward.context} is not watched yet")
        return shared.server

    def environ(self, forward: Forward) -> Environ:
        return self._environs.of(forward.id)

    def _followed(self, forward: Forward) -> SharedWatches | None:
        """What it goes by until its watcher has seen that its environment changed."""
        return next((one.shared for one in self._followers_of(forward.id) if one.shared), None)

    def _followers_of(self, row: RowId) -> tuple[TargetWatcher, ...]:
        """While a forward is replaced there may be two."""
        return tuple(self._followers.get(row, ()))

    def _forget_follower(self, follower: TargetWatcher) -> None:
        left = [one for one in self._followers_of(follower.forward.id) if one is not follower]
        if left:
            self._followers[follower.forward.id] = left
        else:
            self._followers.pop(follower.forward.id, None)

    async def access(self, forward: Forward) -> Access:
        """Raises UsageError."""
        return await self._kubeconfigs.access(forward.kubeconfig, forward.context)

    def watch_kubeconfig(self, follower: TargetWatcher) -> None:
        """It is told when a file of its kubeconfig is not what it was when it was read."""
        if self._changes:
            stamps = self._kubeconfigs.stamps(follower.forward.kubeconfig)
            self._changes.watch(follower, stamps, follower.look_at_kubeconfig)

    def join(self, access: Access, environ: Environ, listener: OnChange) -> SharedWatches:
        key = self._key(access, environ)
        if key not in self._shared:
            login = self._login(access, environ)
            self._shared[key] = SharedWatches(access, login, self.timeouts, decoder, environ)
        self._shared[key].join(listener)
        return self._shared[key]

    async def leave(self, shared: SharedWatches, listener: OnChange) -> None:
        if shared.listeners == {listener}:
            self._shared = {key: one for key, one in self._shared.items() if one is not shared}
            self._forget_logins()
        await shared.leave(listener)

    def _key(self, access: Access, environ: Environ) -> _Key:
        """Forwards of two shells share a server if what differs between the shells cannot matter to it.

        With an exec plugin anything may (AWS_PROFILE, PATH, a proxy, HOME), without one only the proxy that it is
        reached by: see environ.py. So the users of a plain token, who are most, share whatever their shells are.
        """
        return access, environ.key(plugin=access.user.exec is not None)

    def _login(self, access: Access, environ: Environ) -> Login:
        """One for each user and environment, also across contexts; a plugin that is told the cluster logs in to each."""
        plugin = access.user.exec
        told = access.cluster if plugin and plugin.provide_cluster_info else None
        key = (
            access.user,
            told,
            environ.key(plugin=plugin is not None) if plugin or access.user.auth_provider else b"",
        )
        if key not in self._logins:
            runs = self._plugin or partial(exec_plugin.run, environ=environ)
            self._logins[key] = Login(access, plugin=runs, environ=environ)
        return self._logins[key]

    def _forget_logins(self) -> None:
        """The oldest that nobody uses: each new environment brings one, and an environment is large."""
        used = {id(shared.server.login.login) for shared in self._shared.values()}
        unused = [key for key, login in self._logins.items() if id(login) not in used]
        for key in unused[: max(len(unused) - _UNUSED_LOGINS, 0)]:
            del self._logins[key]
