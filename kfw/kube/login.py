"""One user's login: how long it holds, and how it is renewed. One at a time."""

import asyncio
import os
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from kfw.backoff import Backoff
from kfw.errors import KfwError, LoginError, Shortage
from kfw.kube import exec_plugin
from kfw.kube.api_errors import call_words
from kfw.kube.credentials import Credentials, EntryCredentials, OutsideFile, bearer, check_header
from kfw.kube.plugin_run import PluginRun, PluginRuns
from kfw.kube.tls import ClientCertificate
from kfw.kubeconfig.entries import Access, ClusterEntry, Exec, UserEntry
from kfw.model import Problem, Reason
from kfw.secret import reveal

if TYPE_CHECKING:
    from kfw.kube.oidc import OidcIssuer

#: Seconds before its end that a login is renewed, but not more than a tenth of its life.
MARGIN = 10.0
#: Seconds until a plugin that failed is asked again, doubled each time: it may open a browser.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
#: Seconds: nothing is tried again by itself, only when somebody wants it.
_NEVER = 24 * 3600.0


class Plugin(Protocol):
    """exec_plugin.run, or a test's way."""

    def __call__(
        self,
        plugin: Exec,
        user: str,
        cluster: ClusterEntry,
        *,
        ca: bytes,
        told: exec_plugin.Told,
        by_hand: str,
    ) -> Awaitable[exec_plugin.PluginStatus]: ...


