"""One connection of a client: it waits, is dialed for, is joined to the far side, and ends."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from kfw.backoff import Backoff
from kfw.errors import words_of
from kfw.names import RowName
from kfw.relay.dialer import ClosesByItself, Dialer, DialFailed, RefusedByApp
from kfw.relay.disconnect import DisconnectWatcher, departed
from kfw.relay.pump import End, join, reset, shut
from kfw.relay.stage_times import StageTimes
from kfw.relay.suspicion import Suspicion
from kfw.system.open_files import OPEN_FILES, OpensFor, Use

#: Seconds between two dials for the same connection.
PAUSES = Backoff(0.02, 0.5)
#: A way that closes connections by itself does so within these seconds before or after its own end.
AROUND_THE_END = 0.3


@dataclass(slots=True)
class ListenerState:
    """What the connections of one listener have in common. No `dialer`: they wait, `why`; `refused`: that is because
    everybody refuses them. In seconds: `hold`, and `hold_refused` from a refusal on. `on_wait`: one waits for the far side,
    which `suspicion` knows."""

    name: str | RowName
    hold: float
    log: logging.Logger
    on_refused: Callable[["LocalConnection", str], None]
    on_end: Callable[["LocalConnection"], None]
    on_wait: Callable[["LocalConnection"], None]
    suspicion: Suspicion
    hold_refused: float = 2.0
    dialer: Dialer | None = None
    why: str = ""
    refused: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class NearEnd(End):
    """The client's end, which tells when it has first said something."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        first = not self.read
        super().data_received(data)
        if first:
            cast(LocalConnection, self.owner).on_asked()


class FarEnd(End):
    """The endpoint's end, which knows when it has first said something (the loop's time; None: not yet)."""

    __slots__ = ("spoke_at",)

    def __init__(self, owner: "LocalConnection") -> None:
        super().__init__(owner)
        self.spoke_at: float | None = None

    def data_received(self, data: bytes) -> None:
        if not self.read:
            self.spoke_at = asyncio.get_running_loop().time()
            cast(LocalConnection, self.owner).on_answer(self.spoke_at)
        super().data_received(data)

    def on_refused(self, why: str) -> None:
        """See dial.HearsRefusals."""
        cast(LocalConnection, self.owner).tell_refusal(why)


class Tap(Protocol):
    """Is told what goes through a connection; must return at once."""

    def said(self, connection: "LocalConnection", data: bytes, *, by_client: bool) -> None: ...


class TappedNearEnd(NearEnd):
    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        _tell_tap(self, data, by_client=True)
        super().data_received(data)


class TappedFarEnd(FarEnd):
    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        _tell_tap(self, data, by_client=False)
        super().data_received(data)


def _tell_tap(end: End, data: bytes, *, by_client: bool) -> None:
    connection = cast(LocalConnection, end.owner)
    if connection.tap is not None:
        connection.tap.said(connection, data, by_client=by_client)


