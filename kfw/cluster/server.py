"""One API server as one user: its login, its TLS, whether it is there, and lines to ask it on."""

import asyncio
import os
import ssl
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from kfw.cluster import proxy, tls
from kfw.cluster.access import Absent, Asker, problem_of, unreachable
from kfw.cluster.api import Connection, connect
from kfw.cluster.bell import Bell
from kfw.cluster.dial import Address
from kfw.cluster.kubeconfig import Access
from kfw.cluster.line import Line
from kfw.cluster.login import Login
from kfw.cluster.patience import Patience
from kfw.cluster.pulse import Pulse
from kfw.cluster.tls import ClientCertificate
from kfw.errors import KfwError, LoginError
from kfw.model import Problem


class Server:
    """`changed` is called when `problem` changes. `run` notices when the server is away."""

    def __init__(self, access: Access, login: Login, patience: Patience, changed: Callable[[], None]) -> None:
        self.access = access
        self.login = login
        self.patience = patience
        self.asker = Asker(
            access.context,
            access.cluster.server,
            access.user.name or "nobody",
            access.cluster.name,
            login.hint,
        )
        self.pulse = Pulse(self._probe, patience, self._pulse_changed, self._redial)
        self.poked = Bell()
        self._changed = changed
        self._refusal: KfwError | None = None
        self._lines = set[Line]()
        self._probe_line = Line(self)
        self._contexts: dict[ClientCertificate | None, ssl.SSLContext] = {}

    @property
    def problem(self) -> Problem | None:
        """What stands between kfw and all that this server knows."""
        error = self.pulse.away or self._refusal
        return problem_of(error) if error else None

    @property
    def host(self) -> str:
        return urlsplit(self.access.cluster.server).hostname or ""

    def line(self) -> Line:
        """To be closed with `hang_up`."""
        made = Line(self)
        self._lines.add(made)
        return made

    def hang_up(self, line: Line) -> None:
        line.close()
        self._lines.discard(line)

    async def run(self) -> None:
        try:
            await self.pulse.run()
        finally:
            self._redial()
            self._probe_line.close()

    def poke(self) -> None:
        """Somebody wants it now: try again what waits."""
        self.login.try_again()
        self.pulse.poke()
        self.poked.ring()

    def refused(self, error: KfwError) -> None:
        """A login failed; `admitted` takes it back."""
        if self._refusal is None or self._refusal.what != error.what:
            self._refusal = error
            self._changed()

    def admitted(self) -> None:
        if self._refusal is not None:
            self._refusal = None
            self._changed()

    async def namespace_is_missing(self, namespace: str) -> bool:
        """False also for a user who may not ask."""
        line = self.line()
        try:
            await line.read(f"/api/v1/namespaces/{quote(namespace)}")
        except Absent:
            return True
        except KfwError:
            return False
        finally:
            self.hang_up(line)
        return False

    async def connect(self, certificate: ClientCertificate | None, patience: float) -> Connection:
        """Raises UsageError for a proxy that kfw cannot use, ClusterUnreachable and LoginError."""
        cluster = self.access.cluster
        url = urlsplit(cluster.server)
        way = proxy.choose(cluster.server, cluster.proxy_url, os.environ)
        port = url.port or (443 if url.scheme == "https" else 80)
        address = Address(self.host, port, cluster.tls_server_name, way)
        secure = self._tls(certificate) if url.scheme == "https" else None
        return await connect(address, secure, self.asker, self.pulse.heard, patience)

    def _tls(self, certificate: ClientCertificate | None) -> ssl.SSLContext:
        """The newest login's and, for probes, the one without a certificate."""
        if certificate not in self._contexts:
            bare = self._contexts.get(None)
            self._contexts = {None: bare} if bare else {}
            self._contexts[certificate] = tls.context(self.access.cluster, certificate)
        return self._contexts[certificate]

    async def _probe(self, fresh: bool, patience: float) -> None:
        line = Line(self) if fresh else self._probe_line
        try:
            async with asyncio.timeout(patience):
                await line.alive(patience)
        except TimeoutError as error:
            line.close()
            raise unreachable(self.asker, TimeoutError("it does not answer")) from error
        except LoginError:
            return  # TLS wants a certificate: the server is there
        finally:
            if fresh:
                line.close()

    def _pulse_changed(self) -> None:
        if self.pulse.away:
            self._redial()
        self._changed()

    def _redial(self) -> None:
        for line in self._lines:
            line.close()