class Setback:
    """A failure that holds for a while, doubled each time it comes again. `now` is the wall clock, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.error: KfwError | None = None
        self._failures = 0
        self._not_before = 0.0

    def begin(self, error: KfwError, *, pause: bool) -> None:
        self.error = error
        self._failures += 1
        seconds = Backoff(FIRST_PAUSE, LONGEST_PAUSE).after(self._failures)
        self._not_before = self._now() + seconds if pause else 0.0

    def check(self, *, for_ever: bool = False) -> None:
        """Raises what failed, while it holds."""
        if self.error and (for_ever or self._now() < self._not_before):
            raise self.error.with_traceback(None)  # else each time makes the kept error longer

    def forgive(self) -> None:
        """Its next failure is still the next one."""
        self._not_before = 0.0

    def over(self) -> None:
        self.error, self._failures = None, 0

    @property
    def is_on(self) -> bool:
        return self.error is not None

    @property
    def pause(self) -> float:
        """Seconds for which it holds."""
        return max(self._not_before - self._now(), 0.0)


class Login:
    """One user's, shared by all servers that it is for; what a server says to it is api_session.py's.

    `listeners` are called when `pending` changes: why a login takes long, and what a person has to do for it.
    """

    def __init__(
        self,
        access: Access,
        *,
        plugin: Plugin = exec_plugin.run,
        now: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`now` is the wall clock, in seconds. `environ` names the proxy to an issuer of tokens."""
        self.listeners = set[Callable[[], None]]()
        self.now = now
        self.held: Credentials | None = None
        self.entry = EntryCredentials(access.user)
        self._access = access
        self._user = access.user
        self._cluster = access.cluster
        self._plugin = plugin
        self._ca = OutsideFile(access.cluster.ca)
        self._environ = environ
        self._issuer: OidcIssuer | None = None  # made when it is needed: few users have one
        self._renewal: asyncio.Task[Credentials | KfwError] | None = None
        self._ending: asyncio.Task[Credentials | KfwError] | None = None
        self._callers = 0
        self._setback = Setback(now)
        self._waiting = PluginRuns(self._tell)

    async def credentials(self, instead_of: Credentials | None = None) -> Credentials:
        """Logs in if need be; who comes meanwhile waits for the same login, which goes on as long as somebody does.
        `instead_of`: not these.

        Raises LoginError or ToolMissing; what was held is still there for others then.
        """
        if instead_of is not None and self.held is instead_of:
            self.entry.look_again()
        while self.held is None or self.held is instead_of or not await self.holds(self.held):
            if self._ending and not self._ending.done():
                await asyncio.wait([self._ending])
                continue
            if self._renewal is None:
                self._setback.check(for_ever=self._waiting.is_over)
            return await self._wait_for_renewal()
        return self.held

    async def holds(self, credentials: Credentials) -> bool:
        """They have not ended, and the files that they were made of are what they were."""
        if self.now() >= credentials.ends:
            return False
        if self._user.exec or not self.entry.is_from_files:
            return True
        try:
            return await self.entry.contents() == credentials.made_of
        except OSError:
            return False

    def want(self, *, asked_for: bool) -> bool:
        """Somebody waits for it now: a login that needs a person may begin. `asked_for`: by `up` or `retry`; else it is
        a connection, and programs connect again and again. False: not yet, nobody has answered a moment ago."""
        if not self._waiting.want(asked_for=asked_for):
            return False
        self._setback.forgive()
        return True

    def try_again(self) -> None:
        """Forget that it failed: something has changed. Nobody waits, so no person is asked once more."""
        self._setback.forgive()
        self._waiting.something_changed()

    def refused(self, error: KfwError) -> None:
        """A server refused new ones. If a person was asked for them, nobody is asked again by itself."""
        self._waiting.failed()
        if self._waiting.is_over:
            self._setback.begin(error, pause=True)

    async def close(self) -> None:
        """End a login that is going on."""
        if self._renewal:
            self._renewal.cancel()
        # What is ending already is waited for: another cancellation would cut off the end of its child.
        tasks = [task for task in (self._renewal, self._ending) if task]
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def renewable(self) -> bool:
        """New credentials can be had without a change of the kubeconfig."""
        return self._user.exec is not None or self.entry.is_from_files

    @property
    def asks_somebody(self) -> bool:
        """A plugin may open a browser, so it is not asked again at once."""
        return self._user.exec is not None

    @property
    def pause(self) -> float:
        """Seconds until a plugin that failed is asked again; very long if only a person can help."""
        return _NEVER if self._waiting.is_over else self._setback.pause

    @property
    def pending(self) -> Problem | None:
        """Why a login is not there yet, while it is on its way."""
        return self._waiting.problem

    @property
    def needs_person(self) -> bool:
        """It waits for one now, or has waited in vain."""
        return self._waiting.is_over or bool(self._waiting.words)

    @property
    def asks(self) -> str:
        """What a login plugin says while it waits; "" if it says nothing."""
        return self._waiting.words

    @property
    def hint(self) -> str:
        """What the user can do when the server refuses."""
        return hint(self._access)

    # -- one at a time

    async def _wait_for_renewal(self) -> Credentials:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(), name=f"login {self._user.name}")
            self._callers = 0
        renewal = self._renewal
        self._callers += 1
        try:
            result = await asyncio.shield(renewal)
        finally:
            if self._renewal is renewal:
                self._callers -= 1
                if renewal.done() or not self._callers:
                    renewal.cancel()  # nobody wants it any more
                    self._renewal, self._ending = None, renewal
        if isinstance(result, KfwError):
            raise result.with_traceback(None)
        return result

    async def _renew(self) -> Credentials | KfwError:
        try:
            self.held = await self._log_in()
        except Shortage as error:
            return error  # this machine's; the login has not failed
        except KfwError as error:
            self._setback.begin(error, pause=self.asks_somebody)
            self._waiting.failed()
            return error
        self._setback.over()
        self._waiting.succeeded()
        return self.held

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    # -- each way to log in

    async def _log_in(self) -> Credentials:
        user = self._user
        if user.exec:
            return await self._by_plugin(user.exec)
        if user.auth_provider == "oidc":
            return await self._by_issuer()
        if user.auth_provider:
            raise provider_error(user)
        return await self.entry.credentials()

    async def _by_issuer(self) -> Credentials:
        from kfw.kube.oidc import OidcIssuer

        rest = await self.entry.credentials()
        self._issuer = self._issuer or OidcIssuer(self._user, self._environ, self.now)
        token, ends = await self._issuer.token()
        check_header(token, f"the id-token of user {self._user.name}", self.hint)
        return replace(rest, headers=(bearer(token), *rest.headers), ends=ends)

    async def _by_plugin(self, plugin: Exec) -> Credentials:
        by_hand = try_by_hand(self._access)
        name = os.path.basename(plugin.command)  # noqa: PTH119  # it may be no path
        ca = await self._read_ca() if plugin.provide_cluster_info else b""
        run = PluginRun(self._waiting, f"the login plugin {name}", self._user.name, by_hand)
        status = await run.finish(
            self._plugin(plugin, self._user.name, self._cluster, ca=ca, told=run.hear, by_hand=by_hand)
        )
        ends = float("inf")
        if status.expiration_timestamp:
            end = status.expiration_timestamp.timestamp()
            ends = end - min(MARGIN, max(end - self.now(), 0.0) / 10)
        certificate = None
        if status.client_certificate_data and status.client_key_data:
            certificate = ClientCertificate(
                status.client_certificate_data.encode(), reveal(status.client_key_data).encode()
            )
        token = status.token or ""
        check_header(token, f"the token that {run.plugin} printed for user {self._user.name}", by_hand)
        headers = (bearer(token),) if token else ()
        return Credentials((*headers, *self.entry.impersonation()), certificate, ends)

    async def _read_ca(self) -> bytes:
        try:
            return await self._ca.read()
        except OSError as error:
            raise LoginError(
                f"cannot read the certificate-authority of cluster {self._cluster.name}: {call_words(error)}",
                f"set certificate-authority of cluster {self._cluster.name} in the kubeconfig to a PEM file",
            ) from error


