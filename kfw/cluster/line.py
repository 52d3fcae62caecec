"""A line to an API server: at most one connection, dialled when needed, and a login that is renewed once on 401."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from kfw.cluster.access import Asker, error_of
from kfw.cluster.api import Answer, Connection
from kfw.cluster.login import Credentials, Login
from kfw.cluster.patience import Patience
from kfw.cluster.pulse import Pulse
from kfw.cluster.tls import ClientCertificate
from kfw.errors import ClusterUnreachable, KfwError, LoginError, ToolMissing

_NOBODY = Credentials()


class Server(Protocol):
    """What a line, and an upgrade, need of cluster.server.Server."""

    asker: Asker
    login: Login
    patience: Patience
    pulse: Pulse

    async def connect(self, certificate: ClientCertificate | None, patience: float) -> Connection: ...
    def refused(self, error: KfwError) -> None: ...
    def admitted(self) -> None: ...


class Line:
    """One request after the other; the answer to one must be read before the next."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: Connection | None = None
        self._certificate: ClientCertificate | None = None
        self._prefix = urlsplit(server.asker.server).path

    async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Answer:
        """A 2xx answer. Raises the KfwError of access.error_of or access.unreachable."""
        try:
            return await self._logged_in(path, query)
        except (LoginError, ToolMissing) as error:
            self._server.refused(error)
            raise

    async def read(self, path: str, query: Mapping[str, str | int] | None = None) -> bytes:
        return await (await self.get(path, query)).body(self._server.patience.answer)

    async def alive(self, patience: float) -> None:
        """Raises KfwError unless the server answers. A 401 will do, so no login is needed; a 5xx is a gateway's."""
        answer = await self._ask("/version", None, _NOBODY, patience)
        body = await answer.body(patience)
        if answer.status >= 500:
            raise ClusterUnreachable(error_of(answer.status, body, self._server.asker).what)

    def close(self) -> None:
        """At once; it dials again when it is used again."""
        if self._connection:
            self._connection.close()

    async def _logged_in(self, path: str, query: Mapping[str, str | int] | None) -> Answer:
        patience, login = self._server.patience.answer, self._server.login
        while True:
            credentials = await login.credentials()
            answer = await self._ask(path, query, credentials, patience)
            if answer.status != 401:
                login.accepted(credentials)
                self._server.admitted()
                if 200 <= answer.status < 300:
                    return answer
            error = error_of(answer.status, await answer.body(patience), self._server.asker)
            if answer.status != 401 or not login.refused(credentials, error):
                raise error

    async def _ask(
        self, path: str, query: Mapping[str, str | int] | None, who: Credentials, patience: float
    ) -> Answer:
        """A connection that was used before may have been closed by the server meanwhile: then on a new one."""
        target = f"{self._prefix}{path}" + (f"?{urlencode(query)}" if query else "")
        connection = await self._connected(who, patience)
        if connection.used:
            try:
                return await connection.get(target, who.headers, patience=patience)
            except ClusterUnreachable:
                connection = await self._connected(who, patience)
        return await connection.get(target, who.headers, patience=patience)

    async def _connected(self, who: Credentials, patience: float) -> Connection:
        current = self._connection
        if current and current.open and self._certificate == who.certificate:
            return current
        self.close()
        dial = min(patience, self._server.patience.dial)
        self._connection = await self._server.connect(who.certificate, dial)
        self._certificate = who.certificate
        return self._connection
