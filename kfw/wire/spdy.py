"""SPDY/3.1 without IO, for both sides: bytes in, events out; calls in, bytes out.

    tunnel = SpdyConnection(Role.CLIENT)
    stream, wire = tunnel.open_stream({"streamtype": "data", ...})
    for event in tunnel.receive(chunk):
        match event:
            case Data(stream, payload, fin): ...

SPDY has a window for each stream. spdystream, the far end in every container runtime, ignores WINDOW_UPDATE
and sends none [read and run], so kfw does the same: who stops reading a connection stops all its streams.

Frames for a stream that has ended are not an error: both sides may end it at the same time, and containerd may
even send DATA after its own FIN (it closes the stream while its copy loop still runs). Frames for one that
never was are.

DATA goes through `receive` with at most one copy of it and nothing kept: 64 KiB chunks at 9 GB/s in frames
of 32 KiB (what a Go server sends), 0.5 GB/s in frames of 1 KiB (`python -m tests.wire.measure`, Python
3.11).
"""

from collections.abc import Callable, Mapping
from itertools import count
from struct import Struct

from kfw.wire.codec import Chunk, Role
from kfw.wire.spdy_frames import (
    FIN,
    MAX_STREAM,
    UNIDIRECTIONAL,
    Control,
    Data,
    Event,
    FrameLimits,
    Goaway,
    Headers,
    Ping,
    Pong,
    Rst,
    RstStatus,
    SpdyError,
    SpdyFramer,
    SynReply,
    SynStream,
    Type,
    control,
    data_frames,
    two_numbers,
)
from kfw.wire.spdy_headers import HeaderReader, HeaderWriter

_WE_ENDED, _PEER_ENDED, _BOTH_ENDED = 1, 2, 3
_ONE = Struct(">I")
_TWO = Struct(">II")
_SYN_STREAM = Struct(">IIBB")  # stream, associated stream, priority, slot


class Streams:
    """Numbers go up; odd ones are the client's, even ones the server's (SPDY Draft 3.1, section 2.3.2)."""

    def __init__(self, role: Role, most: int) -> None:
        self._parity = 1 if role is Role.CLIENT else 0
        self._next = 1 if role is Role.CLIENT else 2
        self._most = most
        self._open: dict[int, int] = {}
        self.last_of_peer = 0

    def __len__(self) -> int:
        return len(self._open)

    def open_ours(self, *, ended: bool) -> int:
        stream = self._next
        if stream > MAX_STREAM:
            raise SpdyError("this SPDY connection has no stream numbers left")
        self._next += 2
        self._open[stream] = _WE_ENDED if ended else 0
        return stream

    def open_of_peer(self, stream: int, *, peer_ended: bool, we_ended: bool) -> None:
        if self.is_ours(stream) or stream <= self.last_of_peer:
            raise SpdyError(f"the far side opened stream {stream} out of turn")
        if len(self._open) >= self._most:
            raise SpdyError(f"the far side has more than {self._most} streams open")
        self.last_of_peer = stream
        self._open[stream] = 0
        if we_ended:
            self._end(stream, _WE_ENDED)
        if peer_ended:
            self._end(stream, _PEER_ENDED)

    def is_ours(self, stream: int) -> bool:
        return stream & 1 == self._parity

    def may_send(self, stream: int) -> bool:
        state = self._open.get(stream)
        return state is not None and not state & _WE_ENDED

    def send(self, stream: int, *, fin: bool) -> bool:
        """False if the stream is gone: nobody would read it. ValueError: we ended it before."""
        state = self._open.get(stream)
        if state is None:
            return False
        if state & _WE_ENDED:
            raise ValueError(f"stream {stream} was ended by us")
        if fin:
            self._end(stream, _WE_ENDED)
        return True

    def receive(self, stream: int, *, fin: bool) -> bool:
        """False if the frame is too late to mean anything. SpdyError if there never was such a stream."""
        state = self._open.get(stream)
        if state is None:
            self._require_past(stream)
            return False
        if state & _PEER_ENDED:
            return False
        if fin:
            self._end(stream, _PEER_ENDED)
        return True

    def reset_by_us(self, stream: int) -> bool:
        """False if it is gone."""
        return self._open.pop(stream, None) is not None

    def reset_by_peer(self, stream: int) -> bool:
        """False if it is gone. Raises SpdyError if there never was such a stream."""
        if self._open.pop(stream, None) is not None:
            return True
        self._require_past(stream)
        return False

    def _end(self, stream: int, side: int) -> None:
        state = self._open[stream] | side
        if state == _BOTH_ENDED:
            del self._open[stream]
        else:
            self._open[stream] = state

    def _require_past(self, stream: int) -> None:
        if stream == int.from_bytes(b"HTTP", "big"):
            raise SpdyError("the far side talks HTTP, not SPDY")
        if not 0 < stream <= (self._next - 2 if self.is_ours(stream) else self.last_of_peer):
            raise SpdyError(f"the far side sent a frame for stream {stream}, which was never opened")


