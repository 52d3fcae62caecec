"""One SPDY connection to one pod: frames out, frames in, and whether it can take another stream."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Protocol, cast

from kfw.kube.pod_upgrade import WEBSOCKET, Upgraded
from kfw.methods.tunnel.framing import Framing, InWebSocket, RawSpdy, joined, merged
from kfw.methods.tunnel.pings import Pings, Quarantine
from kfw.methods.tunnel.policy import Policy
from kfw.methods.tunnel.stream import Leave, Stream
from kfw.system.keepalive import UNACKNOWLEDGED
from kfw.wire.codec import Chunk, Role, WireError
from kfw.wire.portforward import open_connection
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import Data, Event, Goaway, Ping, Pong, Rst, SpdyError, SynReply

#: Milliseconds that the far side may acknowledge nothing. In use: an API server may be silent for as long, and connections
#: go on where they were; new ones do not wait for it. Warm: as an API server has it, as nothing is lost with such a link.
IN_USE, WARM = 60_000, UNACKNOWLEDGED
#: linux/tcp.h, since 6.15: at most so many milliseconds between two retransmissions. Without it connections go on only
#: after a pause as long again as half the silence was.
_TCP_RTO_MAX_MS, _RTO_MAX = 44, 1000

#: SYN_STREAMs of a connection come in this order, so the error stream is the number before the data stream's.
_ERROR_BEFORE_DATA = 2


class LinkOwner(Protocol):
    def on_idle(self, link: "Link") -> None:
        """It can take a stream again."""
        ...

    def on_retired(self, link: "Link") -> None:
        """It takes no more."""
        ...

    def on_gone(self, link: "Link") -> None:
        """It is closed. Called once."""
        ...


class Link(asyncio.Protocol):
    """`carriage` and `be_patient` are set by who makes it, before it is handed a transport.

    `be_patient(milliseconds)`: so long the kernel waits for a far side that acknowledges nothing. `clock`: seconds, for
    round trips.
    """

    carriage: Framing
    be_patient: Callable[[int], None]

    def __init__(
        self, pod: str, transport_name: str, owner: LinkOwner, policy: Policy, clock: Callable[[], float]
    ) -> None:
        self.pod = pod
        self.transport_name = transport_name
        self.usable = True  # for new streams
        self.suspect = False  # it is late with an answer that others have given
        self.why = ""  # it is not usable
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._policy = policy
        self._spdy = SpdyConnection(Role.CLIENT, read_headers=False)
        self._pings = Pings(self._spdy, clock)
        self._requests = count()
        self._streams: dict[int, Stream] = {}  # by the number of the data stream
        self._numbers: dict[Stream, int] = {}
        self._seen = 0  # the last stream that the far side has replied to
        self._stalled: set[Stream] = set()  # those for whose sake nothing is read
        self._outbox: list[Chunk] = []
        self._flushing: asyncio.TimerHandle | None = None
        self._is_full = False
        self.closed = False
        self.proven = False  # it has carried a stream, or answered
        self.keep: object = None  # lives as long as this does
        self._unwanted = 0  # bytes of streams that have left
        self._settling = Quarantine(
            lambda: self.answers(policy.settle), self._unwanted_bytes, self._on_settled, flood=policy.flood
        )
        self.idle_since = self.heard_at = self._loop.time()

    @property
    def live(self) -> int:
        return len(self._numbers)

    @property
    def shared(self) -> bool:
        return len(self._numbers) > 1

    @property
    def stalled(self) -> bool:
        return bool(self._stalled)

    @property
    def settling(self) -> bool:
        """A stream has left doubts, and PINGs have not dispelled them yet."""
        return self._settling.active

    @property
    def free(self) -> bool:
        """It has no stream, and nothing speaks against one."""
        return self.usable and not (self._numbers or self.suspect or self._settling.active)

    def clear_suspicion(self) -> None:
        """It has answered after all."""
        self.suspect = False
        if self.free:
            self._owner.on_idle(self)

    # -- for the pool

    def open(self, stream: Stream) -> None:
        """What the client has said already goes with it: the app's answer is one round trip away.

        Raises WireError when the link has had as many streams as it can number.
        """
        self.proven = True
        first = stream.on_opened(self)
        opening = open_connection(self._spdy, stream.port, next(self._requests), first)
        self._streams[opening.data] = stream
        self._numbers[stream] = opening.data
        if self._is_full:
            stream.pause_writing()
        else:
            stream.resume_writing()
        self._write((opening.wire,), within=0)

    def answers(self, seconds: float) -> "asyncio.Future[float | None]":
        """Will be the seconds of a round trip to all workers of the runtime; None: not within `seconds`."""
        wire, answer = self._pings.ask(seconds)
        self._write((wire,))
        if self.closed:
            self._pings.end()
        return answer

    def retire(self, why: str) -> None:
        """No new streams; it ends with its last one."""
        if self.usable:
            self.usable, self.why = False, why
            self._owner.on_retired(self)
        if not self._numbers:
            self._loop.call_later(self._policy.linger, self.abort, why)

    def abort(self, why: str) -> None:
        """Its streams are lost now."""
        self.usable = False
        self.why = self.why or why
        if not self.closed:
            self._flush()
            self._transport.abort()

    # -- for its streams

    def write(self, stream: Stream, data: bytes) -> None:
        self._write(self._spdy.data(self._numbers[stream], data))

    def finish(self, stream: Stream) -> None:
        self._write(self._spdy.data(self._numbers[stream], b"", fin=True))

    def leave(self, stream: Stream, how: Leave, *, doubtful: bool) -> None:
        number = self._numbers.pop(stream)
        del self._streams[number]
        self._write(self._farewell(number, how), within=self._policy.farewell)
        self.resume(stream)
        self._settling.on_left()
        if doubtful:
            self._settling.suspect()
        if self._numbers:
            return
        self.idle_since = self._loop.time()
        if not self.usable:
            self._loop.call_later(self._policy.linger, self.abort, self.why)
        elif not self.settling:
            self._owner.on_idle(self)

    def pause(self, stream: Stream) -> None:
        if not self._stalled:
            self._transport.pause_reading()
        self._stalled.add(stream)

    def resume(self, stream: Stream) -> None:
        if stream in self._stalled:
            self._stalled.discard(stream)
            if not self._stalled and not self.closed:
                self._transport.resume_reading()

    # -- for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._policy.write_high, low=self._policy.write_low)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        try:
            for payload in self.carriage.unwrap(data):
                self._handle(self._spdy.receive(payload))
            if self._settling.floods:  # it would go on for a second, 300 MB of it
                (self.retire if self._numbers else self.abort)("a download was left early")
        except SpdyError as error:
            self._handle(cast(Iterable[Event], error.events))
            self.abort(error.what)
        except WireError as error:
            self.abort(error.what)

    def pause_writing(self) -> None:
        self._is_full = True
        for stream in tuple(self._numbers):
            stream.pause_writing()

    def resume_writing(self) -> None:
        self._is_full = False
        for stream in tuple(self._numbers):
            stream.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed, self.usable = True, False
        self.why = self.why or (str(exc) if exc else "the far side closed the tunnel")
        self._pings.end()
        streams = tuple(self._numbers)
        self._numbers.clear()
        self._streams.clear()
        for stream in streams:
            stream.on_broken(f"the tunnel to pod {self.pod} broke: {self.why}")
        self._owner.on_gone(self)

    # -- inside

    def _write(self, chunks: Iterable[Chunk], *, within: float | None = None) -> None:
        """`within` so many seconds, together with what is written meanwhile; 0: at the end of this turn of the loop."""
        self._outbox += chunks
        if within is None:
            self._flush()
        elif within == 0:
            self._loop.call_soon(self._flush)
        elif self._flushing is None:
            self._flushing = self._loop.call_later(within, self._flush)

    def _flush(self) -> None:
        if self._flushing:
            self._flushing.cancel()
            self._flushing = None
        chunks, self._outbox = self._outbox, []
        if chunks and not self.closed:
            self._transport.write(joined(self.carriage.wrap(chunks)))

    def _handle(self, events: Iterable[Event]) -> None:
        for event in merged(events):
            match event:
                case Data(number, payload, fin):
                    self._on_data(number, payload, fin)
                case Rst(number):
                    self._on_rst(number)
                case Ping(number):
                    self._write((self._spdy.pong(number),))
                case Pong(number):
                    self.proven = True
                    self._pings.on_pong(number)
                case SynReply(number):
                    self._seen = max(self._seen, number)
                case Goaway(last):
                    self.retire("the far side takes no more connections")
                    self._hand_back(max(last, self._seen))

    def _on_data(self, number: int, payload: bytes, fin: bool) -> None:
        if stream := self._streams.get(number):
            if payload:
                stream.data_received(payload)
            if fin and number in self._streams:  # it may have left meanwhile
                stream.on_closed()
        elif stream := self._streams.get(number + _ERROR_BEFORE_DATA):
            if payload:
                stream.on_error_text(payload)
            if fin and number + _ERROR_BEFORE_DATA in self._streams:
                stream.on_error_over()
        else:
            self._unwanted += len(payload)

    def _hand_back(self, last: int) -> None:
        """The far side has done nothing with the streams after this one (SPDY/3.1, section 2.6.6)."""
        for number, stream in tuple(self._streams.items()):
            if number > last:
                stream.on_not_processed()

    def _on_rst(self, number: int) -> None:
        if stream := self._streams.get(number):
            stream.on_reset()
        elif stream := self._streams.get(number + _ERROR_BEFORE_DATA):
            stream.on_error_over()

    def _farewell(self, number: int, how: Leave) -> Sequence[Chunk]:
        """Where the far side has not ended, RST_STREAM rather than FIN: nobody wants what is still to come, and the runtime
        hands on what it has in both cases. It is a seventh of the cluster's work for a short connection."""
        if how is not Leave.ENDED:
            return [self._spdy.rst(one) for one in (number, number - _ERROR_BEFORE_DATA)]
        return self._spdy.data(number, b"", fin=True) if self._spdy.may_send(number) else ()

    def _on_settled(self, well: bool) -> None:
        if not well:
            self.retire("a connection that failed has blocked it")
        elif self.free:
            self._owner.on_idle(self)

    def _unwanted_bytes(self) -> int:
        return self._unwanted + self._spdy.dropped


def attach(
    upgraded: Upgraded, pod: str, owner: LinkOwner, policy: Policy, clock: Callable[[], float]
) -> Link:
    """A link on the upgraded connection."""
    writer = upgraded.streams[1]
    transport = writer.transport
    encrypted = transport.get_extra_info("ssl_object") is not None
    sock = transport.get_extra_info("socket")
    _retransmit_often(sock)
    _be_patient(sock, IN_USE)
    made = Link(pod, upgraded.transport.name, owner, policy, clock)
    in_websocket = upgraded.transport is WEBSOCKET
    made.be_patient = partial(_be_patient, sock)
    made.carriage = InWebSocket(transport.write, encrypted=encrypted) if in_websocket else RawSpdy()
    made.keep = writer  # a collected writer would close its transport
    transport.set_protocol(made)
    made.connection_made(transport)
    if upgraded.rest:
        made.data_received(upgraded.rest)
    return made


def _be_patient(sock: socket.socket, milliseconds: int) -> None:
    """The kernel's own questions, from system.keepalive, go on every second or two and cost nothing here."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):  # it is closed already
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _retransmit_often(sock: socket.socket) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # an older kernel
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_RTO_MAX_MS, _RTO_MAX)
