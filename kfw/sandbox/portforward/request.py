"""From a request for pods/portforward to the tunnel it asks for: POST for SPDY, GET for SPDY in WebSocket."""

from kfw.http.client_connection import ClientConnection
from kfw.http.messages import Request, Response
from kfw.sandbox.api.errors import bad_request
from kfw.sandbox.portforward.framing import Framing, InWebSocket, RawSpdy
from kfw.sandbox.portforward.runtime import FarEnd
from kfw.sandbox.portforward.session import Session
from kfw.wire.upgrade import SPDY, TUNNEL, HeaderList, UpgradeRefused, accept_spdy, accept_websocket


def answer(request: Request, far_end: FarEnd) -> Response:
    """The answer that switches to the tunnel, or the refusal. Raises ApiError where the API server itself refuses."""
    wanted = request.headers.get("upgrade", "").lower()
    if "upgrade" not in request.headers.get("connection", "").lower() or not wanted:
        raise bad_request("Upgrade request required")
    try:
        return _websocket(request, far_end) if wanted == "websocket" else _spdy(request, far_end)
    except UpgradeRefused as problem:
        return Response(problem.status, problem.what.encode(), "text/plain")


def _spdy(request: Request, far_end: FarEnd) -> Response:
    headers = accept_spdy(request.headers)
    _check(SPDY, far_end)
    return _switch(headers, RawSpdy(), far_end)


def _websocket(request: Request, far_end: FarEnd) -> Response:
    protocol, headers = accept_websocket(request.headers, (TUNNEL,))
    _check(protocol, far_end)
    return _switch(headers, InWebSocket(), far_end)


def _switch(headers: HeaderList, carriage: Framing, far_end: FarEnd) -> Response:
    async def tunnel(client: ClientConnection, first: bytes) -> None:
        await Session(client, carriage, far_end).run(first)

    return Response(101, headers=dict(headers), switch=tunnel)


def _check(way: str, far_end: FarEnd) -> None:
    """Raises UpgradeRefused for a way in that is refused by a fault."""
    for statuses in far_end.runtime.refusals:
        if way in statuses:
            raise UpgradeRefused(f"unable to upgrade: {way} is not spoken here", status=statuses[way])
