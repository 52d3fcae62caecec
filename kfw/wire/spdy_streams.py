"""Which streams of a SPDY connection are open, and which side has ended. Ended streams leave nothing behind.

Frames for a stream that has ended are not an error: both sides may end it at the same time, and containerd may
even send DATA after its own FIN (it closes the stream while its copy loop still runs). Frames for one that
never was are.
"""

from kfw.wire.base import Role
from kfw.wire.spdy_frames import MAX_STREAM, SpdyError

_WE_ENDED, _PEER_ENDED, _BOTH_ENDED = 1, 2, 3


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
