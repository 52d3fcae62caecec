"""One SPDY connection to one pod: frames out, frames in, and whether the whole path still answers."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import count
from typing import cast

from kfw.cluster.upgrade import SPDY, Upgraded
from kfw.methods.tunnel.carriage import Bare, Carriage, InWebSocket
from kfw.methods.tunnel.stream import Stream
from kfw.wire.base import Chunk, Role, WireError
from kfw.wire.portforward import open_connection
from kfw.wire.spdy import Connection
from kfw.wire.spdy_events import Data, Event, Goaway, Ping, Pong, Rst
from kfw.wire.spdy_frames import SpdyError

#: The runtime's frames are dealt to so many workers, PINGs in turn: this many test them all.
WORKERS = 5
#: Bytes that the kernel has not taken, until the clients of this link are told to stop, and to go on.
HIGH, LOW = 256 * 1024, 64 * 1024
#: Bytes that may come for streams that are gone, over a link's life: frames' heads and the like are some of it.
WASTE = 1024 * 1024


class Link(asyncio.Protocol):
    """`gone(link)` is called once, when it carries no more. Made by `attach`."""

    def __init__(self, pod: str, carriage: Carriage, gone: Callable[["Link"], None]) -> None:
        self.pod = pod
        self.usable = True  # for new streams
        self.why = ""  # it is not
        self._loop = asyncio.get_running_loop()
        self._carriage = carriage
        self._spdy = Connection(Role.CLIENT, read_headers=False)
        self._gone = gone
        self._requests = count()
        self._data: dict[int, Stream] = {}
        self._errors: dict[int, Stream] = {}
        self._ids: dict[Stream, tuple[int, int]] = {}  # error, data
        self._pongs: dict[int, asyncio.Future[None]] = {}
        self._stalled: set[Stream] = set()  # those for whose sake nothing is read
        self._closed = False
        self._wasted = 0  # bytes that nobody wanted
        self.writer: asyncio.StreamWriter | None = None  # kept alive: a collected one closes its transport
        self.idle_since = self.heard_at = self._loop.time()

    @property
    def live(self) -> int:
        return len(self._ids)

    @property
    def stalled(self) -> bool:
        return bool(self._stalled)

    # -- for the pool

    def open(self, stream: Stream) -> None:
        """One write: the app's first answer is one round trip away. Raises WireError when the tunnel is full."""
        first = stream.opened(self)
        opening = open_connection(self._spdy, stream.port, next(self._requests), first)
        self._data[opening.data] = self._errors[opening.error] = stream
        self._ids[stream] = (opening.error, opening.data)
        self._write((opening.wire,))

    async def answers(self, seconds: float) -> bool:
        """Every worker of the runtime at the far end answers a PING within `seconds`. The app is not touched."""
        waiting: list[asyncio.Future[None]] = []
        pings = [self._spdy.ping() for _ in range(WORKERS)]
        for number, _ in pings:
            self._pongs[number] = pong = self._loop.create_future()
            waiting.append(pong)
        self._write((b"".join(wire for _, wire in pings),))
        _, late = await asyncio.wait(waiting, timeout=seconds)
        for pong in late:
            pong.cancel()
        return not late and not self._closed

    def retire(self, why: str) -> None:
        """No new streams; it ends with its last one."""
        self.usable = False
        self.why = self.why or why
        if not self._ids:
            self.close()

    def close(self) -> None:
        if not self._closed:
            self.usable = False
            self._transport.close()

    def abort(self, why: str) -> None:
        """Dead or poisoned: all its streams are lost now."""
        self.usable = False
        self.why = self.why or why
        self._transport.abort()

    # -- for its streams

    def write(self, stream: Stream, data: bytes) -> None:
        ids = self._ids.get(stream)
        if ids:
            self._write(self._spdy.data(ids[1], data))

    def finish(self, stream: Stream) -> None:
        ids = self._ids.get(stream)
        if ids:
            self._write(self._spdy.data(ids[1], b"", fin=True))

    def abandon(self, stream: Stream) -> None:
        """Nobody wants more of it. What still flows is dropped; `_waste` sees to it that this does not go on."""
        ids = self._ids.pop(stream, None)
        if ids is None:
            return
        self._forget(stream, ids)
        self._write([wire for number in reversed(ids) if (wire := self._spdy.rst(number))])
        self._rest()

    def pause(self, stream: Stream) -> None:
        self._stalled.add(stream)
        self._transport.pause_reading()

    def resume(self, stream: Stream) -> None:
        if stream in self._stalled:
            self._stalled.discard(stream)
            if not self._stalled and not self._closed:
                self._transport.resume_reading()

    # -- for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH, low=LOW)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        try:
            payloads, answer = self._carriage.unwrap(data)
            if answer:
                self._transport.write(answer)
            for payload in payloads:
                self._waste(len(payload) - self._handle(self._spdy.receive(payload)))
        except WireError as error:
            if isinstance(error, SpdyError):
                self._handle(cast(Iterable[Event], error.events))
            self.abort(error.what)

    def pause_writing(self) -> None:
        for stream in tuple(self._ids):
            stream.choke()

    def resume_writing(self) -> None:
        for stream in tuple(self._ids):
            stream.unchoke()

    def eof_received(self) -> None:
        self.why = self.why or "the far side closed the tunnel"

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed, self.usable = True, False
        self.why = self.why or (str(exc) if exc else "the tunnel was closed")
        for pong in self._pongs.values():
            pong.cancel()
        streams, self._ids = tuple(self._ids), {}
        self._data.clear()
        self._errors.clear()
        for stream in streams:
            stream.broken(f"the tunnel to pod {self.pod} broke: {self.why}")
        self._gone(self)

    # -- inside

    def _write(self, chunks: Iterable[Chunk]) -> None:
        if not self._closed and (frames := list(chunks)):
            self._transport.writelines(self._carriage.wrap(frames))

    def _handle(self, events: Iterable[Event]) -> int:
        """Returns how many bytes somebody wanted."""
        wanted = 0
        for event in events:
            match event:
                case Data(number, payload, fin):
                    wanted += len(payload)
                    self._on_data(number, payload, fin)
                case Rst(number):
                    self._on_rst(number)
                case Ping(number):
                    self._write((self._spdy.pong(number),))
                case Pong(number):
                    if (pong := self._pongs.pop(number, None)) and not pong.done():
                        pong.set_result(None)
                case Goaway():
                    self.retire("the far side takes no more connections")
        return wanted

    def _waste(self, size: int) -> None:
        """A download that was left goes on for a second, 300 MB of it; only closing the link ends that."""
        self._wasted += size
        if self._wasted > WASTE:
            self.retire("a download was left early")

    def _on_data(self, number: int, payload: bytes, fin: bool) -> None:
        if stream := self._data.get(number):
            if payload:
                stream.fed(payload)
            if fin and number in self._data:
                stream.far_ended()
        elif stream := self._errors.get(number):
            self._on_error(stream, payload, fin)

    def _on_error(self, stream: Stream, text: bytes, fin: bool) -> None:
        if text and stream.sent:
            # Data for a stream that failed blocks one of the runtime's workers for good (containerd 1.6).
            self.retire("a connection failed that had sent data")
        stream.error_text(text, fin)
        if stream.link is not self and stream in self._ids:  # it went elsewhere
            self._forget(stream, self._ids.pop(stream))
            self._rest()

    def _on_rst(self, number: int) -> None:
        """Of the error stream newer runtimes send it beside the text; of the data stream it is the app's reset."""
        stream = self._data.get(number)
        if stream:
            stream.lost(ConnectionResetError("the far side reset the connection"))

    def _forget(self, stream: Stream, ids: tuple[int, int]) -> None:
        self._errors.pop(ids[0], None)
        self._data.pop(ids[1], None)
        self.resume(stream)

    def _rest(self) -> None:
        if not self._ids:
            self.idle_since = self._loop.time()
            if not self.usable:
                self.close()


def attach(upgraded: Upgraded, pod: str, gone: Callable[[Link], None], *, encrypted: bool) -> Link:
    """A link on the upgraded connection."""
    bare = upgraded.transport is SPDY
    link = Link(pod, Bare() if bare else InWebSocket(encrypted=encrypted), gone)
    link.writer = upgraded.streams[1]
    transport = link.writer.transport
    transport.set_protocol(link)
    link.connection_made(transport)
    if upgraded.rest:
        link.data_received(upgraded.rest)
    return link
