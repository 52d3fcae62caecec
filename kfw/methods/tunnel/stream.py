"""One connection: to the relay a transport like any other, to its link two streams of the far side."""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from kfw.methods.tunnel.policy import Policy
from kfw.methods.tunnel.pool_state import PoolRequest
from kfw.relay.dialer import HearsRefusals, RefusedByApp
from kfw.wire.portforward import MAX_TEXT, FailureKind, Refusal, classify, in_short


class Leave(Enum):
    """How a stream leaves its link."""

    ENDED = "ended"  # the far side has ended it
    CLOSE = "close"  # the client has said all, and left
    RESET = "reset"  # the client has broken off


class ResetByApp(ConnectionResetError):
    """The connection's own affair."""


class StreamLink(Protocol):
    """What a stream needs of its link."""

    pod: str

    @property
    def shared(self) -> bool:
        """It carries other streams as well."""
        ...

    def write(self, stream: "Stream", data: bytes) -> None: ...
    def finish(self, stream: "Stream") -> None: ...
    def leave(self, stream: "Stream", how: Leave, *, doubtful: bool) -> None: ...
    def pause(self, stream: "Stream") -> None: ...
    def resume(self, stream: "Stream") -> None: ...


class StreamOwner(Protocol):
    def on_refused(self, stream: "Stream", refusal: Refusal) -> bool:
        """The app got nothing of it. True: it is tried elsewhere, with what `kept` holds."""
        ...

    def on_returned(self, stream: "Stream") -> bool:
        """The same for one that its link takes no more."""
        ...

    def on_ended(self, stream: "Stream", error: Exception | None) -> None: ...


class Outcome(Enum):
    OPEN = "open"
    CLOSED = "closed"  # the app has said all, and nothing can be said to it any more
    FAILED = "failed"  # `text` says why
    RESET = "reset"  # without a word


class CloseTracker:
    """How a connection ends, as the far side tells it: by two streams, each with an end of its own, in any order.

    A graceful end is a FIN on each. A failure is a text on the error stream; its FIN, or (newer kubelets) RST_STREAM on
    both streams, comes after it. The data stream's FIN may overtake the text: with a refused port by 0.9 ms
    (docs/tunnel.md, Surprises of the wire), so nothing is known before the error stream has ended, too.
    """

    def __init__(self) -> None:
        self._text = bytearray()
        self._data_closed = False
        self._data_reset = False
        self._error_over = False

    @property
    def begun(self) -> bool:
        """Nobody reads what would be sent now."""
        return self._data_closed or self._data_reset or bool(self._text)

    @property
    def outcome(self) -> Outcome:
        if self._text and (self._error_over or self._data_reset):
            return Outcome.FAILED
        if not self._error_over:
            return Outcome.OPEN
        if self._data_reset:
            return Outcome.RESET
        return Outcome.CLOSED if self._data_closed else Outcome.OPEN

    @property
    def text(self) -> str:
        return self._text.decode("utf-8", "replace")

    def on_data_closed(self) -> None:
        self._data_closed = True

    def on_data_reset(self) -> None:
        self._data_reset = True

    def on_error_text(self, text: bytes) -> None:
        self._text += text[: MAX_TEXT - len(self._text)]

    def on_error_over(self) -> None:
        """By FIN, by RST_STREAM, or because it is long overdue."""
        self._error_over = True


class ReadBuffer:
    """What has come for a client that takes no more for now. `hand_over` may pause it again."""

    def __init__(self, hand_over: Callable[[bytes], None]) -> None:
        self.size = 0  # bytes
        self.paused = False
        self._hand_over = hand_over
        self._waiting: list[bytes] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, data: bytes) -> None:
        if self.paused:
            self._waiting.append(data)
            self.size += len(data)
        else:
            self._hand_over(data)

    def resume(self) -> None:
        """Hand over what waits, in its order."""
        self.paused = False
        waiting, self._waiting, self.size = self._waiting, [], 0
        for data in waiting:
            self.add(data)


