"""A server of streams for tests, as asyncio.start_server makes one, whose end is the end of whatever it has accepted.

A transport that is closed later than its loop, or by nobody, is a warning in whichever test runs when it is found.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

#: Seconds until what was accepted must be closed.
_PATIENCE = 30.0


class StreamServer:
    """`handler` may be cancelled by `close`, and its connection is broken off then. `limit`: as of StreamReader."""

    def __init__(self, handler: Handler, limit: int = 64 * 1024) -> None:
        self.port = 0
        self.visits = set[asyncio.Task[None]]()
        self._handler = handler
        self._limit = limit
        self._transports = set[asyncio.WriteTransport]()
        self._lost = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Visit(self._visit, self._limit, self._transports, self._lost), host, port, ssl=tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def leave(self, writer: asyncio.StreamWriter) -> None:
        """To its handler, which closes it: it is going to be one of TLS, of whose end the first protocol never hears."""
        self._transports.discard(writer.transport)

    def break_off(self) -> None:
        """Every connection there is."""
        for transport in tuple(self._transports):
            transport.abort()

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for _ in range(3):  # turns that a connection needs from being accepted to its handler
            await asyncio.sleep(0)
        self.break_off()
        visits = tuple(self.visits)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
        async with asyncio.timeout(_PATIENCE):
            while self._transports:
                self._lost.clear()
                await self._lost.wait()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.visits.add(task)
        try:
            await self._handler(reader, writer)
        except asyncio.CancelledError:
            pass  # by `close`: asyncio's streams log a handler that was cancelled as an error
        finally:
            self.visits.discard(task)
            if writer.transport in self._transports:
                writer.close()


class _Visit(asyncio.StreamReaderProtocol):
    """Is in `transports` until the connection is lost, and then sets `lost`."""

    def __init__(
        self, handler: Handler, limit: int, transports: set[asyncio.WriteTransport], lost: asyncio.Event
    ) -> None:
        super().__init__(asyncio.StreamReader(limit), handler)
        self._transports = transports
        self._lost = lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._mine = cast(asyncio.WriteTransport, transport)
        self._transports.add(self._mine)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._transports.discard(self._mine)
        self._lost.set()


@asynccontextmanager
async def streams(
    handler: Handler, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[StreamServer]:
    server = StreamServer(handler)
    await server.start(host, port, tls)
    try:
        yield server
    finally:
        await server.close()