class SpdyConnection:
    """One SPDY connection. The bytes that its calls return must all be written, in the order of the calls.

    `read_headers=False` leaves the peer's header blocks unread: events then have no headers, and the
    connection needs no inflater (1 KB instead of 12). On a port-forward tunnel the far side's replies say
    nothing.
    """

    def __init__(self, role: Role, limits: FrameLimits | None = None, *, read_headers: bool = True) -> None:
        limits = limits or FrameLimits()
        self._framer = SpdyFramer(limits)
        self._reader = HeaderReader(limits) if read_headers else None
        self._writer = HeaderWriter()
        self._streams = Streams(role, limits.streams)
        self._pings = count(1 if role is Role.CLIENT else 2, 2)
        self._dead = ""
        self.dropped = 0  # bytes that came for streams that had ended

    @property
    def open_streams(self) -> int:
        return len(self._streams)

    @property
    def held(self) -> int:
        """Bytes received and kept, because their frame is not whole yet: never more than one control frame."""
        return self._framer.held

    def open_stream(self, headers: Mapping[str, str], *, fin: bool = False) -> tuple[int, bytes]:
        """Open a stream; `fin`: we send nothing on it. No need to wait for the reply before sending."""
        stream = self._streams.open_ours(ended=fin)
        payload = _SYN_STREAM.pack(stream, 0, 0, 0) + self._writer.encode(headers)
        return stream, control(Type.SYN_STREAM, payload, FIN if fin else 0)

    def reply(self, stream: int, headers: Mapping[str, str] | None = None, *, fin: bool = False) -> bytes:
        """Accept a stream that the peer opened; b"" if it is gone."""
        if not self._streams.send(stream, fin=fin):
            return b""
        payload = _ONE.pack(stream) + self._writer.encode(headers or {})
        return control(Type.SYN_REPLY, payload, FIN if fin else 0)

    def may_send(self, stream: int) -> bool:
        """It is there, and we have not ended it."""
        return self._streams.may_send(stream)

    def data(self, stream: int, payload: bytes, *, fin: bool = False) -> list[Chunk]:
        """DATA frames for `writelines`; [] if the stream is gone: what is sent to it reaches nobody.

        A ValueError is the caller's mistake: it has ended the stream before.
        """
        if not (payload or fin) or not self._streams.send(stream, fin=fin):
            return []
        return data_frames(stream, payload, fin)

    def rst(self, stream: int, status: int = RstStatus.CANCEL) -> bytes:
        """Reset a stream; b"" if it is gone. What the peer still sends on it is dropped."""
        if not self._streams.reset_by_us(stream):
            return b""
        return control(Type.RST_STREAM, _TWO.pack(stream, status))

    def ping(self) -> tuple[int, bytes]:
        """A PING and its number, which comes back as Pong. The runtime's five workers answer in turn."""
        number = next(self._pings)
        return number, control(Type.PING, _ONE.pack(number))

    def pong(self, number: int) -> bytes:
        return control(Type.PING, _ONE.pack(number))

    def goaway(self, status: int = 0) -> bytes:
        return control(Type.GOAWAY, _TWO.pack(self._streams.last_of_peer, status))

    def receive(self, data: bytes) -> list[Event]:
        """The events of a chunk of any size. Raises SpdyError: the connection is dead then, for good."""
        if self._dead:
            raise SpdyError(self._dead)
        events: list[Event] = []
        try:
            for frame in self._framer.feed(data):
                event = self._on_data(frame) if isinstance(frame, Data) else self._on_control(frame)
                if event is not None:
                    events.append(event)
        except SpdyError as error:
            self._dead, error.events = error.what, events
            raise
        return events

    def _on_data(self, data: Data) -> Data | None:
        if not self._streams.receive(data.stream, fin=data.fin):
            self.dropped += len(data.payload)
            return None
        return data if data.payload or data.fin else None

    def _on_control(self, frame: Control) -> Event | None:
        handler = _HANDLERS.get(frame.type)
        return handler(self, frame) if handler else None  # unknown types must be ignored (section 2.2.1)

    def _on_syn_stream(self, frame: Control) -> SynStream:
        if len(frame.payload) < _SYN_STREAM.size:
            raise SpdyError("the far side's SYN_STREAM is cut off")
        stream = _SYN_STREAM.unpack_from(frame.payload)[0] & MAX_STREAM
        headers = self._read(frame.payload[_SYN_STREAM.size :])
        fin, unidirectional = bool(frame.flags & FIN), bool(frame.flags & UNIDIRECTIONAL)
        self._streams.open_of_peer(stream, peer_ended=fin, we_ended=unidirectional)
        return SynStream(stream, headers, fin, unidirectional)

    def _on_syn_reply(self, frame: Control) -> SynReply | None:
        stream, headers, fin = self._read_stream_headers(frame)
        if not self._streams.is_ours(stream):
            raise SpdyError(f"the far side replied to stream {stream}, which is not ours")
        return SynReply(stream, headers, fin) if self._streams.receive(stream, fin=fin) else None

    def _on_headers(self, frame: Control) -> Headers | None:
        stream, headers, fin = self._read_stream_headers(frame)
        return Headers(stream, headers, fin) if self._streams.receive(stream, fin=fin) else None

    def _on_rst(self, frame: Control) -> Rst | None:
        stream, status = two_numbers(frame)
        if not status:
            raise SpdyError(f"the far side reset stream {stream} with status 0")
        return Rst(stream, status) if self._streams.reset_by_peer(stream) else None

    def _on_ping(self, frame: Control) -> Ping | Pong:
        if len(frame.payload) != _ONE.size or not any(frame.payload):
            raise SpdyError("the far side's PING does not have exactly one number")
        number: int = _ONE.unpack(frame.payload)[0]
        return Pong(number) if self._streams.is_ours(number) else Ping(number)

    def _on_goaway(self, frame: Control) -> Goaway:
        return Goaway(*two_numbers(frame))

    def _on_window_update(self, frame: Control) -> None:
        two_numbers(frame)

    def _on_settings(self, frame: Control) -> None:
        """Nothing in them concerns us, but they must be whole: a count, then 8 bytes for each."""
        size = len(frame.payload)
        if size < _ONE.size or size != _ONE.size + 8 * _ONE.unpack_from(frame.payload)[0]:
            raise SpdyError("the far side's SETTINGS do not have the stated number of entries")

    def _read_stream_headers(self, frame: Control) -> tuple[int, dict[str, str], bool]:
        """Also of a stream that is gone: the next header block needs this one's place in the zlib stream."""
        if len(frame.payload) < _ONE.size:
            raise SpdyError("the far side's header frame is cut off")
        stream = _ONE.unpack_from(frame.payload)[0] & MAX_STREAM
        return stream, self._read(frame.payload[_ONE.size :]), bool(frame.flags & FIN)

    def _read(self, block: bytes) -> dict[str, str]:
        return self._reader.decode(block) if self._reader else {}


_HANDLERS: dict[int, Callable[[SpdyConnection, Control], Event | None]] = {
    Type.SYN_STREAM: SpdyConnection._on_syn_stream,
    Type.SYN_REPLY: SpdyConnection._on_syn_reply,
    Type.RST_STREAM: SpdyConnection._on_rst,
    Type.SETTINGS: SpdyConnection._on_settings,
    Type.PING: SpdyConnection._on_ping,
    Type.GOAWAY: SpdyConnection._on_goaway,
    Type.HEADERS: SpdyConnection._on_headers,
    Type.WINDOW_UPDATE: SpdyConnection._on_window_update,
}
