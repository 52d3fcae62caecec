"""What SPDY travels in: the bare connection, or WebSocket messages. The same calls for both."""

import os
from collections.abc import Iterable, Sequence
from typing import Protocol

from kfw.wire import websocket
from kfw.wire.base import Chunk, Role, WireError
from kfw.wire.websocket import NO_MASK
from kfw.wire.websocket_frames import Payload

#: The far side takes a message into memory whole.
_MESSAGE = 64 * 1024


class Carriage(Protocol):
    def wrap(self, chunks: Sequence[Chunk]) -> Iterable[Chunk]:
        """What to write for these bytes of SPDY."""
        ...

    def unwrap(self, data: bytes) -> tuple[Iterable[bytes], bytes]:
        """The bytes of SPDY in what was read, and what must be written in answer. Raises WireError."""
        ...


class Bare:
    def wrap(self, chunks: Sequence[Chunk]) -> Iterable[Chunk]:
        return chunks

    def unwrap(self, data: bytes) -> tuple[Iterable[bytes], bytes]:
        return (data,), b""


class InWebSocket:
    """`encrypted`: inside TLS masks protect nobody, so they are left out (RFC 6455, section 10.3)."""

    def __init__(self, *, encrypted: bool) -> None:
        masks = (lambda: NO_MASK) if encrypted else (lambda: os.urandom(4))
        self._socket = websocket.Connection(Role.CLIENT, masks=masks)

    def wrap(self, chunks: Sequence[Chunk]) -> Iterable[Chunk]:
        wrapped: list[Chunk] = []
        for chunk in chunks:
            for start in range(0, len(chunk), _MESSAGE):
                wrapped += self._socket.send(chunk[start : start + _MESSAGE])
        return wrapped

    def unwrap(self, data: bytes) -> tuple[Iterable[bytes], bytes]:
        payloads: list[bytes] = []
        answer = b""
        for event in self._socket.receive(data):
            match event:
                case Payload():
                    payloads.append(event.data)
                case websocket.Ping(asked):
                    answer += self._socket.pong(asked)
                case websocket.Close(code, reason):
                    raise WireError(f"the far side closed the WebSocket: {code} {reason}".rstrip())
        return payloads, answer
