"""Two-way copy between two transports: back-pressure, half-close, and a reset passed on as a reset.

Plain `asyncio.Protocol`: what arrives is bytes of its own. A reused buffer would be corrupted, because transports keep a
view of what they could not send at once (CPython >= 3.12, uvloop).
"""

import asyncio
import socket
import struct
from typing import Protocol, cast

#: What is read and kept while there is nobody to hand it to; then reading stops. One read may overshoot it.
KEPT_BYTES = 64 * 1024

_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)


class PumpOwner(Protocol):
    """Who is told what happens to an end."""

    def on_open(self, end: "End") -> None: ...

    def on_buffer_full(self, end: "End") -> None:
        """It has stopped reading, until it is joined."""
        ...

    def on_eof(self, end: "End") -> None:
        """The other side has shut its writing side. Called once at most."""
        ...

    def on_close(self, end: "End", error: Exception | None) -> None:
        """The end is over: `error` is None after our own close, else a reset or the like."""
        ...


class End(asyncio.Protocol):
    """One end of a connection. Alone it keeps what it reads; joined it writes it to the other end."""

    __slots__ = ("choked", "finished", "gone", "kept", "other", "owner", "read", "transport")

    transport: asyncio.Transport

    def __init__(self, owner: PumpOwner) -> None:
        self.owner = owner
        self.other: End | None = None
        self.kept: list[bytes] = []
        self.read = 0  # bytes
        self.finished = False  # the other side will send no more
        self.choked = False  # the other side takes no more for now
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self.owner.on_open(self)

    def data_received(self, data: bytes) -> None:
        self.read += len(data)
        if self.other is not None:
            self.other.transport.write(data)
        else:
            self._keep(data)

    def eof_received(self) -> bool:
        """True: the transport stays open, for what the other end still has to say."""
        if not self.finished:
            self.finished = True
            self.owner.on_eof(self)
        return True

    def pause_writing(self) -> None:
        self.choked = True
        if self.other is not None and not self.other.finished:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.choked = False
        if self.other is not None and not self.other.finished:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.owner.on_close(self, exc)

    def _keep(self, data: bytes) -> None:
        self.kept.append(data)
        if self.read >= KEPT_BYTES:
            self.transport.pause_reading()
            self.owner.on_buffer_full(self)


def join(one: End, two: End) -> None:
    """From now on what one end reads the other one writes, beginning with what both have kept."""
    one.other, two.other = two, one
    for end, other in ((one, two), (two, one)):
        for data in end.kept:
            other.transport.write(data)
        end.kept.clear()
    for end, other in ((one, two), (two, one)):
        if end.finished:
            shut(other)
        elif not other.choked:
            end.transport.resume_reading()


def shut(end: End) -> None:
    """Nothing more will be written to this end. When neither side has more to say, both are closed."""
    if end.finished or not end.transport.can_write_eof():
        end.transport.close()
        if end.other is not None:
            end.other.transport.close()
        return
    try:
        end.transport.write_eof()
    except OSError:  # it was reset, and we hear of that only now
        reset(end)


def reset(end: End) -> None:
    """End it at once, with a TCP reset where it is a socket of its own."""
    sock: socket.socket | None = end.transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
    end.transport.abort()
