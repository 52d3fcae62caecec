"""One connection that a tap sees, from its first byte to its last: which protocol it is, and what was said."""

import re
from collections.abc import Iterator

from kfw.protocol import TapEvent
from kfw.tap.exchange import Exchange, ExchangeSide, Odd, Reader
from kfw.tap.http1 import Http1Reader
from kfw.tap.http2 import PREFACE, Http2Reader

#: The first bytes of a TLS record of a handshake, RFC 8446, 5.1.
_TLS = b"\x16\x03"
#: The beginning of a request line, RFC 9112, 3: a method, and what follows it.
_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20} [!-~]")
_MAY_BE_A_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20} ?")


class Conversation:
    """`keep`: bytes of each body."""

    def __init__(self, opened: TapEvent, keep: int) -> None:
        self._opened = opened
        self._keep = keep
        self._reader: Reader | None = None
        self._first = bytearray()  # until it is known what it is
        self._whole = Exchange("TCP", opened.time, request=ExchangeSide(), response=ExchangeSide())
        self._opaque = False

    def hear(self, event: TapEvent) -> Iterator[Exchange]:
        """Those that are over by it. `event`: another one than opened."""
        for exchange in self._heard(event):
            exchange.connection, exchange.client = self._opened.connection, self._opened.client
            yield exchange

    def _heard(self, event: TapEvent) -> list[Exchange]:
        if event.kind == "closed":
            return self._end(event)
        if event.kind == "missed":
            return self._give_up(event.time, "kfw could not copy it fast enough")
        by_client = event.kind == "client"
        (self._whole.request if by_client else self._whole.response).size += len(event.data)
        if self._opaque:
            return []
        try:
            return self._read(event.data, event.time, by_client=by_client)
        except Odd:
            return self._give_up(event.time, "from here on it is not HTTP")

    def _read(self, data: bytes, at: float, *, by_client: bool) -> list[Exchange]:
        """Raises Odd."""
        if self._reader is None:
            if not by_client:
                self._opaque = True  # the server speaks first
                return []
            self._first += data
            self._choose(bytes(self._first))
            if self._reader is None:
                return []
            data, self._first = bytes(self._first), bytearray()
        return self._reader.read(data, at, by_client=by_client)

    def _choose(self, first: bytes) -> None:
        """As soon as it can be known."""
        if first.startswith(_TLS):
            self._whole.protocol, self._opaque = "TLS", True
        elif first.startswith(PREFACE):
            self._reader = Http2Reader(self._keep)
        elif PREFACE.startswith(first) or _TLS.startswith(first) or _MAY_BE_A_REQUEST.fullmatch(first):
            return
        elif _REQUEST.match(first):
            self._reader = Http1Reader(self._keep)
        else:
            self._opaque = True

    def _give_up(self, at: float, why: str) -> list[Exchange]:
        """What goes on is a connection of which only sizes are known."""
        left = self._reader.end(at, why) if self._reader else []
        self._reader, self._opaque = None, True
        self._whole.note = why
        return left

    def _end(self, event: TapEvent) -> list[Exchange]:
        if self._reader is not None:
            return self._reader.end(event.time, event.why)
        self._whole.ended = event.time
        self._whole.note = self._whole.note or event.why
        self._whole.response.complete = True
        return [self._whole]
