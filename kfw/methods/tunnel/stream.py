"""One connection through a link: to the relay a transport like any other, to the link two SPDY streams."""

import asyncio
from enum import Enum
from typing import Any, Protocol

from kfw.wire.portforward import MAX_TEXT, Refusal, classify

#: What the client has sent is kept so long as it may have to be sent again, to another pod.
KEPT = 64 * 1024
#: Bytes that wait for a slow client before its link stops reading, on a link that carries others as well.
SLACK = 1024 * 1024
#: Seconds of silence of the far side until it is told that the client has said all. The runtime cuts the answer off
#: 1 s after it hears so, so it hears it late.
HOLD_FIN = 10.0


class Fate(Enum):
    """How far a connection has come."""

    UNPROVEN = "unproven"  # the app may have got nothing yet
    PROVEN = "proven"  # it answered, or more was sent than is kept
    OVER = "over"


class Link(Protocol):
    """What a stream needs of its link."""

    @property
    def live(self) -> int: ...

    def write(self, stream: "Stream", data: bytes) -> None: ...
    def finish(self, stream: "Stream") -> None: ...
    def abandon(self, stream: "Stream") -> None: ...
    def pause(self, stream: "Stream") -> None: ...
    def resume(self, stream: "Stream") -> None: ...


class Owner(Protocol):
    def failed(self, stream: "Stream", refusal: Refusal) -> bool:
        """The far side refused it, and the app got nothing. True: it is tried elsewhere with what `kept` holds."""
        ...

    def ended(self, stream: "Stream") -> None: ...


class Stream(asyncio.Transport):
    """`protocol` is the relay's end. The link calls `fed`, `far_ended`, `error_text` and `lost`."""

    def __init__(self, protocol: asyncio.Protocol, owner: Owner, port: int) -> None:
        super().__init__()
        self.port = port
        self.link: Link | None = None
        self.kept = bytearray()
        self.fate = Fate.UNPROVEN
        self.sent = 0  # bytes on the present link: what must not happen on a stream that fails
        self.tried: set[str] = set()  # pods
        self._protocol = protocol
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._waiting: list[bytes] = []  # for a client that takes no more for now
        self._backlog = 0
        self._said_all = False  # the client
        self._far_said_all = False
        self._error_text = bytearray()
        self._error_ended = False
        self._heard = self._loop.time()
        self._fin_timer: asyncio.TimerHandle | None = None

    # -- for the relay

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.fate is Fate.OVER

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.fate is Fate.OVER:
            return
        if self._far_said_all:  # as a socket would: nobody reads this any more
            self.lost(ConnectionResetError("the far side has closed"))
            return
        if self.fate is Fate.UNPROVEN:
            self._keep(data)
        if self.link:
            self.sent += len(data)
            self.link.write(self, bytes(data))

    def write_eof(self) -> None:
        """Held back: the far side would cut off its answer."""
        if self._said_all or self.fate is Fate.OVER:
            return
        self._said_all = True
        if self._far_said_all:
            self.close()
        else:
            self._await_silence()

    def pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            if self.link and self.link.live <= 1:
                self.link.pause(self)

    def resume_reading(self) -> None:
        if not self._paused:
            return
        self._paused = False
        waiting, self._waiting, self._backlog = self._waiting, [], 0
        for data in waiting:
            if self._paused:
                self._wait(data)
            else:
                self._protocol.data_received(data)
        if not self._paused:
            if self.link:
                self.link.resume(self)
            self._maybe_over()

    def close(self) -> None:
        """Both sides have said all, or nobody wants the rest."""
        self.lost(None)

    def abort(self) -> None:
        self.lost(None)

    # -- for the link

    def opened(self, link: Link) -> bytes:
        """It is on this link now. Returns what must be sent first: what the client has said so far."""
        self.link = link
        self._error_text.clear()
        self._error_ended = self._far_said_all = False
        self.sent = len(self.kept)
        return bytes(self.kept)

    def fed(self, data: bytes) -> None:
        self._prove()
        self._heard = self._loop.time()
        if self._paused:
            self._wait(data)
        else:
            self._protocol.data_received(data)

    def far_ended(self) -> None:
        """The data stream's FIN. It may overtake the error text, which always ends: wait for that."""
        self._far_said_all = True
        self._maybe_over()

    def error_text(self, data: bytes, fin: bool) -> None:
        if len(self._error_text) < MAX_TEXT:
            self._error_text += data
        self._error_ended = self._error_ended or fin
        if fin and self._error_text:
            self._refused()
        elif fin:
            self._maybe_over()

    def choke(self) -> None:
        """The link takes no more for now."""
        if self.fate is not Fate.OVER:
            self._protocol.pause_writing()

    def unchoke(self) -> None:
        if self.fate is not Fate.OVER:
            self._protocol.resume_writing()

    def broken(self, why: str) -> None:
        """The link is gone under it, and nobody knows what the app got."""
        self.link = None
        self.lost(ConnectionResetError(why))

    def lost(self, error: Exception | None) -> None:
        """The end of it, told to the relay; `error` becomes a reset of the client."""
        if self.fate is Fate.OVER:
            return
        self.fate = Fate.OVER
        self._stop_timer()
        link, self.link = self.link, None
        if link:
            link.abandon(self)
        self._owner.ended(self)
        self._loop.call_soon(self._protocol.connection_lost, error)

    # -- inside

    def _keep(self, data: bytes | bytearray | memoryview) -> None:
        if self.link and len(self.kept) + len(data) > KEPT:
            self._prove()
        else:
            self.kept += data

    def _prove(self) -> None:
        if self.fate is Fate.UNPROVEN:
            self.fate = Fate.PROVEN
            self.kept = bytearray()

    def _refused(self) -> None:
        refusal = classify(self._error_text.decode("utf-8", "replace"), self.port)
        if self.fate is Fate.UNPROVEN and refusal.safe and self._owner.failed(self, refusal):
            self.link = None
            self.choke()  # until it is open elsewhere
            return
        self.lost(ConnectionResetError(refusal.text))

    def _maybe_over(self) -> None:
        """The far side's end of input, once all of it has been handed over."""
        if not (self._far_said_all and self._error_ended) or self._waiting or self.fate is Fate.OVER:
            return
        self._stop_timer()
        if not self._protocol.eof_received() or self._said_all:
            self.lost(None)

    def _wait(self, data: bytes) -> None:
        self._waiting.append(data)
        self._backlog += len(data)
        if self._backlog >= SLACK and self.link:
            self.link.pause(self)

    def _await_silence(self) -> None:
        left = self._heard + HOLD_FIN - self._loop.time()
        if left > 0:
            self._fin_timer = self._loop.call_later(left, self._await_silence)
        elif self.link:
            self.link.finish(self)

    def _stop_timer(self) -> None:
        if self._fin_timer:
            self._fin_timer.cancel()
            self._fin_timer = None
