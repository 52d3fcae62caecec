"""One user's login: what is sent with each request, how long it holds, and how it is renewed. One at a time."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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


class Login:
    """Shared by everything that speaks to a cluster as the same user. `now` is the wall clock, in seconds."""

    def __init__(
        self, access: Access, *, plugin: Plugin = exec_plugin.run, now: Callable[[], float] = time.time
    ) -> None:
        self._user = access.user
        self._cluster = access.cluster
        self._plugin = plugin
        self._now = now
        self._held: Credentials | None = None
        self._ends = float("inf")
        self._one_at_a_time = asyncio.Lock()
        self._accepted = False
        self._failure: KfwError | None = None
        self._pause = 0.0
        self._not_before = 0.0

    async def credentials(self) -> Credentials:
        """Logs in if need be; who comes meanwhile waits for the same login. Raises LoginError or ToolMissing."""
        async with self._one_at_a_time:
            if self._held and self._now() >= self._ends:
                self._held = None
            if self._held is None:
                self._held = await self._renew()
            return self._held

    def accepted(self, used: Credentials) -> None:
        """The server said something else than 401 to these."""
        if self._held is used:
            self._accepted, self._failure, self._pause = True, None, 0.0

    def refused(self, used: Credentials, error: KfwError) -> bool:
        """The server said 401 to these. Whether it is worth trying again now, with new ones.

        It is once: new ones that are refused, too, count as a login that failed.
        """
        if not (self._user.exec or self._user.token_file):
            return False
        if self._held is used:
            self._held = None
            if not self._accepted:
                self._failed(error)
                return False
        return True

    def try_again(self) -> None:
        """Forget that it failed: somebody wants it now."""
        self._not_before = 0.0

    @property
    def pause(self) -> float:
        """Seconds until a plugin that failed is asked again."""
        return max(self._not_before - self._now(), 0.0)

    @property
    def hint(self) -> str:
        """What the user can do when the server refuses."""
        return hint(self._user)

    async def _renew(self) -> Credentials:
        if self._failure and self._now() < self._not_before:
            raise self._failure.with_traceback(None)  # else each time makes the kept error longer
        self._accepted = False
        try:
            made = await self._log_in()
        except KfwError as error:
            self._failed(error)
            raise
        return made

    def _failed(self, error: KfwError) -> None:
        self._failure = error
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self._not_before = self._now() + self._pause if self._user.exec else 0.0

    async def _log_in(self) -> Credentials:
        user = self._user
        self._ends = float("inf")
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
        return Credentials((*self._authorization(), *user.impersonate), certificate)

    def _authorization(self) -> tuple[tuple[str, str], ...]:
        """A token file wins over a token that is written beside it, as in client-go."""
        user = self._user
        token = user.token
        if user.token_file:
            self._ends = self._now() + TOKEN_FILE_LIFE
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
        if status.expiration_timestamp:
            end = status.expiration_timestamp.timestamp()
            self._ends = end - min(MARGIN, max(end - self._now(), 0.0) / 10)
        certificate = None
        if status.client_certificate_data and status.client_key_data:
            certificate = ClientCertificate(
                status.client_certificate_data.encode(), status.client_key_data.encode()
            )
        token = (_bearer(Secret(status.token)),) if status.token else ()
        return Credentials((*token, *self._user.impersonate), certificate)


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
