"""HTTP/1 from the side: what the client says is parsed as its server would, what the server says as its client would.

Source: RFC 9112; the parser is h11, one of its connections for each message.
"""

from collections import deque

import h11

from kfw.tap.exchange import Exchange, Odd

#: Bytes of a head.
_LONGEST_HEAD = 1024 * 1024
#: Requests that wait for an answer, and bytes that are held until one is there.
_MOST_OPEN, _MOST_HELD = 10_000, 1024 * 1024


class Http1Reader:
    """See exchange.Reader. `keep`: bytes of each body."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._client = _new(h11.SERVER)
        self._server: h11.Connection | None = None
        #: Those that are not over, in their order. The first is the one that is answered next.
        self._open = deque[Exchange]()
        #: What the client says behind a request that may change the protocol, until that is answered.
        self._held: bytearray | None = None
        #: The exchange after which the connection is no HTTP any more.
        self._switched: Exchange | None = None

    def read(self, data: bytes, at: float, *, by_client: bool) -> list[Exchange]:
        try:
            return self._from_client(data, at) if by_client else self._from_server(data, at)
        except h11.ProtocolError as error:
            raise Odd(str(error)) from error

    def end(self, at: float, why: str) -> list[Exchange]:
        done = []
        if self._switched:
            self._finish(self._switched, at, why)
            return [self._switched]
        if self._server and self._open and not why:
            try:
                done = self._from_server(b"", at)  # a body that ends with its connection
            except h11.ProtocolError:
                done = []
        for exchange in self._open:
            self._finish(exchange, at, why or _unfinished(exchange))
        left, self._open = list(self._open), deque()
        return done + left

    def _from_client(self, data: bytes, at: float) -> list[Exchange]:
        if self._switched:
            self._switched.request.size += len(data)
            return []
        if self._held is not None:
            self._held += data
            if len(self._held) > _MOST_HELD:
                raise Odd("too much data before its protocol is known")
            return []
        self._client.receive_data(data)
        while self._held is None:
            event = self._client.next_event()
            if isinstance(event, h11.Request):
                self._open.append(_exchange(event, at))
                if len(self._open) > _MOST_OPEN:
                    raise Odd(f"{_MOST_OPEN} requests without an answer")
            elif isinstance(event, h11.Data):
                self._open[-1].request.add(bytes(event.data), self._keep)
            elif isinstance(event, h11.EndOfMessage):
                self._open[-1].request.complete = True
                rest = self._client.trailing_data[0]
                self._client = _new(h11.SERVER)
                if _may_switch(self._open[-1]):
                    self._held = bytearray(rest)
                elif rest:
                    self._client.receive_data(rest)
            else:
                break
        return []

    def _from_server(self, data: bytes, at: float) -> list[Exchange]:
        """`data` b"": the connection has ended."""
        if self._switched:
            self._switched.response.size += len(data)
            return []
        done: list[Exchange] = []
        while True:
            if not self._open:
                if data:
                    raise Odd("an answer without a request")
                return done
            exchange = self._open[0]
            if self._server is None:
                self._server = _answer_to(exchange)
            self._server.receive_data(data)
            rest = self._events(exchange, at)
            if self._switched or rest is None:
                return done
            done.append(exchange)
            if not rest:
                return done
            data = rest

    def _events(self, exchange: Exchange, at: float) -> bytes | None:
        """What stands behind the answer, which is over; None: it is not."""
        assert self._server is not None
        while True:
            event = self._server.next_event()
            if isinstance(event, h11.InformationalResponse | h11.Response):
                exchange.first_byte = exchange.first_byte or at
                final = isinstance(event, h11.Response)
                if final or event.status_code == 101:
                    exchange.status = event.status_code
                    exchange.response.headers = _headers(event)
                if event.status_code == 101 or (exchange.method == "CONNECT" and event.status_code < 300):
                    self._switch(exchange)
                    return None
                if final:
                    self._go_on(at)
            elif isinstance(event, h11.Data):
                exchange.response.add(bytes(event.data), self._keep)
            elif isinstance(event, h11.EndOfMessage):
                exchange.response.complete = True
                exchange.ended = at
                rest = self._server.trailing_data[0]
                self._server = None
                self._open.popleft()
                return rest
            else:
                return None

    def _switch(self, exchange: Exchange) -> None:
        assert self._server is not None
        exchange.note = exchange.response.header("upgrade") or "switched"
        exchange.response.complete = True
        exchange.response.size = len(self._server.trailing_data[0])
        exchange.request.size = len(self._held or b"")
        self._switched, self._held = exchange, None

    def _go_on(self, at: float) -> None:
        """The protocol is still this one."""
        if self._held is not None:
            held, self._held = bytes(self._held), None
            if held:  # nothing would be the end of the connection
                self._from_client(held, at)

    @staticmethod
    def _finish(exchange: Exchange, at: float, note: str) -> None:
        exchange.ended = at
        exchange.note = exchange.note or note


def _new(role: type[h11.CLIENT] | type[h11.SERVER]) -> h11.Connection:
    return h11.Connection(role, max_incomplete_event_size=_LONGEST_HEAD)


def _exchange(request: h11.Request, at: float) -> Exchange:
    made = Exchange(
        f"HTTP/{request.http_version.decode()}",
        at,
        request.method.decode("latin-1"),
        request.target.decode("latin-1"),
    )
    made.request.headers = _headers(request)
    made.host = made.request.header("host")
    return made


def _headers(event: h11.Request | h11.Response | h11.InformationalResponse) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items()]


def _may_switch(exchange: Exchange) -> bool:
    return exchange.method == "CONNECT" or bool(exchange.request.header("upgrade"))


def _answer_to(exchange: Exchange) -> h11.Connection:
    """Whether an answer has a body depends on what was asked."""
    made = _new(h11.CLIENT)
    headers = [(b"Host", b"x")]
    if upgrade := exchange.request.header("upgrade"):
        headers += [(b"Connection", b"Upgrade"), (b"Upgrade", upgrade.encode("latin-1"))]
    made.send(h11.Request(method=exchange.method, target=exchange.path, headers=headers))
    made.send(h11.EndOfMessage())
    return made


def _unfinished(exchange: Exchange) -> str:
    if exchange.status is None:
        return "no answer"
    return "the answer was cut off"
