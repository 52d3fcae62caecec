"""A port-forward tunnel to a pod through the API server: the request, the login, and which transport the server takes.

Raw SPDY first: it is a quarter faster than SPDY in WebSocket (docs/tunnel.md, Transports). What a server took is
remembered for the next tunnel to it.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote
from weakref import WeakKeyDictionary

from kfw.errors import ClusterUnreachable, KfwError, LoginError, NotPermitted
from kfw.kube.api_errors import ErrorContext, error_of, status_of, unreachable
from kfw.kube.api_session import SessionServer
from kfw.kube.credentials import Credentials
from kfw.reasons import Reason
from kfw.system.tls_streams import Streams
from kfw.wire import upgrade
from kfw.wire.codec import WireError
from kfw.wire.upgrade import UpgradeAnswer, UpgradeRefused, Upgrading

#: Seconds until a better transport than the one that a server took is tried again.
REMEMBERED = 600.0
#: An API server knows no roles for some seconds after its start: it forbids then what it permits a moment later.
KNOWS_NO_ROLES = 10.0
#: Seconds for the answer; an API server that cannot reach the node's kubelet keeps one waiting for 30.
ANSWER = 10.0


@dataclass(frozen=True)
class Transport:
    """One way to ask. `verb`: the one of RBAC on pods/portforward that the server asks for."""

    name: str
    method: str
    verb: str
    headers: Callable[[bytes], upgrade.HeaderList]
    check: Callable[[UpgradeAnswer, bytes], None]


SPDY = Transport(
    "SPDY",
    "POST",
    "create",
    lambda key: upgrade.spdy_headers(),
    lambda answer, key: upgrade.check_spdy(answer),
)
WEBSOCKET = Transport(
    "SPDY in WebSocket",
    "GET",
    "get",
    lambda key: upgrade.websocket_headers(key, upgrade.TUNNEL),
    lambda answer, key: upgrade.check_websocket(answer, key, upgrade.TUNNEL),
)
ALL = (SPDY, WEBSOCKET)

#: What a server, or a proxy before it, answers to an upgrade that it does not know.
_UNKNOWN_UPGRADE = frozenset({101, 400, 403, 404, 405, 426, 501, 502})

#: And until when the better ones are left alone.
_took: WeakKeyDictionary[SessionServer, tuple[Transport, float]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Upgraded:
    """The connection after the 101; `rest` came behind it and belongs to the new protocol."""

    streams: Streams
    transport: Transport
    rest: bytes


class PodGone(KfwError):
    """404: the pod is not there any more."""

    default_reason = Reason.ENDPOINT_GONE


async def open_portforward(server: SessionServer, namespace: str, pod: str) -> Upgraded:
    """It carries connections to any port. Raises PodGone, ClusterUnreachable, LoginError, NotPermitted, or KfwError with
    the server's own words."""
    failure: UpgradeRefused | None = None
    forbidden = set[str]()
    for transport in _in_order(server):
        if transport.verb in forbidden:
            continue
        try:
            made = await _upgrade_with_login(server, transport, _path(server, namespace, pod))
        except UpgradeRefused as error:
            failure = failure or error
        except NotPermitted as error:
            failure = failure or _forbidden(error, server.error_context)
            forbidden.add(transport.verb)
        else:
            _remember(server, transport, KNOWS_NO_ROLES if forbidden else REMEMBERED)
            return made
    assert failure is not None
    if not forbidden:
        raise failure
    if asyncio.get_running_loop().time() - server.monitor.back_at < KNOWS_NO_ROLES:
        raise ClusterUnreachable(
            f"the API server {server.error_context.server} has just started: {failure.what}"
        )
    raise NotPermitted(failure.what, failure.fix)


def _in_order(server: SessionServer) -> Iterator[Transport]:
    """The one that was taken last, then the others from the best on."""
    took, until = _took.get(server, (ALL[0], 0.0))
    if asyncio.get_running_loop().time() >= until:
        took = ALL[0]
    yield took
    yield from (other for other in ALL if other is not took)


def _remember(server: SessionServer, transport: Transport, seconds: float) -> None:
    known, until = _took.get(server, (ALL[0], 0.0))
    now = asyncio.get_running_loop().time()
    if known is not transport or now >= until:
        _took[server] = transport, now + seconds


def _path(server: SessionServer, namespace: str, pod: str) -> str:
    return f"{server.prefix}/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward"


async def _upgrade_with_login(server: SessionServer, transport: Transport, path: str) -> Upgraded:
    """With new credentials, once, when the server says 401."""
    while True:
        try:
            who = await server.login.credentials()
        except LoginError as error:
            server.refused(error)
            raise
        streams, answer, key = await _send_upgrade(server, transport, who, path)
        try:
            transport.check(answer, key)
        except UpgradeRefused as refused:
            streams[1].transport.abort()
            told = _words(server.error_context, answer, refused)
            if isinstance(told, (NotPermitted, PodGone)):  # it knows who asks
                _accept_login(server, who)
            if answer.status != 401:
                raise told from refused
            if not server.login.refused(who, told):
                server.refused(told)
                raise told from refused
        else:
            _accept_login(server, who)
            return Upgraded(streams, transport, answer.rest)


def _accept_login(server: SessionServer, who: Credentials) -> None:
    server.login.accepted(who)
    server.admitted()


async def _send_upgrade(
    server: SessionServer, transport: Transport, who: Credentials, path: str
) -> tuple[Streams, UpgradeAnswer, bytes]:
    key = os.urandom(16)
    headers = [("Host", server.authority), *who.headers, *transport.headers(key)]
    streams = (await server.connect(who.certificate, server.timeouts.dial)).streams()
    try:
        async with asyncio.timeout(min(ANSWER, server.timeouts.answer)):
            return streams, await _answer(streams, Upgrading(transport.method, path, headers)), key
    except (OSError, EOFError, WireError) as error:
        streams[1].transport.abort()
        raise unreachable(server.error_context, error) from error
    except BaseException:
        streams[1].transport.abort()
        raise


async def _answer(streams: Streams, asking: Upgrading) -> UpgradeAnswer:
    reader, writer = streams
    writer.write(asking.request)
    while (answer := asking.receive(await reader.read(65536))) is None:
        pass
    return answer


def _words(error_context: ErrorContext, answer: UpgradeAnswer, refused: UpgradeRefused) -> KfwError:
    """What the API server itself says is final; UpgradeRefused is about the transport, so that the next one is tried."""
    said = status_of(answer.body)
    if said.reason == "NotFound" or "pod does not exist" in said.message:
        return PodGone(said.message)
    itself = said.reason == "Forbidden" or "dialing backend" in said.message
    if itself or answer.status not in _UNKNOWN_UPGRADE:
        return error_of(answer.status, answer.body, error_context)
    message = f": {said.message}" if said.message else ""
    return UpgradeRefused(
        f"the API server {error_context.server} does not forward ports: {refused.what}{message}",
        "check what is between here and the API server, or use method kubectl",
        status=refused.status,
    )


def _forbidden(error: KfwError, error_context: ErrorContext) -> UpgradeRefused:
    fix = (
        f"ask who runs the cluster of context {error_context.context} for a role with the verbs get and create on "
        "pods/portforward"
    )
    return UpgradeRefused(error.what, fix, status=403)
