"""RFC 6455 without IO, for both sides: bytes in, events out; calls in, bytes out. The handshake is in upgrade.py.

A message is handed out in pieces as its bytes come, never put together: what kfw carries in WebSocket is a
stream of bytes (SPDY), so memory is flat whatever a frame's length.

Why not wsproto: side by side on Python 3.11 it receives 32 KiB messages in 64 KiB chunks at 0.7 GB/s, this
at 4 (1 KiB messages: 0.10 and 0.2); it sends them at 0.34 GB/s with no way to a faster masker, this at
0.45, with a masker in C at 8, and without a mask at 26.
"""

from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from kfw.wire.codec import Chunk, Role
from kfw.wire.websocket_frames import (
    Code,
    ControlFrame,
    Masker,
    Opcode,
    Payload,
    WebSocketError,
    WebSocketFramer,
    frame_head,
    xor,
)

#: Longer messages end the connection. (The kubelet's own limit is 32 MiB.)
MAX_MESSAGE = 64 * 1024 * 1024
#: Up to here a copy is cheaper than a second write (over TLS, a second record).
_JOINED = 16 * 1024
#: Masking with this changes nothing, so it costs nothing.
NO_MASK = b"\0\0\0\0"


class WebSocketPing(msgspec.Struct, frozen=True, gc=False):
    """The peer asks: answer it with `pong(data)`."""

    data: bytes


class WebSocketPong(msgspec.Struct, frozen=True, gc=False):
    data: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """The last event: answer it with `close(code)`, unless it is the answer, and close the connection."""

    code: int
    reason: str


Event: TypeAlias = Payload | WebSocketPing | WebSocketPong | Close


class WebSocketConnection:
    """One WebSocket connection after its handshake.

    `masks` makes the 4 random bytes for each frame that a client sends. It may make NO_MASK inside TLS:
    masks are there to keep proxies from taking a browser's payload for HTTP (section 10.3), and inside TLS
    no proxy sees any. That is not what the RFC says, no server can tell, and it saves half of the upload's
    CPU where there is no masker in C.
    """

    def __init__(
        self,
        role: Role,
        *,
        masks: Callable[[], bytes] | None = None,
        mask_with: Masker = xor,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        if role is Role.CLIENT and masks is None:
            raise ValueError("a WebSocket client needs masks")
        self._masks = masks if role is Role.CLIENT else None
        self._mask_with = mask_with
        self._framer = WebSocketFramer(
            masked=role is Role.SERVER, mask_with=mask_with, max_message=max_message
        )
        self._text: IncrementalDecoder | None = None
        self._closed = False
        self._dead: WebSocketError | None = None

    @property
    def held(self) -> int:
        """Bytes received and kept, because their frame is not whole yet: never more than one control frame."""
        return self._framer.held

    def send(self, *parts: Chunk, text: bool = False) -> list[Chunk]:
        """One message of all the parts, for `writelines`. The far side takes it into memory whole: 64 KiB is enough."""
        return self._frame(Opcode.TEXT if text else Opcode.BINARY, parts)

    def ping(self, data: bytes = b"") -> bytes:
        """`data`: at most 125 bytes."""
        return b"".join(self._frame(Opcode.PING, (data,)))

    def pong(self, data: bytes = b"") -> bytes:
        return b"".join(self._frame(Opcode.PONG, (data,)))

    def close(self, code: int = Code.NORMAL, reason: str = "") -> bytes:
        """Nothing may be sent after it. A reason longer than 123 bytes is cut. No code goes with Code.NO_STATUS."""
        payload = code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode()
        return b"".join(self._frame(Opcode.CLOSE, (b"" if code == Code.NO_STATUS else payload,)))

    def _frame(self, opcode: Opcode, parts: tuple[Chunk, ...]) -> list[Chunk]:
        size = sum(map(len, parts))
        key = self._masks() if self._masks else b""
        head = frame_head(opcode, size, key)
        if key and key != NO_MASK:
            return [head + self._mask_with(b"".join(parts), key)]
        return [head + b"".join(parts)] if size <= _JOINED else [head, *parts]

    def receive(self, data: bytes) -> list[Event]:
        """The events of a chunk of any size; none after a Close. Raises WebSocketError: the connection is dead then."""
        if self._dead is not None:
            raise WebSocketError(self._dead.what, self._dead.code)
        events: list[Event] = []
        try:
            for frame in self._framer.feed(b"" if self._closed else data):
                events.append(self._checked(frame) if isinstance(frame, Payload) else self._control(frame))
                if self._closed:
                    break
        except WebSocketError as error:
            self._dead, error.events = WebSocketError(error.what, error.code), events
            raise
        return events

    def _checked(self, payload: Payload) -> Payload:
        if payload.text:
            self._text = self._text or getincrementaldecoder("utf-8")()
            try:
                self._text.decode(payload.data, payload.end)
            except UnicodeDecodeError as error:
                raise WebSocketError("the far side's text is not UTF-8", Code.INVALID_DATA) from error
        return payload

    def _control(self, frame: ControlFrame) -> Event:
        if frame.opcode == Opcode.PING:
            return WebSocketPing(frame.payload)
        if frame.opcode == Opcode.PONG:
            return WebSocketPong(frame.payload)
        self._closed = True
        return _read_close(frame.payload)


def _read_close(payload: bytes) -> Close:
    """Section 5.5.1 and 7.4: nothing, or a code that may be sent and a reason in UTF-8."""
    if not payload:
        return Close(Code.NO_STATUS, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (
        3000 <= code < 5000 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))
    ):
        raise WebSocketError("the far side closed with a code that does not exist")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError as error:
        raise WebSocketError(
            "the far side closed with a reason that is not UTF-8", Code.INVALID_DATA
        ) from error
