"""TLS over asyncio's streams, and streams over what a server has accepted: where asyncio's own leave something open."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import ssl


async def start_tls(
    writer: asyncio.StreamWriter,
    context: "ssl.SSLContext",
    name: str | None = None,
    *,
    within: float | None = None,
) -> None:
    """`name`: the far side's, for a client. `within`: seconds, None: asyncio's own. Raises OSError.

    Of a far side that leaves in the moment in which the handshake ends asyncio gives the writer no transport at all
    (CPython 3.11 to 3.13): that is a connection that was reset, and the writer keeps the one that it had.
    """
    plain = writer.transport
    try:
        await writer.start_tls(context, server_hostname=name, ssl_handshake_timeout=within)
    except AttributeError:
        if writer.transport is not None:
            raise
    if writer.transport is None:
        writer._transport = plain  # nothing else can give it back
        raise ConnectionResetError("the connection was closed at the end of the TLS handshake")


async def open_accepted(
    peer: "socket.socket", limit: int, tls: "ssl.SSLContext | None" = None, *, within: float | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams over a socket that was accepted, which is the writer's from now on, also when it fails. Raises OSError.

    `limit`: bytes, as of StreamReader. TLS comes after the transport, as asyncio's own way to do both at once leaves the
    socket open when it is cancelled at the end of the handshake.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit, loop)
    opened: asyncio.Future[asyncio.StreamWriter] = loop.create_future()
    protocol = asyncio.StreamReaderProtocol(reader, lambda _, writer: opened.set_result(writer), loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, peer)
    writer = opened.result()
    try:
        if tls:
            await start_tls(writer, tls, within=within)
    except BaseException:
        transport.abort()
        raise
    return reader, writer
