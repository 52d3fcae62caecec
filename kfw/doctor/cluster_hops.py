"""From here to an API server: kubeconfig, name lookup, TCP, TLS, login and version."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from kfw.doctor.asking import HopCheck
from kfw.doctor.hops import HOPS, Hop
from kfw.doctor.judgements import judge_certificate, judge_version
from kfw.errors import NotPermitted
from kfw.kube import proxy
from kfw.kube.api_errors import FOREIGN, Absent, NotUnderstood, not_understood, unreachable
from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Wire
from kfw.kubeconfig.entries import Access
from kfw.kubeconfig.urls import Proxy
from kfw.names import few
from kfw.quickstart.checks import Finding, ok, warning
from kfw.secret import redact
from kfw.system.files import outside

_REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_DAY = 24 * 3600.0


class _UserInfo(Wire, frozen=True):
    username: str = ""


class _WhoAmIStatus(Wire, frozen=True, rename="camel"):
    user_info: _UserInfo = _UserInfo()


class _WhoAmI(Wire, frozen=True):
    status: _WhoAmIStatus = _WhoAmIStatus()


class _Version(Wire, frozen=True, rename="camel"):
    git_version: str = ""


class ClusterHops:
    """`say`: hears what a login plugin asks of a person. `kubectl`: its version, "" if it is not there."""

    def __init__(
        self,
        access: Access,
        server: ApiServer,
        environ: Mapping[str, str],
        kubectl: str,
        say: Callable[[str], None],
    ) -> None:
        self._access = access
        self._server = server
        self._environ = environ
        self._kubectl = kubectl
        self._say = say

    @property
    def checks(self) -> Mapping[Hop, HopCheck]:
        return {
            Hop.KUBECONFIG: self.kubeconfig,
            Hop.LOOKUP: self.lookup,
            Hop.TCP: self.tcp,
            Hop.TLS: self.tls,
            Hop.LOGIN: self.login,
            Hop.VERSION: self.version,
        }

    async def kubeconfig(self) -> list[Finding]:
        access = self._access
        url = access.cluster.url
        user = access.user.name or "nobody"
        found = [
            ok(
                Hop.KUBECONFIG,
                f"context {access.context}: user {user} at {url} ({', '.join(access.files)})",
            )
        ]
        if access.user.withheld:
            found.append(warning(Hop.KUBECONFIG, access.user.withheld))
        return found

    async def lookup(self) -> list[Finding]:
        """Of the proxy, if one leads there: the API server's own name is the proxy's to look up."""
        host, port, what = self._first_stop()
        try:
            ip_address(host.partition("%")[0])
            return [ok(Hop.LOOKUP, f"{what} is an address, so there is nothing to look up")]
        except ValueError:
            pass
        try:
            found = await outside(
                lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), HOPS[Hop.LOOKUP].seconds
            )
        except FOREIGN as why:
            raise unreachable(self._server.error_context, why) from why
        addresses = dict.fromkeys(str(one[4][0]) for one in found)
        return [ok(Hop.LOOKUP, f"{what} is {few(addresses)}")]

    async def tcp(self) -> list[Finding]:
        host, port, what = self._first_stop()
        began = time.perf_counter()
        try:
            _, writer = await asyncio.open_connection(host, port)
        except FOREIGN as why:
            raise unreachable(self._server.error_context, why) from why
        took = time.perf_counter() - began
        peer = writer.get_extra_info("peername")
        writer.transport.abort()
        return [ok(Hop.TCP, f"{what} takes connections at {_shown(peer)}, in {took * 1000:.1f} ms")]

    def _first_stop(self) -> tuple[str, int, str]:
        """Host, port, and what it is. Raises UsageError for a proxy that kfw cannot use."""
        url = self._access.cluster.url
        way: Proxy | None = proxy.choose(url, self._access.cluster.proxy_url, self._environ)
        if way:
            return way.host, way.port, f"the proxy {way}"
        return url.host, url.port, url.host

    async def tls(self) -> list[Finding]:
        """Through the proxy, if there is one."""
        cluster = self._access.cluster
        if not cluster.url.is_https:
            return [warning(Hop.TLS, f"{cluster.url} is plain HTTP: anyone in between can read it")]
        connection = await self._server.connect(None, HOPS[Hop.TLS].seconds)
        _, writer = connection.streams()
        secure: Any = writer.get_extra_info("ssl_object")
        version, certificate = secure.version(), secure.getpeercert()
        writer.transport.abort()
        if cluster.insecure:
            what = f"{version}, and the certificate is not checked (insecure-skip-tls-verify)"
            return [warning(Hop.TLS, what, f"set certificate-authority of cluster {cluster.name} instead")]
        trust = "the kubeconfig's CA" if cluster.ca else "this system's CAs"
        found = [ok(Hop.TLS, f"{version}, and the certificate is trusted by {trust}")]
        return [*found, *judge_certificate(_days_left(certificate), cluster.url.host)]

    async def login(self) -> list[Finding]:
        """Who this is, as the API server sees it; before Kubernetes 1.28 it does not say."""
        login = self._server.login
        login.listeners.add(self._tell)
        self._server.want(asked_for=True)
        session = self._server.session()
        question = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            said = await session.review(_REVIEW, msgspec.json.encode(question))
            name = msgspec.json.decode(said, type=_WhoAmI).status.user_info.username
        except (Absent, NotPermitted):
            return [ok(Hop.LOGIN, "the API server accepts the login, but does not say as whom")]
        except (msgspec.DecodeError, RecursionError) as why:
            error = NotUnderstood("a SelfSubjectReview that cannot be read")
            raise not_understood(error, self._server.error_context) from why
        finally:
            login.listeners.discard(self._tell)
            self._server.close_session(session)
        if name == "system:anonymous":
            what = "the API server sees this user as system:anonymous: no login was sent"
            return [warning(Hop.LOGIN, what, f"see the user {self._access.user.name} in the kubeconfig")]
        return [ok(Hop.LOGIN, f"logged in as {redact(name[:200])}")]

    def _tell(self) -> None:
        if asked := self._server.login.asks:
            self._say(asked)

    async def version(self) -> list[Finding]:
        session = self._server.session()
        try:
            said = await session.read("/version")
            version = msgspec.json.decode(said, type=_Version).git_version
        except NotPermitted:
            return [ok(Hop.VERSION, "this user may not ask for the version")]
        except (msgspec.DecodeError, RecursionError) as why:
            error = NotUnderstood("a version that cannot be read")
            raise not_understood(error, self._server.error_context) from why
        finally:
            self._server.close_session(session)
        return list(judge_version(redact(version[:40]), self._kubectl))


def _days_left(certificate: Mapping[str, Any] | None) -> float | None:
    try:
        return (ssl.cert_time_to_seconds((certificate or {})["notAfter"]) - time.time()) / _DAY
    except (KeyError, ValueError):
        return None


def _shown(peer: tuple[Any, ...]) -> str:
    return f"[{peer[0]}]:{peer[1]}" if ":" in str(peer[0]) else f"{peer[0]}:{peer[1]}"
