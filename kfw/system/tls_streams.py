"""TLS over asyncio's streams, and streams over what a server has accepted: where asyncio's own leave something open."""

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def start_tls(
    plain: asyncio.StreamWriter,
    context: "ssl.SSLContext",
    name: str | None = None,
    *,
    is_server: bool = False,
) -> Streams:
    """New streams: what came in the clear and was not read yet is no part of them, whoever sent it. Raises OSError.

    `name`: the far side's, for a client. `plain` is not to be used any more; where this fails it is to be aborted.
    asyncio's own would keep the reader, with what is in it, and leave it pausing the transport below (CPython 3.11 to 3.13).
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = _Encrypted(reader, plain)
    await plain.drain()
    transport = await loop.start_tls(
        plain.transport, protocol, context, server_side=is_server, server_hostname=name
    )
    if transport is None:  # the far side left in the moment in which the handshake ended
        raise ConnectionResetError("the connection was closed at the end of the TLS handshake")
    protocol.connection_made(transport)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class _Encrypted(asyncio.StreamReaderProtocol):
    """`plain` would close the connection if it were collected."""

    def __init__(self, reader: asyncio.StreamReader, plain: asyncio.StreamWriter) -> None:
        super().__init__(reader)
        self._plain = plain


async def open_accepted(
    peer: socket.socket, limit: int, tls: "ssl.SSLContext | None" = None, *, within: float | None = None
) -> Streams:
    """Streams over a socket that was accepted: `peer` is closed from now on, its descriptor theirs. Raises OSError.

    `limit`: bytes, as of StreamReader. `within`: seconds for a handshake, None: asyncio's own.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    theirs = socket.socket(peer.family, peer.type, peer.proto, peer.detach())
    theirs.setblocking(False)
    try:
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, theirs, ssl=tls, ssl_handshake_timeout=within
        )
    except BaseException:
        # When it is cancelled as the handshake ends, asyncio's transport waits for the client to say goodbye. Were the
        # descriptor closed, the loop would take the next connection of that number for it, and refuse it.
        with suppress(OSError):
            theirs.shutdown(socket.SHUT_RDWR)
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
