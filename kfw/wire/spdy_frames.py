"""SPDY/3.1 frames: how they are written, how a byte stream is cut into them, and the events that they become.

Source: SPDY Protocol Draft 3.1, section 2.2 (frames) and 2.6 (control frames). A frame starts with 8 bytes:
a control frame with `1 version:15 type:16 flags:8 length:24`, a DATA frame with `0 stream:31 flags:8
length:24`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import NamedTuple, TypeAlias

import msgspec

from kfw.wire.codec import Chunk, PartialBytes, WireError

FIN = 0x01
UNIDIRECTIONAL = 0x02
MAX_LENGTH = (1 << 24) - 1
MAX_STREAM = (1 << 31) - 1
#: No DATA frame of ours is longer: the far side takes a frame into memory whole, and PINGs queue behind it. With its head
#: it fills four TLS records to the last byte; a proxy reads and writes record by record.
MAX_DATA = 64 * 1024 - 8
#: Up to here a copy is cheaper than a second write (over TLS, a second record).
_JOINED = 16 * 1024

_HEAD = Struct(">II")
_TWO = Struct(">II")

_CONTROL = 0x8000_0000
_VERSION = 3


class RstStatus(IntEnum):
    """Why a stream was reset, as far as kfw says it; a peer may send others (section 2.6.3)."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6


class SynStream(msgspec.Struct, frozen=True, gc=False):
    """The peer opens a stream. `fin`: it will send nothing on it; `unidirectional`: it wants nothing back."""

    stream: int
    headers: dict[str, str]
    fin: bool = False
    unidirectional: bool = False


class SynReply(msgspec.Struct, frozen=True, gc=False):
    stream: int
    headers: dict[str, str]
    fin: bool = False


class Headers(msgspec.Struct, frozen=True, gc=False):
    stream: int
    headers: dict[str, str]
    fin: bool = False


class Data(msgspec.Struct, frozen=True, gc=False):
    """A piece of a stream, not always a whole frame. `fin`: the last one; then `payload` may be empty."""

    stream: int
    payload: bytes
    fin: bool = False


class Rst(msgspec.Struct, frozen=True, gc=False):
    """The peer reset a stream; `status` is one of Status or any other number but 0."""

    stream: int
    status: int


class Ping(msgspec.Struct, frozen=True, gc=False):
    """The peer asks: answer it with `pong(number)`."""

    number: int


class Pong(msgspec.Struct, frozen=True, gc=False):
    """The peer's answer to our ping."""

    number: int


class Goaway(msgspec.Struct, frozen=True, gc=False):
    """The peer takes no more streams; it has seen ours up to `last_stream`. `status` 0 is a normal end."""

    last_stream: int
    status: int


Event: TypeAlias = SynStream | SynReply | Headers | Data | Rst | Ping | Pong | Goaway


class SpdyError(WireError):
    pass


class Type(IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """What a peer may ask of our memory. DATA needs no limit: its bytes are handed out as they come."""

    control_frame: int = 64 * 1024  # bytes of one control frame, as it is on the wire
    header_block: int = 64 * 1024  # bytes of one header block, inflated
    headers: int = 128  # names in one header block
    streams: int = 4096  # that the peer has open at once


class Control(NamedTuple):
    """A whole control frame, its payload not yet read."""

    type: int
    flags: int
    payload: bytes


def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return _HEAD.pack(_CONTROL | _VERSION << 16 | kind, flags << 24 | len(payload)) + payload


def data_frames(stream: int, payload: bytes, fin: bool) -> list[Chunk]:
    if len(payload) <= _JOINED:
        return [_data_head(stream, len(payload), fin) + payload]
    if len(payload) <= MAX_DATA:
        return [_data_head(stream, len(payload), fin), payload]
    chunks: list[Chunk] = []
    for at in range(0, len(payload), MAX_DATA):
        piece = memoryview(payload)[at : at + MAX_DATA]
        chunks += (_data_head(stream, len(piece), fin and at + MAX_DATA >= len(payload)), piece)
    return chunks


def _data_head(stream: int, length: int, fin: bool) -> bytes:
    return _HEAD.pack(stream, (FIN if fin else 0) << 24 | length)


def two_numbers(frame: Control) -> tuple[int, int]:
    """The payload of RST_STREAM, GOAWAY and WINDOW_UPDATE: a stream and a number. Raises SpdyError."""
    if len(frame.payload) != _TWO.size:
        raise SpdyError(f"the far side's frame of type {frame.type} has {len(frame.payload)} bytes, not 8")
    first, second = _TWO.unpack(frame.payload)
    return first & MAX_STREAM, second


class SpdyFramer:
    """Cuts bytes into frames. It keeps at most one control frame; DATA goes through in pieces."""

    def __init__(self, limits: FrameLimits) -> None:
        self._most = limits.control_frame
        self._held = PartialBytes()
        self._stream = 0  # of the DATA frame whose bytes are coming
        self._fin = False
        self._left = 0  # bytes of it still to come

    @property
    def held(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[Data | Control]:
        """Raises SpdyError at the first byte that cannot be part of a frame."""
        at = 0
        while True:
            if self._left:
                if at == len(data):
                    return
                piece = data[at : at + self._left]  # no copy where the whole chunk is payload
                at += len(piece)
                self._left -= len(piece)
                yield Data(self._stream, piece, self._fin and not self._left)
                continue
            at = self._held.fill(data, at, _HEAD.size)
            if len(self._held) < _HEAD.size:
                return
            word, rest = _HEAD.unpack_from(self._held)
            if word < _CONTROL:
                self._held.clear()
                self._stream, self._fin, self._left = word, bool(rest >> 24 & FIN), rest & MAX_LENGTH
                if not self._left:
                    yield Data(word, b"", self._fin)
                continue
            size = _HEAD.size + self._length_of_control(word, rest)
            at = self._held.fill(data, at, size)
            if len(self._held) < size:
                return
            frame = Control(word & 0xFFFF, rest >> 24, bytes(self._held[_HEAD.size :]))
            self._held.clear()
            yield frame

    def _length_of_control(self, word: int, rest: int) -> int:
        version, length = word >> 16 & 0x7FFF, rest & MAX_LENGTH
        if version != _VERSION:
            raise SpdyError(f"the far side sent a frame of SPDY version {version}, not {_VERSION}")
        if length > self._most:
            raise SpdyError(f"the far side sent a control frame of {length} bytes, more than {self._most}")
        return length
