"""HTTP/2 and gRPC from the side: frames of both directions, in the order in which they came.

Sources: RFC 9113 (frames), RFC 7541 (headers), the protocol of gRPC over HTTP/2. Frames are hyperframe's, headers hpack's:
h2, which both are made for, is one side of a connection and would refuse what it did not ask for itself.
"""

from hpack import Decoder, HPACKError
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
)

from kfw.tap.exchange import Exchange, ExchangeSide, Headers, Odd, small_number

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = 9
#: Bytes of a frame. Nobody sends longer ones than 16,384 unless the other side allows it.
_LONGEST = 4 * 1024 * 1024
#: Bytes of a table of headers that either side may ask for.
_LARGEST_TABLE = 1024 * 1024
#: Streams of a connection that are open at once; servers allow a few hundred.
_MOST_STREAMS = 10_000
_GRPC = "application/grpc"


class Http2Reader:
    """See exchange.Reader. `keep`: bytes of each body."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._streams: dict[int, Exchange] = {}
        self._client = _Direction(skip=len(PREFACE))
        self._server = _Direction()

    def read(self, data: bytes, at: float, *, by_client: bool) -> list[Exchange]:
        side = self._client if by_client else self._server
        done: list[Exchange] = []
        try:
            for frame in side.frames(data):
                done += self._frame(side, frame, at, by_client=by_client)
        except (HyperframeError, HPACKError, UnicodeDecodeError) as error:
            raise Odd(str(error)) from error
        return done

    def end(self, at: float, why: str) -> list[Exchange]:
        for exchange in self._streams.values():
            exchange.ended = at
            exchange.note = exchange.note or why or "no answer"
        left, self._streams = list(self._streams.values()), {}
        return left

    def _frame(self, side: "_Direction", frame: Frame, at: float, *, by_client: bool) -> list[Exchange]:
        if isinstance(frame, HeadersFrame | PushPromiseFrame | ContinuationFrame):
            block = side.block(frame)
            if block is None or side.promised:
                return []
            headers = side.headers(block)
            self._headers(frame.stream_id, headers, at, by_client=by_client)
            return self._over(frame.stream_id, at, by_client=by_client) if side.ends else []
        exchange = self._streams.get(frame.stream_id)
        if isinstance(frame, DataFrame) and exchange:
            message = exchange.request if by_client else exchange.response
            message.add(frame.data, self._keep)
            if exchange.protocol == "gRPC":
                side.count_messages(frame.stream_id, frame.data, message)
            if "END_STREAM" in frame.flags:
                return self._over(frame.stream_id, at, by_client=by_client)
        elif isinstance(frame, RstStreamFrame) and exchange:
            who = "client" if by_client else "server"
            if exchange.status is None or frame.error_code:  # 0 behind a whole answer: the rest is not wanted
                exchange.note = f"the {who} reset it, error {frame.error_code}"
            return self._close(frame.stream_id, at)
        return []

    def _headers(self, stream: int, headers: Headers, at: float, *, by_client: bool) -> None:
        fields = dict(headers)
        plain = [(name, value) for name, value in headers if not name.startswith(":")]
        exchange = self._streams.get(stream)
        if by_client and exchange is None:
            if len(self._streams) >= _MOST_STREAMS:
                raise Odd(f"{_MOST_STREAMS} requests at once")
            made = Exchange("HTTP/2", at, fields.get(":method", ""), fields.get(":path", ""))
            made.host = fields.get(":authority", fields.get("host", ""))
            made.request.headers = plain
            if made.request.header("content-type").startswith(_GRPC):
                made.protocol = "gRPC"
            self._streams[stream] = made
        elif not by_client and exchange is not None:
            exchange.first_byte = exchange.first_byte or at
            status = fields.get(":status", "")
            if not status.startswith("1"):
                exchange.response.headers += plain
                exchange.status = small_number(status) or exchange.status
            if (said := small_number(fields.get("grpc-status", ""))) is not None:
                exchange.grpc_status = said
                exchange.grpc_message = fields.get("grpc-message", "")

    def _over(self, stream: int, at: float, *, by_client: bool) -> list[Exchange]:
        """One side has said all. The exchange is over with its answer: what a client says behind it nobody hears."""
        exchange = self._streams.get(stream)
        if exchange is None:
            return []
        (exchange.request if by_client else exchange.response).complete = True
        return [] if by_client else self._close(stream, at)

    def _close(self, stream: int, at: float) -> list[Exchange]:
        exchange = self._streams.pop(stream)
        exchange.ended = at
        self._client.forget(stream)
        self._server.forget(stream)
        return [exchange]


class _Direction:
    """What one side says."""

    def __init__(self, skip: int = 0) -> None:
        self._skip = skip
        self._buffer = bytearray()
        self._decoder = Decoder(max_header_list_size=_LARGEST_TABLE)
        self._decoder.max_allowed_table_size = _LARGEST_TABLE
        self._block = bytearray()
        #: Of the header block that is read now: whether it ends its stream, and whether it is a promise.
        self.ends = self.promised = False
        #: Of each gRPC stream: bytes that the message there still has, and the beginning of the next one's prefix.
        self._messages: dict[int, tuple[int, bytes]] = {}

    def frames(self, data: bytes) -> list[Frame]:
        """Raises HyperframeError, Odd."""
        self._buffer += data
        if self._skip:
            skipped = min(self._skip, len(self._buffer))
            del self._buffer[:skipped]
            self._skip -= skipped
        found = []
        while len(self._buffer) >= _HEAD:
            frame, length = Frame.parse_frame_header(memoryview(bytes(self._buffer[:_HEAD])))
            if length > _LONGEST:
                raise Odd(f"a frame of {length} bytes")
            if len(self._buffer) < _HEAD + length:
                break
            frame.parse_body(memoryview(bytes(self._buffer[_HEAD : _HEAD + length])))
            del self._buffer[: _HEAD + length]
            if not isinstance(frame, SettingsFrame):
                found.append(frame)
        return found

    def block(self, frame: HeadersFrame | PushPromiseFrame | ContinuationFrame) -> bytes | None:
        """The whole header block; None: it goes on."""
        if not isinstance(frame, ContinuationFrame):
            self._block.clear()
            self.ends = "END_STREAM" in frame.flags
            self.promised = isinstance(frame, PushPromiseFrame)
        self._block += frame.data
        if len(self._block) > _LARGEST_TABLE:
            raise Odd("headers without an end")
        if "END_HEADERS" not in frame.flags:
            return None
        if self.promised:
            self.headers(bytes(self._block))  # the decoder must have seen it
        return bytes(self._block)

    def headers(self, block: bytes) -> Headers:
        """Raises HPACKError, UnicodeDecodeError."""
        return [(str(name), str(value)) for name, value in self._decoder.decode(block)]

    def count_messages(self, stream: int, data: bytes, message: ExchangeSide) -> None:
        """Each is a byte of flags, four of its length, and so many bytes."""
        left, prefix = self._messages.get(stream, (0, b""))
        at = 0
        while at < len(data):
            if left:
                taken = min(left, len(data) - at)
                left, at = left - taken, at + taken
                continue
            part = data[at : at + 5 - len(prefix)]
            prefix, at = prefix + part, at + len(part)
            if len(prefix) == 5:
                left, prefix = int.from_bytes(prefix[1:], "big"), b""
                message.messages += 1
        self._messages[stream] = (left, prefix)

    def forget(self, stream: int) -> None:
        self._messages.pop(stream, None)
