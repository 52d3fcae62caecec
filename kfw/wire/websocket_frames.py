"""RFC 6455 frames: how they are written, and how a byte stream is cut into them (section 5)."""

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import msgspec

from kfw.wire.codec import PartialBytes, WireError

_FIN, _MASKED = 0x80, 0x80
_MAX_CONTROL = 125

#: (payload, the frame's 4 byte key) -> payload masked or unmasked, which is the same.
Masker: TypeAlias = Callable[[bytes, bytes], bytes]


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Code(IntEnum):
    """Why a connection is closed, as far as kfw says it (section 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NO_STATUS = 1005  # never on the wire: a close frame without a code
    INVALID_DATA = 1007
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011


class WebSocketError(WireError):
    """`code` is what to say in the close frame that ends the connection."""

    def __init__(self, what: str, code: int = Code.PROTOCOL_ERROR) -> None:
        super().__init__(what)
        self.code = code


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A piece of a message. Only the first has `start`, only the last has `end`; only an ending one may be empty."""

    data: bytes
    start: bool = True
    end: bool = True
    text: bool = False


class ControlFrame(NamedTuple):
    opcode: int
    payload: bytes


class FrameHead(NamedTuple):
    fin: bool
    opcode: int
    length: int
    key: bytes  # b"" where the frame is not masked


def xor(payload: bytes, key: bytes) -> bytes:
    """The masker in pure Python: 0.5 GB/s. The one in C of `websockets` (speedups.apply_mask): 20 GB/s."""
    size = len(payload)
    repeated = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


def frame_head(opcode: int, length: int, key: bytes = b"") -> bytes:
    """The head of an unfragmented frame; `key` is its mask, b"" for none."""
    masked = _MASKED if key else 0
    if length <= _MAX_CONTROL:
        return bytes((_FIN | opcode, masked | length)) + key
    if length <= 0xFFFF:
        return bytes((_FIN | opcode, masked | 126)) + length.to_bytes(2, "big") + key
    return bytes((_FIN | opcode, masked | 127)) + length.to_bytes(8, "big") + key


def _head_size(second: int) -> int:
    return 2 + {126: 2, 127: 8}.get(second & 0x7F, 0) + (4 if second & _MASKED else 0)


#: How long a frame's head is, by its second byte.
HEAD_SIZE = bytes(map(_head_size, range(256)))


def read_head(raw: bytes | bytearray, *, masked: bool) -> FrameHead:
    """`raw` holds at least the head. `masked`: whether this peer must mask. Raises WebSocketError."""
    size = HEAD_SIZE[raw[1]]
    key = bytes(raw[size - 4 : size]) if raw[1] & _MASKED else b""
    extended = bytes(raw[2 : size - len(key)])
    head = FrameHead(bool(raw[0] & _FIN), raw[0] & 0x0F, _length(raw[1] & 0x7F, extended), key)
    if raw[0] & 0x70:
        raise WebSocketError("the far side set bits of a WebSocket extension that was not agreed")
    if bool(key) is not masked:
        raise WebSocketError("the far side " + ("did not mask a frame" if masked else "masked a frame"))
    if head.opcode > Opcode.BINARY and (head.length > _MAX_CONTROL or not head.fin):
        raise WebSocketError("the far side sent a control frame that is fragmented or longer than 125 bytes")
    return head


def _length(short: int, extended: bytes) -> int:
    if not extended:
        return short
    length = int.from_bytes(extended, "big")
    if length >> 63 or length <= (_MAX_CONTROL if len(extended) == 2 else 0xFFFF):
        raise WebSocketError("the far side wrote a length in more bytes than it needs, or a negative one")
    return length


class WebSocketFramer:
    """Cuts bytes into frames. It keeps at most one control frame or head; payload goes through in pieces."""

    def __init__(self, *, masked: bool, mask_with: Masker, max_message: int) -> None:
        self._masked = masked  # the peer must mask
        self._mask_with = mask_with
        self._max_message = max_message
        self._held = PartialBytes()
        self._opcode = 0  # of the message that is coming in; 0 between messages
        self._start = False  # nothing of it was handed out yet
        self._length = 0  # of it, as far as its frames have begun
        self._fin = False  # this frame is its last
        self._left = 0  # bytes of this frame still to come
        self._key = b""

    @property
    def held(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[Payload | ControlFrame]:
        """Raises WebSocketError at the first byte that cannot be part of a frame."""
        at = 0
        while True:
            if self._left:
                if at == len(data):
                    return
                piece = data[at : at + self._left]  # no copy where the whole chunk is payload
                at += len(piece)
                self._left -= len(piece)
                yield self._payload(self._unmask(piece))
                continue
            at = self._held.fill(data, at, 2)
            if len(self._held) < 2:
                return
            size = HEAD_SIZE[self._held[1]]
            at = self._held.fill(data, at, size)
            if len(self._held) < size:
                return
            head = read_head(self._held, masked=self._masked)
            if head.opcode <= Opcode.BINARY:
                self._begin(head)
                if self._fin and not self._left:
                    yield self._payload(b"")
                continue
            size += head.length
            at = self._held.fill(data, at, size)
            if len(self._held) < size:
                return
            yield self._control(head)

    def _begin(self, head: FrameHead) -> None:
        self._held.clear()
        if bool(self._opcode) is not (head.opcode == Opcode.CONTINUATION):
            raise WebSocketError("the far side mixed the frames of two messages")
        if head.opcode:
            self._opcode, self._start, self._length = head.opcode, True, 0
        self._length += head.length
        if self._length > self._max_message:
            raise WebSocketError(
                f"the far side's message is longer than {self._max_message} bytes", Code.TOO_BIG
            )
        self._fin, self._left, self._key = head.fin, head.length, head.key

    def _payload(self, data: bytes) -> Payload:
        end = self._fin and not self._left
        payload = Payload(data, self._start, end, self._opcode == Opcode.TEXT)
        self._start = False
        if end:
            self._opcode = 0
        return payload

    def _unmask(self, piece: bytes) -> bytes:
        if not self._key:
            return piece
        turn = len(piece) % 4
        key, self._key = self._key, self._key[turn:] + self._key[:turn]
        return self._mask_with(piece, key)

    def _control(self, head: FrameHead) -> ControlFrame:
        if head.opcode not in (Opcode.CLOSE, Opcode.PING, Opcode.PONG):
            raise WebSocketError(f"the far side sent a frame of unknown type {head.opcode}")
        payload = bytes(self._held[len(self._held) - head.length :])
        self._held.clear()
        return ControlFrame(head.opcode, xor(payload, head.key) if head.key else payload)
