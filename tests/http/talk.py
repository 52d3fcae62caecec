"""A client of an HTTP server that knows no more than bytes, and a server for it to talk to."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kfw.http.bounds import LIMITS, HttpLimits
from kfw.http.messages import Handler, Request, Response
from kfw.http.server import HttpServer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(
    handler: Handler, limits: HttpLimits = LIMITS, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[HttpServer, int]]:
    """A server, and the port of 127.0.0.1 it has."""
    server = HttpServer(handler, name="test", limits=limits, tls=tls)
    listening = socket.create_server(("127.0.0.1", 0))
    port = int(listening.getsockname()[1])
    server.listen(listening)
    try:
        yield server, port
    finally:
        await server.close(0.0)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def head(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)


async def mirror(request: Request) -> Response:
    text = f"{request.method} {request.decoded_path} {dict(request.query)} {request.body!r}"
    return Response(200, text.encode(), "text/plain")
