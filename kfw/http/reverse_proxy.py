"""Requests handed on to a server behind, and its answers as they come: nothing is kept but a piece at a time.

Each request has a connection of its own. What is about that connection stays here (RFC 9110, 7.6.1); Host and Origin are
those of the server behind, so that it answers as it does to who asks it without us.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING

import h11

from kfw.http.client_connection import PIECE
from kfw.http.messages import Request, Response
from kfw.http.pages import error_answer

if TYPE_CHECKING:
    import ssl

#: Of one connection; the last three were usual before they were named so.
HOP_BY_HOP = frozenset(
    {
        *("connection", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "keep-alive"),
    }
)
#: What is said in other words, or by h11.
_OURS = HOP_BY_HOP | {"host", "origin", "referer", "content-length", "expect"}
#: Methods whose request says how long its body is, also when it has none (RFC 9110, 8.6).
_WITH_BODY = ("POST", "PUT", "PATCH")
#: Bytes of the head of an answer.
LONGEST_HEAD = 128 * 1024
#: Seconds: until there is a connection, until the head of the answer is there, between two pieces of its body. What comes
#: now and then, such as server-sent events, may be silent for long.
CONNECT, ANSWER, PIECES = 40.0, 120.0, 3600.0


class ReverseProxy:
    """`authority`: how the server behind is called in Host, `localhost:8080`."""

    def __init__(self, host: str, port: int, *, authority: str, tls: "ssl.SSLContext | None" = None) -> None:
        self._host, self._port = host, port
        self._authority = authority
        self._origin = f"{'https' if tls else 'http'}://{authority}"
        self._tls = tls

    async def answer(self, request: Request) -> Response:
        """502 or 504 with why, when there is none."""
        try:
            async with asyncio.timeout(CONNECT):
                reader, writer = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls, limit=PIECE
                )
        except (OSError, TimeoutError) as error:
            return error_answer(502, f"cannot connect to {self._authority}: {error or 'no answer'}")
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        try:
            writer.write(self._said(http, request))
            async with asyncio.timeout(ANSWER):
                await writer.drain()
                head = await _head(http, reader)
            body = _body(http, reader, writer)
            await anext(body)  # from here on its end closes the connection
        except TimeoutError:
            writer.transport.abort()
            return error_answer(504, f"{self._authority} did not answer within {ANSWER:g} s")
        except (OSError, h11.ProtocolError) as error:
            writer.transport.abort()
            return error_answer(502, f"{self._authority} did not answer in HTTP: {error}")
        except BaseException:
            writer.transport.abort()
            raise
        return self._response(head, body)

    def _said(self, http: h11.Connection, request: Request) -> bytes:
        """Raises h11.LocalProtocolError."""
        headers = [("host", self._authority), ("connection", "close")]
        headers += [item for item in request.headers.items() if item[0] not in _dropped(request)]
        if "origin" in request.headers:
            headers.append(("origin", self._origin))
        if request.body or request.method in _WITH_BODY:
            headers.append(("content-length", str(len(request.body))))
        events = (
            h11.Request(method=request.method, target=request.target, headers=headers),
            *([h11.Data(data=request.body)] if request.body else []),
            h11.EndOfMessage(),
        )
        return b"".join(http.send(event) or b"" for event in events)

    def _response(self, head: h11.Response, body: AsyncGenerator[bytes, None]) -> Response:
        once: dict[str, str] = {}
        more: list[tuple[str, str]] = []
        for name, value in _kept(head):
            if name == "location":
                value = value.removeprefix(self._origin) or "/"
            if name in once:
                more.append((name, value))
            else:
                once[name] = value
        kind = once.pop("content-type", "application/octet-stream")
        return Response(head.status_code, body, kind, once, more_headers=tuple(more))


def _dropped(request: Request) -> frozenset[str]:
    named = request.headers.get("connection", "").lower().split(",")
    return _OURS | {name.strip() for name in named}


def _kept(head: h11.Response) -> Iterator[tuple[str, str]]:
    pairs = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
    named = {
        word.strip().lower() for name, value in pairs if name == "connection" for word in value.split(",")
    }
    yield from (pair for pair in pairs if pair[0] not in HOP_BY_HOP | named)


async def _head(http: h11.Connection, reader: asyncio.StreamReader) -> h11.Response:
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(PIECE))
        elif isinstance(event, h11.Response):
            return event
        elif not isinstance(event, h11.InformationalResponse):
            raise ConnectionError("it closed the connection")


async def _body(
    http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncGenerator[bytes, None]:
    """First b"" at once. Raises OSError, h11.RemoteProtocolError when it breaks off."""
    try:
        yield b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(PIECES):
                    http.receive_data(await reader.read(PIECE))
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise ConnectionError("it closed the connection")
    finally:
        writer.transport.abort()
