"""A port-forward tunnel to a pod through the API server: the request, the login, and which transport the server takes.

Raw SPDY first: it is a quarter faster than SPDY in WebSocket (design/peer-figures.md). What a server took is
remembered for the next tunnel to it.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit
from weakref import WeakKeyDictionary

from kfw.cluster.access import Absent, Asker, error_of, unreachable
from kfw.cluster.api import Connection
from kfw.cluster.dial import Streams
from kfw.cluster.login import Credentials, Login
from kfw.cluster.patience import Patience
from kfw.cluster.tls import ClientCertificate
from kfw.errors import KfwError, LoginError, NotPermitted
from kfw.wire import upgrade
from kfw.wire.base import WireError
from kfw.wire.upgrade import Answer, UpgradeRefused, Upgrading


class Server(Protocol):
    """What an upgrade needs of cluster.server.Server."""

    asker: Asker
    login: Login
    patience: Patience

    async def connect(self, certificate: ClientCertificate | None, patience: float) -> Connection: ...
    def refused(self, error: KfwError) -> None: ...
    def admitted(self) -> None: ...


@dataclass(frozen=True)
class Transport:
    """One way to ask. `verb` is the RBAC verb on pods/portforward that the server checks."""

    name: str
    verb: str
    method: str
    headers: Callable[[bytes], upgrade.HeaderList]
    check: Callable[[Answer, bytes], None]


SPDY = Transport(
    "SPDY",
    "create",
    "POST",
    lambda key: upgrade.spdy_headers(),
    lambda answer, key: upgrade.check_spdy(answer),
)
WEBSOCKET = Transport(
    "SPDY in WebSocket",
    "get",
    "GET",
    lambda key: upgrade.websocket_headers(key, upgrade.TUNNEL),
    lambda answer, key: upgrade.check_websocket(answer, key, upgrade.TUNNEL),
)
_ALL = (SPDY, WEBSOCKET)

_took: WeakKeyDictionary[Server, Transport] = WeakKeyDictionary()


@dataclass(frozen=True)
class Upgraded:
    """The connection after the 101; `rest` came behind it and belongs to the new protocol."""

    streams: Streams
    transport: Transport
    rest: bytes


class PodGone(KfwError):
    """404: the pod is not there any more."""

    default_reason = "endpoint-gone"


async def upgraded(server: Server, namespace: str, pod: str) -> Upgraded:
    """Raises PodGone, ClusterUnreachable, LoginError, NotPermitted, or KfwError with the server's own words."""
    first = _took.get(server, _ALL[0])
    failure: UpgradeRefused | None = None
    for transport in (first, *(other for other in _ALL if other is not first)):
        try:
            made = await _logged_in(server, transport, namespace, pod)
        except UpgradeRefused as error:
            failure = failure or error
        else:
            _took[server] = transport
            return made
    assert failure is not None
    raise NotPermitted(failure.what, failure.fix) if failure.status == 403 else failure


async def _logged_in(server: Server, transport: Transport, namespace: str, pod: str) -> Upgraded:
    """With new credentials, once, when the server says 401."""
    while True:
        try:
            who = await server.login.credentials()
        except LoginError as error:
            server.refused(error)
            raise
        streams, answer, key = await _asked(server, transport, who, namespace, pod)
        try:
            transport.check(answer, key)
        except UpgradeRefused as refused:
            streams[1].transport.abort()
            told = _words(server, transport, answer, refused, pod)
            if answer.status == 401 and server.login.refused(who, told):
                continue
            if answer.status == 401:
                server.refused(told)
            raise told from refused
        server.login.accepted(who)
        server.admitted()
        return Upgraded(streams, transport, answer.rest)


async def _asked(
    server: Server, transport: Transport, who: Credentials, namespace: str, pod: str
) -> tuple[Streams, Answer, bytes]:
    url = urlsplit(server.asker.server)
    path = f"{url.path}/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward"
    key = os.urandom(16)
    headers = [("Host", url.netloc.rpartition("@")[2]), *who.headers, *transport.headers(key)]
    connection = await server.connect(who.certificate, server.patience.dial)
    streams = connection.streams()
    try:
        async with asyncio.timeout(server.patience.answer):
            return streams, await _answer(streams, Upgrading(transport.method, path, headers)), key
    except (OSError, EOFError, WireError) as error:
        streams[1].transport.abort()
        raise unreachable(server.asker, error) from error
    except BaseException:
        streams[1].transport.abort()
        raise


async def _answer(streams: Streams, asking: Upgrading) -> Answer:
    reader, writer = streams
    writer.write(asking.request)
    while (answer := asking.receive(await reader.read(65536))) is None:
        pass
    return answer


def _words(
    server: Server, transport: Transport, answer: Answer, refused: UpgradeRefused, pod: str
) -> KfwError:
    """A refusal of the transport stays one, so that the next is tried; the rest is final."""
    if answer.status in (401, 403):
        error = error_of(answer.status, answer.body, server.asker)
        if answer.status == 403 and transport is not _ALL[-1] and "cannot" in error.what:
            return UpgradeRefused(error.what, _allow(server.asker), status=403)
        return error
    if answer.status == 404:
        said = error_of(404, answer.body, server.asker)
        return PodGone(f'pods "{pod}" not found') if isinstance(said, Absent) else said
    if answer.status in (400, 403, 405, 426, 501, 101):
        return refused
    return error_of(answer.status, answer.body, server.asker)


def _allow(asker: Asker) -> str:
    return (
        f"ask who runs the cluster of context {asker.context} for a role with the verbs get and create on "
        "pods/portforward"
    )
