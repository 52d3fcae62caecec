"""One user's login: what is sent with each request, how long it holds, and how it is renewed. One at a time."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from kfw.errors import KfwError, LoginError
from kfw.kube import exec_plugin
from kfw.kube.errors import words_of
from kfw.kube.tls import ClientCertificate
from kfw.kubeconfig.entries import Access, Cluster, Exec, User
from kfw.secret import Secret, reveal

#: Seconds before its end that a login is renewed, but not more than a tenth of its life.
MARGIN = 10.0
#: Seconds that a file with a token is trusted before it is read again (client-go waits a minute).
TOKEN_FILE_LIFE = 10.0
#: Seconds until a plugin that failed is asked again, doubled each time: it may open a browser.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0

Plugin = Callable[[Exec, str, Cluster], Awaitable[exec_plugin.Status]]


@dataclass(frozen=True)
class Credentials:
    """`headers` as they are sent; what is secret in them is a Secret."""

    headers: tuple[tuple[str, str], ...] = ()
    certificate: ClientCertificate | None = None
    #: Wall clock, seconds: from then on they are to be renewed.
    ends: float = field(default=float("inf"), compare=False)


class Setback:
    """A failure that holds for a while, doubled each time it comes again. `now` is the wall clock, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._error: KfwError | None = None
        self._pause = 0.0
        self._not_before = 0.0

    def begin(self, error: KfwError, *, pause: bool) -> None:
        self._error = error
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self._not_before = self._now() + self._pause if pause else 0.0

    def check(self) -> None:
        """Raises what failed, while it holds."""
        if self._error and self._now() < self._not_before:
            raise self._error.with_traceback(None)  # else each time makes the kept error longer

    def forgive(self) -> None:
        """Its next failure is still the next one."""
        self._not_before = 0.0

    def over(self) -> None:
        self._error, self._pause = None, 0.0

    @property
    def is_on(self) -> bool:
        return self._error is not None

    @property
    def pause(self) -> float:
        """Seconds for which it holds."""
        return max(self._not_before - self._now(), 0.0)


class Login:
    """One user's, shared by all servers that it is for; what a server says to it is server_login.py's."""

    def __init__(
        self, access: Access, *, plugin: Plugin = exec_plugin.run, now: Callable[[], float] = time.time
    ) -> None:
        """`now` is the wall clock, in seconds."""
        self._user = access.user
        self._cluster = access.cluster
        self._plugin = plugin
        self.now = now
        self.held: Credentials | None = None
        self._one_at_a_time = asyncio.Lock()
        self._setback = Setback(now)

    async def credentials(self, instead_of: Credentials | None = None) -> Credentials:
        """Logs in if need be; who comes meanwhile waits for the same login. `instead_of`: not these.

        Raises LoginError or ToolMissing; what was held is still there for others then.
        """
        async with self._one_at_a_time:
            if self.held is None or self.held is instead_of or not self.holds(self.held):
                self.held = await self._renew()
            return self.held

    def holds(self, credentials: Credentials) -> bool:
        return self.now() < credentials.ends

    def try_again(self) -> None:
        """Forget that it failed: somebody wants it now."""
        self._setback.forgive()

    @property
    def renewable(self) -> bool:
        """New credentials can be had without a change of the kubeconfig."""
        return bool(self._user.exec or self._user.token_file)

    @property
    def asks_somebody(self) -> bool:
        """A plugin may open a browser, so it is not asked again at once."""
        return self._user.exec is not None

    @property
    def pause(self) -> float:
        """Seconds until a plugin that failed is asked again."""
        return self._setback.pause

    @property
    def hint(self) -> str:
        """What the user can do when the server refuses."""
        return hint(self._user)

    async def _renew(self) -> Credentials:
        self._setback.check()
        try:
            made = await self._log_in()
        except KfwError as error:
            self._setback.begin(error, pause=self.asks_somebody)
            raise
        self._setback.over()
        return made

    async def _log_in(self) -> Credentials:
        user = self._user
        if user.exec:
            return await self._by_plugin(user.exec)
        if user.auth_provider:
            raise LoginError(
                f"user {user.name} logs in with auth-provider {user.auth_provider}, which Kubernetes has removed",
                "use an exec plugin instead, for example kubelogin or gke-gcloud-auth-plugin",
            )
        certificate = None
        if user.certificate:
            certificate = ClientCertificate(_read(user, user.certificate.read), _read(user, user.key.read))
        ends = self.now() + TOKEN_FILE_LIFE if user.token_file else float("inf")
        return Credentials((*self._authorization(), *user.impersonate), certificate, ends)

    def _authorization(self) -> tuple[tuple[str, str], ...]:
        """A token file wins over a token that is written beside it, as in client-go."""
        user = self._user
        token = user.token
        if user.token_file:
            text = _read(user, Path(user.token_file).read_bytes).decode(errors="replace").strip()
            token = Secret(text) if text else token
        if token:
            return (_bearer(token),)
        if user.username:
            pair = base64.b64encode(f"{user.username}:{reveal(user.password)}".encode()).decode()
            return (("Authorization", Secret(f"Basic {pair}")),)
        return ()

    async def _by_plugin(self, plugin: Exec) -> Credentials:
        status = await self._plugin(plugin, self._user.name, self._cluster)
        ends = float("inf")
        if status.expiration_timestamp:
            end = status.expiration_timestamp.timestamp()
            ends = end - min(MARGIN, max(end - self.now(), 0.0) / 10)
        certificate = None
        if status.client_certificate_data and status.client_key_data:
            certificate = ClientCertificate(
                status.client_certificate_data.encode(), status.client_key_data.encode()
            )
        token = (_bearer(Secret(status.token)),) if status.token else ()
        return Credentials((*token, *self._user.impersonate), certificate, ends)


def _bearer(token: str) -> tuple[str, Secret]:
    return "Authorization", Secret(f"Bearer {reveal(token)}")


def _read(user: User, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except OSError as error:
        raise LoginError(
            f"cannot read the credentials of user {user.name}: {words_of(error)}",
            f"mend the entry of user {user.name} in {user.file}",
        ) from error


def hint(user: User) -> str:
    if user.exec:
        return f"log in again: {' '.join((user.exec.command, *user.exec.args))}"
    if user.token_file:
        return f"put a valid token into {user.token_file}"
    if user.certificate:
        return f"renew the client certificate of user {user.name} in {user.file}"
    if user.name:
        return f"put a valid token for user {user.name} into {user.file}"
    return "the context names no user: kubectl config set-context CONTEXT --user=NAME"