def hint(access: Access) -> str:
    user = access.user
    if user.withheld:
        return user.withheld
    if user.exec:
        return f"log in again, then {try_by_hand(access)}"
    if user.auth_provider:
        return f"log in again with what wrote user {user.name} into {user.file}"
    if user.token_file:
        return f"put a valid token into {user.token_file}"
    if user.certificate:
        return f"renew the client certificate of user {user.name} in {user.file}"
    if user.name:
        return f"put a valid token for user {user.name} into {user.file}"
    return "the context names no user: kubectl config set-context CONTEXT --user=NAME"


#: What replaces the auth-providers that Kubernetes removed in 1.26.
_REPLACED = {
    "gcp": "install gke-gcloud-auth-plugin, then write the entry again: gcloud container clusters get-credentials CLUSTER",
    "azure": "install kubelogin, then change the entry: kubelogin convert-kubeconfig",
}


def provider_error(user: UserEntry) -> LoginError:
    place = f" in {user.file}:{user.line}" if user.line else ""
    return LoginError(
        f"user {user.name}{place} logs in with auth-provider {user.auth_provider}, which Kubernetes has removed",
        _REPLACED.get(user.auth_provider, f"use an exec plugin instead for user {user.name} in {user.file}"),
        reason=Reason.BAD_CONFIG.value,
    )


def try_by_hand(access: Access) -> str:
    """What runs the plugin as kubectl does, and shows neither its arguments nor what it answers."""
    files = access.files or tuple(filter(None, [access.user.file]))
    words = ["kubectl"]
    before = ""
    if len(files) == 1 and files[0] != os.path.expanduser("~/.kube/config"):  # noqa: PTH111 - no home is not an error here
        words += ["--kubeconfig", shlex.quote(files[0])]
    elif len(files) > 1:
        before = f"KUBECONFIG={shlex.quote(os.pathsep.join(files))} "
    if access.context:
        words += ["--context", shlex.quote(access.context)]
    return f"try it by hand: {before}{' '.join(words)} get --raw /version"
