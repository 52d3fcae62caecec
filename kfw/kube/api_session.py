"""A session with an API server: at most one connection, dialled when needed, and a login that is renewed once on 401.

And what one server says to one user's credentials. A credential belongs to the user, a refusal to the pair of both: several
servers may share a login, and one of them may refuse what the others accept. So each remembers for itself what it accepted
last, and goes on with that whatever another one refuses; who is refused asks for new credentials once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from urllib.parse import urlencode

from kfw.errors import ClusterUnreachable, KfwError, LoginError, ToolMissing
from kfw.kube.api_connection import ApiAnswer, ApiConnection
from kfw.kube.api_errors import ErrorContext, error_of
from kfw.kube.credentials import Credentials
from kfw.kube.login import Login, Setback
from kfw.kube.monitor import ServerMonitor
from kfw.kube.timeouts import Timeouts
from kfw.kube.tls import ClientCertificate
from kfw.model import Problem

_NOBODY = Credentials()


class ServerLogin:
    """A user's login as one server sees it."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._good: Credentials | None = None  # accepted last, and not refused since
        self._refused: Credentials | None = None
        self._fresh: Credentials | None = None  # made while this server waited for it, and not accepted yet
        self._setback = Setback(login.now)

    async def credentials(self) -> Credentials:
        """What this server accepted last, while it holds; else the user's, and new ones in place of what it refused.

        Raises LoginError or ToolMissing.
        """
        self._setback.check()
        if self._good and await self.login.holds(self._good):
            return self._good
        self._good, before = None, self.login.held
        found = await self.login.credentials(instead_of=self._refused)
        if found is not before:
            self._fresh = found
        return found

    def accepted(self, used: Credentials) -> None:
        """The server said something else than 401 to these."""
        self._good = used
        self._refused = self._fresh = None
        self._setback.over()

    def refused(self, used: Credentials, error: KfwError) -> bool:
        """The server said 401 to these. Whether it is worth trying again now, with others.

        Once: if those are refused, too, the login has failed for this server, and only for this one.
        """
        if not self.login.renewable:
            return False
        if used is self._refused:  # another connection has heard it before
            return not self._setback.is_on
        self._refused = used
        if self._good is used:
            self._good = None
        if used is not self._fresh:
            return True
        self._setback.begin(error, pause=self.login.asks_somebody)
        self.login.refused(error)
        return False

    def want(self, *, asked_for: bool) -> None:
        """Somebody waits for it now: see Login.want."""
        if self.login.want(asked_for=asked_for):
            self._setback.forgive()

    def try_again(self) -> None:
        """Forget that it failed: something has changed."""
        self._setback.forgive()
        self.login.try_again()

    @property
    def pause(self) -> float:
        """Seconds until it is tried again."""
        return max(self._setback.pause, self.login.pause)

    @property
    def pending(self) -> Problem | None:
        """Why a login is not there yet, while it is on its way; None as long as this server accepts what there is."""
        return None if self._good else self.login.pending

    @property
    def needs_person(self) -> bool:
        """A plugin asks one, or has asked in vain: it is started again for somebody only."""
        return not self._good and self.login.needs_person

    @property
    def asks(self) -> str:
        """What a login plugin says while it waits; "" if it says nothing."""
        return self.login.asks

    @property
    def listeners(self) -> set[Callable[[], None]]:
        """Called when `pending` changes."""
        return self.login.listeners

    @property
    def hint(self) -> str:
        """What the user can do when the server refuses."""
        return self.login.hint


class SessionServer(Protocol):
    """What a session, and an upgrade, need of kube.api_server.ApiServer."""

    error_context: ErrorContext
    login: ServerLogin
    timeouts: Timeouts
    monitor: ServerMonitor

    @property
    def authority(self) -> str: ...
    @property
    def prefix(self) -> str: ...

    async def connect(self, certificate: ClientCertificate | None, timeout: float) -> ApiConnection: ...
    def refused(self, error: KfwError) -> None: ...
    def admitted(self) -> None: ...


class ApiSession:
    """One request after the other; the answer to one must be read before the next."""

    def __init__(self, server: SessionServer) -> None:
        self._server = server
        self._connection: ApiConnection | None = None
        self._waits_since: float | None = None  # for an answer's head
        self._certificate: ClientCertificate | None = None

    async def get(
        self, path: str, query: Mapping[str, str | int] | None = None, body: bytes = b""
    ) -> ApiAnswer:
        """A 2xx answer. Raises the KfwError of access.error_of or access.unreachable."""
        try:
            return await self._get_with_login(path, query, body)
        except (LoginError, ToolMissing) as error:
            self._server.refused(error)
            raise

    async def read(
        self,
        path: str,
        query: Mapping[str, str | int] | None = None,
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> bytes:
        """The whole body. `turn` is waited for before a large one is read. Raises also TooLarge."""
        answer = await self.get(path, query)
        timeout = self._server.timeouts.answer
        return bytes(await (answer.body(timeout, turn) if turn else answer.body(timeout)))

    async def review(self, path: str, question: bytes) -> bytes:
        """The answer to a review: a question in JSON that changes nothing, so that asking twice is harmless."""
        answer = await self.get(path, body=question)
        return bytes(await answer.body(self._server.timeouts.answer))

    async def alive(self, timeout: float) -> None:
        """Raises KfwError unless the server answers. A 401 will do, so no login is needed; a 5xx is a gateway's."""
        answer = await self._ask("/version", None, _NOBODY, timeout)
        body = await answer.words(timeout)
        if answer.status >= 500:
            raise ClusterUnreachable(error_of(answer.status, body, self._server.error_context).what)

    def close(self) -> None:
        """At once; it dials again when it is used again."""
        if self._connection:
            self._connection.close()

    def abandon_late(self, seconds: float) -> None:
        """Close it if it has waited so long for an answer."""
        if self._waits_since is not None and asyncio.get_running_loop().time() - self._waits_since >= seconds:
            self.close()

    async def _get_with_login(
        self, path: str, query: Mapping[str, str | int] | None, body: bytes
    ) -> ApiAnswer:
        timeout, login = self._server.timeouts.answer, self._server.login
        while True:
            credentials = await login.credentials()
            answer = await self._ask(path, query, credentials, timeout, body)
            if answer.status != 401:
                login.accepted(credentials)
                self._server.admitted()
                if 200 <= answer.status < 300:
                    return answer
            said = await answer.words(timeout)
            error = error_of(answer.status, said, self._server.error_context, answer.headers)
            if answer.status != 401 or not login.refused(credentials, error):
                raise error

    async def _ask(
        self,
        path: str,
        query: Mapping[str, str | int] | None,
        who: Credentials,
        timeout: float,
        body: bytes = b"",
    ) -> ApiAnswer:
        """A connection that was used before may have been closed by the server meanwhile: then on a new one."""
        target = f"{self._server.prefix}{path}" + (f"?{urlencode(query)}" if query else "")
        connection = await self._connect(who, timeout)
        self._waits_since = asyncio.get_running_loop().time()
        try:
            if connection.used:
                try:
                    return await connection.get(target, who.headers, timeout=timeout, body=body)
                except ClusterUnreachable:
                    connection = await self._connect(who, timeout)
            return await connection.get(target, who.headers, timeout=timeout, body=body)
        finally:
            self._waits_since = None

    async def _connect(self, who: Credentials, timeout: float) -> ApiConnection:
        current = self._connection
        if current and current.open and self._certificate == who.certificate:
            return current
        self.close()
        dial = min(timeout, self._server.timeouts.dial)
        self._connection = await self._server.connect(who.certificate, dial)
        self._certificate = who.certificate
        return self._connection
