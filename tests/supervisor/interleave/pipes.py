"""TCP in memory: two transports that are each other's far end, and sockets that only have a name.

As in the real one a close is a FIN and an abort a reset, what is written to who has closed is answered by a reset, and
a network that is silent loses nothing: it delivers when it is back, unless the kernel has given up before (`patience`).
"""

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

#: A descriptor that is really open: who asks whether there is room for another one duplicates it.
_OPEN = os.open(os.devnull, os.O_RDONLY)
_RESET = os.strerror(errno.ECONNRESET)


class PipeSocket:
    """What a transport hands out as its socket, and what a listener accepts."""

    def __init__(self, pipe: "Pipe") -> None:
        self.pipe = pipe

    def fileno(self) -> int:
        return -1 if self.pipe.released else _OPEN

    def setblocking(self, flag: bool) -> None: ...

    def close(self) -> None:
        self.pipe.abort()

    def getpeername(self) -> Any:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))  # nobody looks it up in the kernel

    getsockname = getpeername

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if level == socket.IPPROTO_TCP and option == getattr(socket, "TCP_USER_TIMEOUT", None):
            self.pipe.be_patient(value / 1000)


class ListeningSocket:
    """Clients come by `arrive`."""

    def __init__(self) -> None:
        self.queue: deque[PipeSocket] = deque()
        self.on_client: Callable[[], None] = lambda: None
        self.bound = False

    def arrive(self, pipe: "Pipe") -> None:
        self.queue.append(PipeSocket(pipe))
        self.on_client()

    def accept(self) -> tuple[PipeSocket, Any]:
        if not self.queue:
            raise BlockingIOError
        return self.queue.popleft(), ("127.0.0.1", 40000)

    def fileno(self) -> int:
        return _OPEN if self.bound else -1

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 9080)

    def close(self) -> None:
        self.bound = False
        while self.queue:  # as the system does with those that nobody has accepted
            self.queue.popleft().pipe.abort()


class Pipe(asyncio.Transport):
    """One end. `latency`: seconds that bytes travel; `silent`: they do not arrive for now, in either direction."""

    def __init__(self, loop: asyncio.AbstractEventLoop, latency: float = 0.0) -> None:
        super().__init__()
        self.other: Pipe
        self.latency = latency
        self.silent = False
        self.lost = False  # it is over, and its protocol hears of it in this turn
        self.released = False  # the protocol has heard of it
        self._loop = loop
        self._protocol: asyncio.Protocol | None = None
        self._socket = PipeSocket(self)
        self._arrived: deque[bytes | None] = deque()  # None: the far side has said all
        self._under_way: deque[bytes | None] = deque()
        self._paused = False
        self._closing = False
        self._said_all = False
        self._delivering = False
        self._patience = 60.0
        self._silent_since = 0.0
        self._giving_up: asyncio.TimerHandle | None = None

    @classmethod
    def pair(cls, loop: asyncio.AbstractEventLoop, latency: float = 0.0) -> "tuple[Pipe, Pipe]":
        one, two = cls(loop, latency), cls(loop, latency)
        one.other, two.other = two, one
        return one, two

    def begin(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)
        if self.lost:  # while nobody had it
            self._loop.call_soon(self._tell, _reset())
        self._wake()

    # -- what a test does to the network

    def be_silent(self) -> None:
        """Both ways, until `speak`, or until the kernel gives up because what was sent is not acknowledged."""
        for end in (self, self.other):
            end.silent = True
            end._silent_since = self._loop.time()

    def speak(self) -> None:
        for end in (self, self.other):
            end.silent = False
            if end._giving_up:
                end._giving_up.cancel()
                end._giving_up = None
            end._wake()

    def fail(self, error: OSError) -> None:
        """It breaks, and both ends hear of it."""
        self._lose(error)
        self.other._lose(_reset())

    def be_patient(self, seconds: float) -> None:
        self._patience = seconds

    # -- for its protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket":
            return self._socket
        return ("127.0.0.1", 40000) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._send(bytes(data))

    def write_eof(self) -> None:
        if not (self._closing or self._said_all):
            self._said_all = True
            self._send(None)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._wake()

    def close(self) -> None:
        if not self._closing:
            self.write_eof()
            self._lose(None)

    def abort(self) -> None:
        if not self.lost:
            self._lose(None)
            self._loop.call_soon(self.other._lose, _reset())

    # -- inside

    def _send(self, data: bytes | None) -> None:
        if self.silent and self._giving_up is None:
            self._giving_up = self._loop.call_later(self._patience, self._give_up)
        if self.latency:
            self._under_way.append(data)  # timers that are due together may ring in any order
            self._loop.call_later(self.latency, self._land)
        else:
            self.other._arrive(data)

    def _land(self) -> None:
        self.other._arrive(self._under_way.popleft())

    def _give_up(self) -> None:
        self._giving_up = None
        left = self._silent_since + self._patience - self._loop.time()
        if left > 0:
            self._giving_up = self._loop.call_later(left, self._give_up)
        else:
            self._lose(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))

    def _arrive(self, data: bytes | None) -> None:
        if self.lost:
            if data is not None:
                self._loop.call_soon(self.other._lose, _reset())
            return
        self._arrived.append(data)
        self._wake()

    def _wake(self) -> None:
        if self._arrived and not self._delivering and self._protocol is not None:
            self._delivering = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._delivering = False
        protocol = self._protocol
        while self._arrived and not (self._paused or self.silent or self.lost or self._closing):
            data = self._arrived.popleft()
            assert protocol
            if data is not None:
                while self._arrived and self._arrived[0] is not None:  # a socket is read once, too
                    data += self._arrived.popleft() or b""
                protocol.data_received(data)
            elif not protocol.eof_received():
                self.close()

    def _lose(self, error: Exception | None) -> None:
        if self.lost:
            return
        self._closing = self.lost = True
        if self._giving_up:
            self._giving_up.cancel()
            self._giving_up = None
        if self._protocol is not None:
            self._loop.call_soon(self._tell, error)

    def _tell(self, error: Exception | None) -> None:
        assert self._protocol
        self._protocol.connection_lost(error)
        self.released = True


def _reset() -> OSError:
    return ConnectionResetError(errno.ECONNRESET, _RESET)
