"""What SPDY travels in: the bare connection, or WebSocket messages, with the same calls for both; and in which pieces.

Fewer and larger pieces are better: each is a write, and over TLS a record, which a proxy reads and writes one by one.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from kfw.wire import websocket
from kfw.wire.codec import Chunk, Role, WireError
from kfw.wire.spdy_frames import Data, Event
from kfw.wire.websocket import NO_MASK
from kfw.wire.websocket_frames import Payload, WebSocketError

#: The far side takes a message into memory whole.
_MESSAGE = 64 * 1024

Reply = Callable[[bytes], None]


class Framing(Protocol):
    def wrap(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """What to write for these bytes of SPDY."""
        ...

    def unwrap(self, data: bytes) -> Iterable[bytes]:
        """The bytes of SPDY in what was read. Raises WireError after the last that came whole."""
        ...


class RawSpdy:
    def wrap(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        return chunks

    def unwrap(self, data: bytes) -> Iterable[bytes]:
        return (data,)


class InWebSocket:
    """`reply` writes what must be answered to the far side's PINGs. Inside TLS masks protect nobody, so they are left out
    (RFC 6455, section 10.3)."""

    def __init__(self, reply: Reply, *, encrypted: bool) -> None:
        self._socket = websocket.WebSocketConnection(
            Role.CLIENT, masks=(lambda: NO_MASK) if encrypted else (lambda: os.urandom(4))
        )
        self._reply = reply

    def wrap(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        spdy = b"".join(chunks)
        wrapped: list[Chunk] = []
        for start in range(0, len(spdy), _MESSAGE):
            wrapped += self._socket.send(spdy[start : start + _MESSAGE])
        return wrapped

    def unwrap(self, data: bytes) -> Iterable[bytes]:
        for event in _events(self._socket, data):
            match event:
                case Payload():
                    yield event.data
                case websocket.WebSocketPing(asked):
                    self._reply(self._socket.pong(asked))
                case websocket.Close(code, reason):
                    raise WireError(f"the far side closed the tunnel: {code} {reason}".rstrip())


def _events(socket: websocket.WebSocketConnection, data: bytes) -> Iterable[websocket.Event]:
    """The events of `data`; those before a mistake of the far side come before the WireError."""
    try:
        yield from socket.receive(data)
    except WebSocketError as error:
        yield from error.events  # type: ignore[misc]  # the base class knows only that they are objects
        raise


def merged(events: Iterable[Event]) -> Iterator[Event]:
    """Pieces of one stream that follow each other become one."""
    parts: list[Data] = []
    for event in events:
        if parts and not (isinstance(event, Data) and event.stream == parts[0].stream):
            yield _as_one(parts)
            parts = []
        if isinstance(event, Data):
            parts.append(event)
        else:
            yield event
    if parts:
        yield _as_one(parts)


def joined(chunks: Sequence[Chunk]) -> Chunk:
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _as_one(parts: Sequence[Data]) -> Data:
    if len(parts) == 1:
        return parts[0]
    return Data(parts[0].stream, b"".join([part.payload for part in parts]), parts[-1].fin)
