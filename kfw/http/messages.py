"""What a server and its handler say to each other: a request, a response, and what follows a switch of protocols."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from kfw.http.client_connection import ClientConnection

#: What happens on a connection that has switched to another protocol; with the bytes that came behind the request.
Switch = Callable[[ClientConnection, bytes], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """`path` is as it was sent; header names are in lower case; of equal query keys the last one counts.

    `common_name` is that of the client's TLS certificate, None without one.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    common_name: str | None = None

    @property
    def decoded_path(self) -> str:
        return unquote(self.path)


@dataclass(frozen=True)
class Response:
    """A body that is a generator is sent as it comes, and closed when the client leaves. `switch` is what follows a 101.
    `more_headers` are those whose name comes more than once."""

    status: int = 200
    body: bytes | AsyncGenerator[bytes, None] = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    switch: Switch | None = None
    more_headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Awaitable[Response]]
#: What a client hears whose request cannot be taken: status, and why.
Refusal = Callable[[int, str], Response]


def in_plain_text(status: int, why: str) -> Response:
    return Response(status, why.encode(), "text/plain")


def request_of(head: h11.Request, body: bytes, *, query_fields: int, common_name: str | None) -> Request:
    """Raises h11.RemoteProtocolError for a target that is not one, or has more than `query_fields`."""
    target = head.target.decode("ascii")
    try:
        path, query = _split(target)
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=query_fields)
    except ValueError as error:
        raise h11.RemoteProtocolError(f"it asks for something that is not a path: {error}", 400) from error
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("ascii"), target, path, dict(pairs), headers, body, common_name)


def _split(target: str) -> tuple[str, str]:
    """Path and query. `http://kfw/v1/status` is what clients send that take us for a proxy (RFC 9112, 3.2.2)."""
    if not target.startswith("/"):
        url = urlsplit(target)
        return url.path, url.query
    path, _, query = target.partition("?")
    return path, query.partition("#")[0]
