"""A pod's runtime at the end of a link: SPDY as kfw writes it, and no more of it than that, so that it costs little."""

from collections.abc import Callable
from struct import Struct

from kfw.wire.spdy_frames import FIN, Type, control, data_frames
from tests.methods.tunnel.far import App, Visit
from tests.supervisor.interleave.pipes import Pipe

_HEAD = Struct(">HHI")  # 0x8003 and the type, or the stream; then flags and length
_ONE, _TWO = Struct(">I"), Struct(">II")
_CONTROL = 0x8000


class Node:
    """What tests.methods.tunnel.far.Visit needs of its tunnel. `app(pod)`: what it does now."""

    way = "spdy"

    def __init__(self, pod: str, pipe: Pipe, app: Callable[[str], App]) -> None:
        self.pod = pod
        self._pipe = pipe
        self._app = app
        self._visits: dict[int, Visit] = {}
        self._ended = set[int]()  # streams on which nothing more is sent
        self._rest = b""
        self._error: int | None = None  # the stream whose data stream comes next
        self._last = 0

    # -- for visits

    def data(self, number: int, data: bytes, *, fin: bool = False) -> None:
        if number not in self._ended:
            self._pipe.write(b"".join(data_frames(number, data, fin)))
            if fin:
                self._ended.add(number)

    def rst(self, number: int) -> None:
        if number not in self._ended:
            self._ended.add(number)
            self._pipe.write(control(Type.RST_STREAM, _TWO.pack(number, 5)))

    def goaway(self) -> None:
        self._pipe.write(control(Type.GOAWAY, _TWO.pack(self._last, 0)))

    # -- for the pipe

    def received(self, data: bytes) -> None:
        data, at = self._rest + data, 0
        while len(data) - at >= _HEAD.size:
            high, low, tail = _HEAD.unpack_from(data, at)
            begin, end = at + _HEAD.size, at + _HEAD.size + (tail & 0xFFFFFF)
            if end > len(data):
                break
            if high & _CONTROL:
                self._on_control(low, data[at:end])
            else:
                self._on_data(high << 16 | low, data[begin:end], fin=bool(tail >> 24 & FIN))
            at = end
        self._rest = data[at:]

    def _on_control(self, kind: int, frame: bytes) -> None:
        if kind == Type.PING:
            self._pipe.write(frame)
        elif kind == Type.SYN_STREAM:
            self._on_stream(_ONE.unpack_from(frame, _HEAD.size)[0])
        elif kind == Type.RST_STREAM:
            number = _ONE.unpack_from(frame, _HEAD.size)[0]
            self._ended.add(number)
            if visit := self._visits.pop(number, None):
                visit.was_reset = True

    def _on_stream(self, number: int) -> None:
        """The error stream, then the data stream of a connection: see wire.portforward."""
        self._last = number
        self._pipe.write(control(Type.SYN_REPLY, _TWO.pack(number, 0)))
        if self._error is None:
            self._error = number
            return
        visit = self._visits[number] = Visit(self, 8080, number, self._error)  # type: ignore[arg-type]
        self._error = None
        self._app(self.pod).came(visit)

    def _on_data(self, number: int, payload: bytes, *, fin: bool) -> None:
        visit = self._visits.get(number)
        if visit is None or visit.ended:
            return
        if payload:
            self._app(self.pod).heard(visit, payload)
        if fin and not visit.ended:
            self._app(self.pod).said_all(visit)
