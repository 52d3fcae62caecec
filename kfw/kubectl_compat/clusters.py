"""The one cluster that the command line names: how it is reached, and what is open to it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kfw.errors import KfwError
from kfw.kube import tls
from kfw.kube.api_server import ApiServer
from kfw.kube.login import Login
from kfw.kube.shared_watches import OnChange, SharedWatches
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import Access
from kfw.kubectl_compat import access, go_parse
from kfw.kubectl_compat.flags import Arguments
from kfw.kubectl_compat.kubectl_error import KubectlError
from kfw.model import Forward
from kfw.system.files import OUTSIDE_TIMEOUT, outside
from kfw.target.decode.kinds import decoder

#: Of each kubeconfig file its modification time and size; None: it is not there.
_Stamp = tuple[tuple[int, int] | None, ...]


class OneCluster:
    """`known` is how it is reached, with the namespace to be used. An async context manager."""

    def __init__(self, arguments: Arguments, environ: Mapping[str, str]) -> None:
        """Raises Told."""
        self._timeouts = _timeouts(arguments)
        self._arguments = arguments
        self._environ = environ
        self._names = access.files(arguments, environ)
        self._read = self._stamp()
        self.known = access.access(arguments, self._names, environ)
        self._shared: dict[Access, SharedWatches] = {}

    async def __aenter__(self) -> "OneCluster":
        tls.share_buffers()
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*(one.close() for one in self._shared.values()))

    def server(self, forward: Forward) -> ApiServer:
        """Of who has joined last."""
        return next(reversed(self._shared.values())).server

    def join(self, found: Access, listener: OnChange) -> SharedWatches:
        if found not in self._shared:
            self._shared[found] = SharedWatches(found, Login(found), self._timeouts, decoder)
        self._shared[found].join(listener)
        return self._shared[found]

    async def leave(self, shared: SharedWatches, listener: OnChange) -> None:
        self._shared.pop(shared.server.access, None)
        await shared.leave(listener)

    def access(self) -> Access:
        """As the kubeconfig said at the last look."""
        return replace(self.known, namespace="")

    async def look(self) -> None:
        """At the kubeconfig again, off the loop; one that cannot be read now is passed over."""
        with suppress(KfwError, TimeoutError):
            self._read, self.known = await outside(self._look, OUTSIDE_TIMEOUT)

    def _look(self) -> tuple[_Stamp, Access]:
        """Blocking. Raises Told."""
        stamp = self._stamp()
        if stamp == self._read:
            return stamp, self.known
        return stamp, access.access(self._arguments, self._names, self._environ)

    def _stamp(self) -> _Stamp:
        return tuple(map(_stamp_of, self._names))


def _stamp_of(name: str) -> tuple[int, int] | None:
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _timeouts(arguments: Arguments) -> Timeouts:
    """--request-timeout is for a single request; 0 is for ever."""
    text = arguments.text("request-timeout") or "0"
    try:
        seconds = float(text) if go_parse.is_number(text) else go_parse.duration(text)
    except ValueError as error:
        raise KubectlError(
            "error: Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a "
            "corresponding time unit (e.g. 1s | 2m | 3h)"
        ) from error
    return Timeouts(answer=seconds, dial=min(seconds, Timeouts.dial)) if seconds > 0 else Timeouts()
