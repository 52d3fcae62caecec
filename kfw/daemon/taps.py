"""`GET /v1/forwards/NAME/tap`: what goes through a forward, copied for who asks, as server-sent events.

Only connections that come while somebody asks are copied. The relay never waits for the reader of a tap: what it does not
take in time is left out, and it is told so.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

import msgspec

from kfw.daemon.event_stream import HEARTBEAT
from kfw.names import RowId
from kfw.protocol import TapEvent
from kfw.relay.local_connection import LocalConnection
from kfw.secret import redact
from kfw.system.clock import Clock
from kfw.system.port_owner import spelled

#: Bytes that wait for the reader of one tap.
MOST_WAITING = 16 * 1024 * 1024


class Taps:
    """Who copies which forward's connections. Told of every connection by daemon.connections."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._feeds: dict[RowId, list[TapFeed]] = {}

    def began(self, connection: LocalConnection, row: RowId) -> None:
        if feeds := self._feeds.get(row):
            connection.tap = _Copies(tuple(feeds))

    def ended(self, connection: LocalConnection) -> None:
        if isinstance(connection.tap, _Copies):
            connection.tap.ended(connection)

    async def stream(self, row: RowId) -> AsyncGenerator[bytes, None]:
        feed = TapFeed(self._clock)
        self._feeds.setdefault(row, []).append(feed)
        try:
            yield b": connected\n\n"  # connections that come from here on are copied
            while True:
                event = await feed.next(HEARTBEAT)
                yield b"data: %s\n\n" % msgspec.json.encode(event) if event else b": alive\n\n"
        finally:
            self._feeds[row].remove(feed)
            if not self._feeds[row]:
                del self._feeds[row]
            feed.close()


class TapFeed:
    """What one reader has not taken yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting = deque[TapEvent]()
        self._bytes = 0
        self._news = asyncio.Event()
        self._numbers: dict[LocalConnection, int] = {}
        self._counted = 0
        self._missed: set[int] = set()
        self._closed = False

    def said(self, connection: LocalConnection, data: bytes, *, by_client: bool) -> None:
        number = self._number(connection)
        if number in self._missed or self._closed:
            return
        if self._bytes + len(data) > MOST_WAITING:
            self._missed.add(number)
            self._put(number, "missed")
        else:
            self._put(number, "client" if by_client else "server", data=data)

    def ended(self, connection: LocalConnection) -> None:
        if self._closed:
            return
        number = self._number(connection)
        self._missed.discard(number)
        del self._numbers[connection]
        why = "" if connection.how == "closed" else redact(connection.how)
        self._put(number, "closed", endpoint=connection.endpoint, why=why)

    async def next(self, patience: float) -> TapEvent | None:
        """None: nothing for so many seconds."""
        if not self._waiting:
            self._news.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                return None
        event = self._waiting.popleft()
        self._bytes -= len(event.data)
        return event

    def close(self) -> None:
        """Its reader has gone; connections that it saw go on."""
        self._closed = True
        self._waiting.clear()
        self._numbers.clear()

    def _number(self, connection: LocalConnection) -> int:
        """It is told of a connection when there is something to tell: before that its client is not known."""
        if connection not in self._numbers:
            self._counted += 1
            self._numbers[connection] = self._counted
            self._put(self._counted, "opened", client=spelled(connection.client))
        return self._numbers[connection]

    def _put(self, number: int, kind: str, *, data: bytes = b"", **more: str) -> None:
        """`more`: other fields of a TapEvent."""
        self._waiting.append(
            TapEvent(connection=number, kind=kind, time=self._clock.now(), data=data, **more)
        )
        self._bytes += len(data)
        self._news.set()


class _Copies:
    """The relay.local_connection.Tap of one connection: for all who asked when it came."""

    def __init__(self, feeds: tuple[TapFeed, ...]) -> None:
        self._feeds = feeds

    def said(self, connection: LocalConnection, data: bytes, *, by_client: bool) -> None:
        for feed in self._feeds:
            feed.said(connection, data, by_client=by_client)

    def ended(self, connection: LocalConnection) -> None:
        for feed in self._feeds:
            feed.ended(connection)
