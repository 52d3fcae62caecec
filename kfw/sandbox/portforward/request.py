"""From a request for pods/portforward to the tunnel it asks for: POST for SPDY, GET for SPDY or channels in WebSocket."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from kfw.http.client_connection import ClientConnection
from kfw.http.messages import Request, Response
from kfw.sandbox.api.errors import bad_request
from kfw.sandbox.portforward.channels import ChannelSession
from kfw.sandbox.portforward.framing import InWebSocket, RawSpdy
from kfw.sandbox.portforward.runtime import FarEnd
from kfw.sandbox.portforward.session import Session
from kfw.wire.upgrade import SPDY, TUNNEL, V4, UpgradeRefused, accept_spdy, accept_websocket


def answer(request: Request, far_end: FarEnd) -> Response:
    """The answer that switches to the tunnel, or the refusal. Raises ApiError where the API server itself refuses."""
    ports = _ports(request.target)
    wanted = request.headers.get("upgrade", "").lower()
    if "upgrade" not in request.headers.get("connection", "").lower() or not wanted:
        raise bad_request("Upgrade request required")
    try:
        return _websocket(request, ports, far_end) if wanted == "websocket" else _spdy(request, far_end)
    except UpgradeRefused as problem:
        return Response(problem.status, problem.what.encode(), "text/plain")


def _spdy(request: Request, far_end: FarEnd) -> Response:
    headers = accept_spdy(request.headers)
    _check(SPDY, far_end)

    async def tunnel(client: ClientConnection, first: bytes) -> None:
        await Session(client, RawSpdy(), far_end).run(first)

    return Response(101, headers=dict(headers), switch=tunnel)


def _websocket(request: Request, ports: list[int], far_end: FarEnd) -> Response:
    if TUNNEL not in request.headers.get("sec-websocket-protocol", "") and not ports:
        raise UpgradeRefused('query parameter "port" is required', status=400)
    protocol, headers = accept_websocket(request.headers, (TUNNEL, V4))
    _check(protocol, far_end)

    async def tunnel(client: ClientConnection, first: bytes) -> None:
        in_channels = protocol == V4
        session = (
            ChannelSession(client, ports, far_end) if in_channels else Session(client, InWebSocket(), far_end)
        )
        await session.run(first)

    return Response(101, headers=dict(headers), switch=tunnel)


def _check(way: str, far_end: FarEnd) -> None:
    """Raises UpgradeRefused for a way in that is refused by a fault."""
    for statuses in far_end.runtime.refusals:
        if way in statuses:
            raise UpgradeRefused(f"unable to upgrade: {way} is not spoken here", status=statuses[way])


def _ports(target: str) -> list[int]:
    """`?ports=80&ports=81`, or `?ports=80,81`. Raises ApiError."""
    query: Mapping[str, list[str]] = parse_qs(urlsplit(target).query)
    return [_port(text) for value in query.get("ports", []) for text in value.split(",")]


def _port(text: str) -> int:
    if not text.isdecimal():
        raise bad_request(f'cannot convert to []int32: strconv.ParseUint: parsing "{text}": invalid syntax')
    if not 1 <= int(text) <= 65535:
        raise bad_request(
            f'cannot convert to []int32: strconv.ParseUint: parsing "{text}": value out of range'
        )
    return int(text)
