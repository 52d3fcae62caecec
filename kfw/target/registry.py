"""All clusters in use: what is open, shared by the forwards that follow something in it, and closed with the last."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType

from kfw.errors import ClusterUnreachable
from kfw.kube import exec_plugin, tls
from kfw.kube.login import Login, Plugin
from kfw.kube.server import Server
from kfw.kube.shared_watches import OnChange, SharedWatches
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import Access, Cluster, User
from kfw.kubeconfig.files import Kubeconfigs
from kfw.model import Forward, Resolution
from kfw.target.decode.kinds import decoder
from kfw.target.watcher import TargetWatcher


class ClusterRegistry:
    """An async context manager. Watches are shared per kubeconfig entry, context, namespace and kind."""

    def __init__(self, *, timeouts: Timeouts | None = None, plugin: Plugin = exec_plugin.run) -> None:
        self.timeouts = timeouts or Timeouts()
        self._plugin = plugin
        self._kubeconfigs = Kubeconfigs()
        self._logins: dict[tuple[User, Cluster | None], Login] = {}
        self._shared: dict[Access, SharedWatches] = {}
        self._followers = set[TargetWatcher]()

    async def __aenter__(self) -> "ClusterRegistry":
        tls.share_buffers()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends what still runs; the forwards' own `follow` should have ended before."""
        shared, self._shared = list(self._shared.values()), {}
        await asyncio.gather(*(one.close() for one in shared))

    async def follow(self, forward: Forward) -> AsyncGenerator[Resolution, None]:
        """What the target is, as soon as something is known, then at each change. Never ends by itself.

        Trouble with the API is a Resolution with a `problem` that keeps the endpoints that were known last.
        Pods empty and nodes not, without a problem: the service's endpoints are no pods, only its node port serves.
        """
        follower = TargetWatcher(forward, self)
        self._followers.add(follower)
        try:
            async with aclosing(follower.resolutions()) as resolutions:
                async for resolution in resolutions:
                    yield resolution
        finally:
            self._followers.discard(follower)
            await follower.leave()

    def poke(self, forward: Forward) -> None:
        """Try again now, not at the end of a pause: login, kubeconfig and API server."""
        for follower in self._followers:
            if follower.forward == forward:
                follower.poke()

    def server(self, forward: Forward) -> Server:
        """The API server of a forward that is being followed. Raises UsageError, ClusterUnreachable."""
        access = replace(self.access(forward), namespace="")
        if access not in self._shared:
            raise ClusterUnreachable(f"nobody watches the API server {access.cluster.server} yet")
        return self._shared[access].server

    def access(self, forward: Forward) -> Access:
        """Raises UsageError."""
        return self._kubeconfigs.access(forward.kubeconfig, forward.context)

    def join(self, access: Access, listener: OnChange) -> SharedWatches:
        if access not in self._shared:
            self._shared[access] = SharedWatches(access, self._login(access), self.timeouts, decoder)
        self._shared[access].join(listener)
        return self._shared[access]

    async def leave(self, shared: SharedWatches, listener: OnChange) -> None:
        if shared.listeners == {listener}:
            self._shared.pop(shared.server.access, None)
        await shared.leave(listener)

    def _login(self, access: Access) -> Login:
        """One for each user, also across contexts; a plugin that is told the cluster logs in to each."""
        plugin = access.user.exec
        told = access.cluster if plugin and plugin.provide_cluster_info else None
        key = (access.user, told)
        if key not in self._logins:
            self._logins[key] = Login(access, plugin=self._plugin)
        return self._logins[key]
