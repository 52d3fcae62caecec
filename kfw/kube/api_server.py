"""One API server as one user: its login, its TLS, whether it is there, and sessions to ask it in."""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import quote

from kfw.aio import Broadcast, Complaints, keep_going
from kfw.errors import KfwError, LoginError
from kfw.kube import proxy, tls
from kfw.kube.api_connection import ApiConnection, ProcessorShare, connect
from kfw.kube.api_errors import FOREIGN, Absent, ErrorContext, unreachable
from kfw.kube.api_session import ApiSession, ServerLogin
from kfw.kube.credentials import OutsideFile
from kfw.kube.dial import ServerAddress
from kfw.kube.login import Login
from kfw.kube.monitor import ServerMonitor
from kfw.kube.timeouts import Timeouts
from kfw.kube.tls import ClientCertificate
from kfw.kubeconfig.entries import Access
from kfw.model import Problem, problem_of
from kfw.system.freed_memory import FreedMemory

log = logging.getLogger(__name__)

#: What a TLS context was made of: the client's certificate, and the CA.
_Made = tuple[ClientCertificate | None, bytes]


class ApiServer:
    """`changed` is called when `problem` changes. `run` notices when the server is away."""

    def __init__(
        self,
        access: Access,
        login: Login,
        timeouts: Timeouts,
        changed: Callable[[], None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`environ` names the proxy, if the cluster does not."""
        self.access = access
        self._environ = environ
        self.login = ServerLogin(login)
        self.timeouts = timeouts
        self.error_context = ErrorContext(
            access.context,
            str(access.cluster.url),
            access.user.name or "nobody",
            access.cluster.name,
            login.hint,
        )
        self.monitor = ServerMonitor(self._probe, timeouts, self._monitor_changed, self._redial)
        self.poked = Broadcast()
        self.large = asyncio.Lock()  # of who reads a large answer: one at a time
        self._share = ProcessorShare()
        self.freed = FreedMemory()  # after something large was read
        self._changed = changed
        self._refusal: KfwError | None = None
        self._refused_at = float("-inf")
        self._sessions = set[ApiSession]()
        self._probe_session = ApiSession(self)
        self._ca = OutsideFile(access.cluster.ca)
        self._contexts: dict[bool, tuple[_Made, ssl.SSLContext]] = {}
        self._complained: str | None = None
        self._in_trouble = asyncio.Event()

    @property
    def problem(self) -> Problem | None:
        """What stands between kfw and all that this server knows."""
        error = self.monitor.away or self._refusal
        if self.login.pending and not self.monitor.away:
            return self.login.pending
        return problem_of(error) if error else None

    @property
    def judged_at(self) -> float:
        """When the request was made of which `problem` tells, in the loop's time."""
        if self.monitor.away:
            return self.monitor.judged_at
        return float("inf") if self.login.pending else self._refused_at

    @property
    def host(self) -> str:
        return self.access.cluster.url.host

    @property
    def authority(self) -> str:
        """For the Host header."""
        return self.access.cluster.url.authority

    @property
    def prefix(self) -> str:
        """Of all paths: an API server may be behind a gateway."""
        return self.access.cluster.url.prefix

    def session(self) -> ApiSession:
        """To be closed with `close_session`."""
        made = ApiSession(self)
        self._sessions.add(made)
        return made

    def close_session(self, session: ApiSession) -> None:
        session.close()
        self._sessions.discard(session)

    async def run(self) -> None:
        complaints = Complaints(log, "the check of a login's files")
        looking = asyncio.create_task(
            keep_going(self._look_at_files, complaints.tell), name=f"files {self.error_context.server}"
        )
        self.login.listeners.add(self._changed)
        try:
            await self.monitor.run()
        finally:
            self.login.listeners.discard(self._changed)
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            self._redial()
            self._probe_session.close()

    def poke(self) -> None:
        """Somebody wants it now: try again what waits, also for an answer that does not come."""
        self.login.try_again()
        self.monitor.poke()
        self.poked.notify_all()
        for session in self._sessions:
            session.abandon_late(self.timeouts.late)

    def judge_again(self) -> None:
        """As `poke`, for somebody who has just come: `changed` is called once it has been asked again."""
        self.monitor.judge_again()
        self.poke()

    def want(self, *, asked_for: bool) -> None:
        """Somebody waits for what it knows: see Login.want."""
        self.login.want(asked_for=asked_for)

    def refused(self, error: KfwError) -> None:
        """A login failed; `admitted` takes it back. Told each time: some wait for a verdict that is new."""
        self._refusal, self._refused_at = error, asyncio.get_running_loop().time()
        self._in_trouble.set()
        self._changed()

    def admitted(self) -> None:
        if self._refusal is not None:
            self._refusal = None
            self.poked.notify_all()  # who waited because of it
            self._changed()

    async def namespace_is_missing(self, namespace: str) -> bool:
        """False also for a user who may not ask."""
        session = self.session()
        try:
            await session.read(f"/api/v1/namespaces/{quote(namespace)}")
        except Absent:
            return True
        except KfwError:
            return False
        finally:
            self.close_session(session)
        return False

    async def connect(self, certificate: ClientCertificate | None, timeout: float) -> ApiConnection:
        """Raises UsageError for a proxy that kfw cannot use, ClusterUnreachable and LoginError."""
        try:
            address = self._address()
            secure = await self._tls(certificate) if self.access.cluster.url.is_https else None
        except FOREIGN as error:
            raise unreachable(self.error_context, error) from error
        return await connect(
            address,
            secure,
            self.authority,
            self.error_context,
            self.monitor.heard,
            timeout,
            self._share,
        )

    def _address(self) -> ServerAddress:
        cluster = self.access.cluster
        url = cluster.url
        way = proxy.choose(url, cluster.proxy_url, self._environ)
        return ServerAddress(url.host, url.port, cluster.tls_server_name, way)

    async def _tls(self, certificate: ClientCertificate | None) -> ssl.SSLContext:
        """The newest login's and, for probes, the one without a certificate; of the CA as it is in its file now.

        Files are renewed one after the other: while they cannot be used together, what was used before goes on.
        """
        cluster = self.access.cluster
        try:
            made = certificate, await self._ca.read()
        except OSError as error:
            raise tls.unusable_ca(cluster, error) from error
        before = self._contexts.get(certificate is None)
        if before and before[0] == made:
            return before[1]
        try:
            context = tls.context(cluster, *made)
        except KfwError as error:
            if before is None or not (self._ca.is_file or self.login.login.entry.is_from_files):
                raise
            self._complain(error)
            return before[1]
        self._complained = None
        self._contexts[certificate is None] = made, context
        return context

    def _complain(self, error: KfwError) -> None:
        if self._complained != error.what:
            self._complained = error.what
            log.warning("%s; the last login stays in use", error.what)

    async def _look_at_files(self) -> None:
        """While the server refuses or cannot be reached: a renewed file may be the end of it."""
        await self._in_trouble.wait()
        before = await self._contents()
        await asyncio.sleep(self.timeouts.files)
        if self.problem is None:
            self._in_trouble.clear()
        elif await self._contents() != before:
            self.login.try_again()
            self.poked.notify_all()

    async def _contents(self) -> tuple[bytes, ...]:
        try:
            return (await self._ca.read(), *await self.login.login.entry.contents())
        except OSError:
            return ()

    async def _probe(self, fresh: bool, timeout: float) -> None:
        session = ApiSession(self) if fresh else self._probe_session
        try:
            async with asyncio.timeout(timeout):
                await session.alive(timeout)
        except TimeoutError as error:
            session.close()
            raise unreachable(self.error_context, TimeoutError("it does not answer")) from error
        except LoginError:
            return  # TLS wants a certificate: the server is there
        except FOREIGN as error:
            session.close()
            raise unreachable(self.error_context, error) from error
        finally:
            if fresh:
                session.close()

    def _monitor_changed(self) -> None:
        if self.monitor.away:
            self._in_trouble.set()
            self._redial()
        self._changed()

    def _redial(self) -> None:
        for session in self._sessions:
            session.close()