class Stream(asyncio.Transport):
    """`protocol` is the relay's end; `port` the pod's. `request`: where it was tried, and how long it may be."""

    def __init__(
        self, protocol: asyncio.Protocol, owner: StreamOwner, request: PoolRequest, policy: Policy
    ) -> None:
        super().__init__()
        self.request = request
        self.pod = ""
        self.port = 0
        self.link: StreamLink | None = None
        self._protocol = protocol
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._policy = policy
        self._placed_at = self._loop.time()
        self._made = False  # the relay has been told of it
        self._over = False
        self._kept = bytearray()
        self._proven = False  # the app has something of it: it answered, or more was sent than is kept
        self._unanswered = 0  # bytes sent since the app has last said something
        self._received = 0
        self._heard = self._loop.time()  # the app, or that the client has said all
        self._backlog = ReadBuffer(self._to_client)
        self._writing_paused = False
        self._said_all = False  # the client
        self._closed_by_app = False
        self._ending = CloseTracker()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # -- for the relay

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`endpoint`: the pod. `placed_at`: since when it is on its link, by the loop's time; None: on none for now."""
        if name == "placed_at":
            return self._placed_at if self.link else None
        return self.pod if name == "endpoint" and self.pod else default

    def is_closing(self) -> bool:
        return self._over

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed_by_app:  # as a socket would: nobody reads this any more
            self.end(ConnectionResetError("the app has closed the connection"))
        if self._over:
            return
        if not self._proven:
            self._keep(data)
        if self.link and not self._ending.begun:
            self._unanswered += len(data)
            self.link.write(self, bytes(data))

    def write_eof(self) -> None:
        """Held back: the far side would cut off its answer."""
        if self._said_all or self._over:
            return
        self._said_all = True
        self._heard = self._loop.time()
        if self._closed_by_app:
            self.end(None)
        else:
            self._finish_when_silent()

    def pause_reading(self) -> None:
        self._backlog.paused = True
        self._stop_link_if_need_be()

    def resume_reading(self) -> None:
        if self._backlog.paused:
            self._backlog.resume()
        if not (self._backlog.paused or self._over):
            if self.link:
                self.link.resume(self)
            self._judge()

    def close(self) -> None:
        self.end(None)

    def abort(self) -> None:
        self.end(None, Leave.RESET)

    # -- for the link

    def on_opened(self, link: StreamLink) -> bytes:
        """It is on this link now. Returns what must be sent first: what the client has said so far."""
        self.link, self.pod = link, link.pod
        self._placed_at = self._loop.time()
        self._ending = CloseTracker()
        self._unanswered = len(self._kept)
        self._heard = self._loop.time()
        if not self._made:
            self._made = True
            self._protocol.connection_made(self)
        if self._said_all:
            self._finish_when_silent()
        return bytes(self._kept)

    def data_received(self, data: bytes) -> None:
        self._prove()
        self._unanswered = 0
        self._received += len(data)
        self._heard = self._loop.time()
        self._backlog.add(data)
        if self._backlog.paused:
            self._stop_link_if_need_be()

    def on_closed(self) -> None:
        """The far side's FIN."""
        self._ending.on_data_closed()
        self._judge()

    def on_reset(self) -> None:
        self._ending.on_data_reset()
        self._judge()

    def on_error_text(self, text: bytes) -> None:
        self._ending.on_error_text(text)
        self._judge()

    def on_error_over(self) -> None:
        self._ending.on_error_over()
        self._judge()

    def pause_writing(self) -> None:
        """No more may be written for now."""
        if not (self._writing_paused or self._over):
            self._writing_paused = True
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._writing_paused and not self._over:
            self._writing_paused = False
            self._protocol.resume_writing()

    def on_broken(self, why: str) -> None:
        """The link is gone under it, and nobody knows what the app got."""
        self.link = None
        self.end(ConnectionResetError(why))

    def on_not_processed(self) -> None:
        """The far side goes away and has not seen it: the app got nothing."""
        self._leave(Leave.RESET)
        self.pause_writing()  # until it is open elsewhere
        if self._proven or not self._owner.on_returned(self):
            self.end(ConnectionResetError(f"the tunnel to pod {self.pod} takes no more connections"))

    # -- for the owner and itself

    def tell_refusal(self) -> None:
        if isinstance(self._protocol, HearsRefusals):
            self._protocol.on_refused(self.request.refusal)

    def end(self, error: Exception | None, how: Leave = Leave.CLOSE) -> None:
        """It is over; `error` becomes a reset of the client."""
        if self._over:
            return
        self._over = True
        for timer in self._timers.values():
            timer.cancel()
        self._leave(Leave.ENDED if self._ending.begun else Leave.RESET if error else how)
        self._owner.on_ended(self, error)
        if self._made:
            self._loop.call_soon(self._protocol.connection_lost, error)

    def _leave(self, how: Leave) -> None:
        link, self.link = self.link, None
        if link:
            link.leave(self, how, doubtful=self._leaves_doubts())

    def _leaves_doubts(self) -> bool:
        """Data that nobody reads blocks a worker of the runtime for good (containerd 1.6), and an app goes on to send for
        1 s to a client that has left (docs/tunnel.md, Surprises of the wire)."""
        if self._ending.begun:
            return self._unanswered > 0
        silent = self._loop.time() - self._heard
        return self._received >= self._policy.download and silent < self._policy.download_recent

    def _keep(self, data: bytes | bytearray | memoryview) -> None:
        if self.link and not self._ending.begun and len(self._kept) + len(data) > self._policy.kept:
            self._prove()
        else:
            self._kept += data

    def _prove(self) -> None:
        if not self._proven:
            self._proven = True
            self._kept = bytearray()

    def _to_client(self, data: bytes) -> None:
        if not self._over:
            self._protocol.data_received(data)

    def _stop_link_if_need_be(self) -> None:
        """There is no flow control for a stream, only for its link."""
        if self.link and (self._backlog.size >= self._policy.slack or not self.link.shared):
            self.link.pause(self)

    def _judge(self) -> None:
        outcome = self._ending.outcome
        if self._over or self._closed_by_app:
            return
        if outcome is Outcome.FAILED:
            self._failed()
        elif outcome is Outcome.RESET:
            self.end(ResetByApp("the far side reset the connection"))
        elif outcome is Outcome.OPEN and self._ending.begun:
            self._later("late", self._policy.late_end, self.on_error_over)
        elif outcome is Outcome.CLOSED and not self._backlog:
            self._close_by_app()

    def _close_by_app(self) -> None:
        """All of it has been handed over. Its link is free again, whenever the client may close its side."""
        self._closed_by_app = True
        self._leave(Leave.ENDED)
        if not self._protocol.eof_received() or self._said_all:
            self.end(None)

    def _failed(self) -> None:
        refusal = classify(self._ending.text, self.port)
        self._leave(Leave.ENDED)
        if refusal.safe and not self._proven:
            self.pause_writing()  # until it is open elsewhere
            if self._owner.on_refused(self, refusal):
                return
        if self.request.refused_at is not None and not self._proven:
            self.end(RefusedByApp(self.request.refusal))
        else:
            kind = ResetByApp if refusal.kind is FailureKind.RESET else ConnectionResetError
            self.end(kind(in_short(refusal, self.pod, self.port)))

    def _finish_when_silent(self) -> None:
        left = self._heard + self._policy.hold_fin - self._loop.time()
        self._later("finish", left, self._finish)

    def _finish(self) -> None:
        if self._loop.time() < self._heard + self._policy.hold_fin:
            self._finish_when_silent()
        elif self.link:
            self.link.finish(self)

    def _later(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._loop.call_later(seconds, act)