class LocalConnection:
    """`near` is the client's end, `far` the endpoint's, None until a dial has succeeded.

    `client` is its address and port, once known. `how` it ended, "" before; `failed`: neither side wanted that end.
    `tap` is set before it begins, or never: an end that is not tapped is a plain one, so that it costs nothing.
    """

    __slots__ = (
        "_cut_short", "_dialed_at", "_dialing", "_joined_at", "_judging", "_lookout", "_loop", "_made", "_opened_at",
        "_patience", "_refused", "_since", "_terms", "_told", "_why", "client", "closed_by_far", "dialer", "failed", "far",
        "how", "near", "tap",
    )  # fmt: skip

    def __init__(self, terms: ListenerState) -> None:
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._made = False
        # When it was made, its last dial was begun, and that had succeeded, by the loop's time; 0: not yet.
        self._opened_at = self._dialed_at = self._joined_at = 0.0
        self._dialing: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None  # until the hold is over
        self._refused: asyncio.TimerHandle | None = None  # the same, while everybody refuses it
        self._told = False  # that it was refused
        self._lookout: DisconnectWatcher | None = None  # whether the client is still there
        self._cut_short = False  # the far side has closed it without an answer
        self._judging: asyncio.TimerHandle | None = None  # whether that it was closed was the app's word
        self._why = ""  # it waits
        self.client: tuple[str, int] | None = None
        self.closed_by_far: float | None = None  # when, by the loop's time, if before the client
        self.how = ""
        self.failed = False
        self.tap: Tap | None = None
        self.near = NearEnd(self)
        self.far: FarEnd | None = None
        self.dialer: Dialer | None = None  # who made the far end

    @property
    def name(self) -> str | RowName:
        """Of the listener."""
        return self._terms.name

    @property
    def seconds(self) -> float:
        """Since it was accepted."""
        return self._loop.time() - self._since

    @property
    def first_byte(self) -> float | None:
        """Seconds from then to the first byte of the far side."""
        spoke_at = self.far.spoke_at if self.far is not None else None
        return None if spoke_at is None else spoke_at - self._since

    @property
    def stages(self) -> StageTimes:
        spoke_at = self.far.spoke_at if self.far is not None else None
        return StageTimes.of(self._since, self._opened_at, self._dialed_at, self._joined_at, spoke_at)

    @property
    def endpoint(self) -> str:
        """Where it goes, as far as the way knows that of each connection: a pod's name."""
        return str(self.far.transport.get_extra_info("endpoint", "")) if self.far is not None else ""

    @property
    def waits_for(self) -> str:
        """Why it is not joined."""
        return "" if self.joined else self._why

    @property
    def joined(self) -> bool:
        return self.far is not None

    @property
    def unanswered(self) -> bool:
        """The far side has ended it, or could not be reached, before it said anything to a client that waited for it; or
        the client has asked, heard nothing and left, which counts where others are answered."""
        if self.bytes_in:
            return False
        return self._cut_short or self.failed or bool(self.bytes_out and self._terms.suspicion.answers)

    @property
    def bytes_in(self) -> int:
        """From the cluster to the client."""
        return self.far.read if self.far is not None else 0

    @property
    def bytes_out(self) -> int:
        return self.near.read if self.far is not None else 0

    def begin(self, sock: socket.socket) -> None:
        if self.tap is not None:
            self.near = TappedNearEnd(self)
        self._spawn(self._adopt(sock))

    def go(self) -> None:
        """Do as the terms say now: dial, or wait. A connection that is joined already is left alone."""
        if self.joined or self.how or not self._made:
            return
        self._stop_dialing()
        if self._terms.dialer is not None:
            self._terms.on_wait(self)
            self._dialing = self._spawn(self._dial(self._terms.dialer))
        else:
            self._wait(self._terms.why, refused=self._terms.refused)

    def tell_refusal(self, why: str) -> None:
        """Once: everybody has refused it."""
        if not self._told:
            self._told = True
            self._terms.on_refused(self, why)

    def on_asked(self) -> None:
        """The client has said its first byte."""
        if self.far is not None and not self.far.read:
            self._terms.on_wait(self)

    def on_answer(self, now: float) -> None:
        """The far side has."""
        self._terms.suspicion.answered(self, now, unasked=not self.near.read)

    def cut(self, how: str) -> None:
        """Reset both sides now."""
        self.how = self.how or how
        self._stop_dialing()
        if self._judging is not None:
            self._judged()
        for end in (self.near, self.far):
            if end is not None and self._made and not end.gone:
                reset(end)

    def on_open(self, end: End) -> None:
        if end is not self.near:
            return
        self._made = True
        self._opened_at = self._loop.time()
        name = end.transport.get_extra_info("peername")
        self.client = name[:2] if name else None
        if self.how:
            reset(end)
        elif OPEN_FILES.shortage() and departed(end.transport.get_extra_info("socket")):
            self.cut("the client left while it waited to be accepted")
        else:
            self.go()

    def on_buffer_full(self, end: End) -> None:
        self._look_out(end)

    def on_eof(self, end: End) -> None:
        if end is self.far and not self.near.finished:
            self._cut_short = bool(self.near.read) and not end.read
            self.closed_by_far = self._loop.time()
        if end.other is None:
            self._look_out(end)
        elif end is self.near and departed(end.transport.get_extra_info("socket")):
            self._client_left()
        else:
            shut(end.other)
            self._look_out(end)

    def on_close(self, end: End, error: Exception | None) -> None:
        """What ended one side ends the other: a reset at once, a close when all is written."""
        if end is not self.near and end is not self.far:
            return  # what is left of a dial that failed
        if not self.how:
            self.how = _ending(end is self.near, error)
            self.failed = error is not None and end is self.far
        self._stop_dialing()
        other = self.far if end is self.near else self.near
        if other is None or other.gone:
            self._judge()
        elif error is not None:
            reset(other)
        else:
            other.transport.close()

    async def _adopt(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: self.near, sock)
        except OSError as error:  # it was gone before we came to it
            sock.close()
            self.how = words_of(error)
            self._over()

    async def _dial(self, dialer: Dialer) -> None:
        failures = 0
        while (far := await self._dial_once(dialer)) is None:
            failures += 1
            await asyncio.sleep(PAUSES.after(failures))
        self._dialing = None
        self._stop_waiting()
        self._joined_at = self._loop.time()
        self.far, self.dialer = far, dialer
        if self.near.read or self._terms.suspicion.app_speaks_first:
            self._terms.on_wait(self)
        else:
            self._terms.suspicion.forget(self)
        if far.gone or far.transport.is_closing():
            self._give_up("the pod closed the connection at once")
        else:
            join(self.near, far)
            if self.near.finished:
                self._look_out(self.near)

    async def _dial_once(self, dialer: Dialer) -> FarEnd | None:
        """None: not this time, and the app got nothing."""
        far = FarEnd(self) if self.tap is None else TappedFarEnd(self)
        self._dialed_at = self._loop.time()
        try:
            with OpensFor(Use.DIAL):
                await dialer.dial(lambda: far)
        except DialFailed as failed:
            if not failed.safe:
                self._give_up(failed.why)
            self._wait(failed.why, refused=failed.refused)
            return None
        return far

    def _wait(self, why: str, *, refused: bool) -> None:
        self._why = why
        if self.how:
            return
        if self._patience is None:
            self._patience = self._loop.call_at(self._since + self._terms.hold, self._hold_over)
        if not refused:
            self._forget_refusal()
        elif self._refused is None:
            self._refused = self._loop.call_later(self._terms.hold_refused, self._refused_long_enough)
        if refused:
            self.tell_refusal(why)

    def _hold_over(self) -> None:
        self._give_up(f"no ready endpoint within {self._terms.hold:g} s: {self._why}")

    def _refused_long_enough(self) -> None:
        self._give_up(self._why)

    def _forget_refusal(self) -> None:
        """There is something else to wait for."""
        if self._refused is not None:
            self._refused.cancel()
            self._refused = None

    def _give_up(self, why: str) -> None:
        self._terms.log.warning("%s: connection from %s is reset: %s", self._terms.name, self._client(), why)
        self.failed = self.failed or not self.how
        self.cut(why)

    def _look_out(self, end: End) -> None:
        """Nothing is read from it any more, so its leaving does not show: nobody dials for a client that is gone, and
        none is kept for an answer that may never come. One that is joined may wait for it without a word of its own."""
        if end is self.near and self._lookout is None:
            silent = not end.read and not self.joined
            self._lookout = DisconnectWatcher(end.transport.get_extra_info("socket"), silent=silent)
            self._lookout.begin(self._client_left)

    def _client_left(self) -> None:
        """It wants no answer. What it said still goes to the far side, which need not end for this one to be given back."""
        if self.far is None:
            self.cut("the client left while it waited")
        else:
            self.far.transport.close()
            self.near.transport.abort()

    def _stop_dialing(self) -> None:
        if self._dialing is not None:
            self._dialing.cancel()
            self._dialing = None

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        if self._lookout is not None:
            self._lookout.end()
        self._patience = self._lookout = None
        self._forget_refusal()

    def _judge(self) -> None:
        """It is over. Where a close is not the app's own word it may be a loss, which is known a moment later."""
        if self.failed or self.closed_by_far is None or not isinstance(self.dialer, ClosesByItself):
            self._over()
        elif self._cut_short or self.dialer.over_at is not None:
            self._judged()
        else:
            self._judging = self._loop.call_later(AROUND_THE_END, self._judged)

    def _judged(self) -> None:
        assert self.closed_by_far is not None and isinstance(self.dialer, ClosesByItself)
        if self._judging is not None:
            self._judging.cancel()
            self._judging = None
        over_at = self.dialer.over_at
        if self._cut_short or (over_at is not None and self.closed_by_far >= over_at - AROUND_THE_END):
            self.failed = True
            self.how = "the path closed it" if self.how == "closed" else self.how
        self._over()

    def _over(self) -> None:
        self._stop_waiting()
        log = self._terms.log
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "%s: connection from %s: %d bytes in, %d out, %.3f s, %s",
                self._terms.name, self._client(), self.bytes_in, self.bytes_out, self.seconds, self.how,
            )  # fmt: skip
        self._terms.on_end(self)

    def _client(self) -> str:
        return f"{self.client[0]} port {self.client[1]}" if self.client else "a client"

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine)
        self._terms.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._terms.tasks.discard(task)
        if task.cancelled():
            if task is self._dialing:  # by what it waited for, and nobody else would end this connection
                self._terms.log.error("%s: a dial was cancelled by what it waited for", self._terms.name)
                self._give_up("kfw failed: the dial was cancelled")
            return
        if (bug := task.exception()) is not None:
            self._terms.log.error("%s: a dial failed unexpectedly", self._terms.name, exc_info=bug)
            self._give_up(f"kfw failed: {bug}")


def _ending(near: bool, error: Exception | None) -> str:
    if error is None:
        return "closed"
    if isinstance(error, RefusedByApp):
        return str(error)
    said = str(error)
    return (
        said
        if "reset the connection" in said
        else f"the {'client' if near else 'pod'} reset the connection: {said}"
    )
