"""One connection in one WebSocket, by `v4.channel.k8s.io`: the last way, where a server takes no SPDY at all.

The runtime connects to the app as soon as the WebSocket opens, so none is kept warm; no PING reaches the runtime;
and the client's end of input cannot be told without ending the connection.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol, cast

from kfw.methods.tunnel.framing import client_socket, received
from kfw.methods.tunnel.link import HIGH, LOW
from kfw.methods.tunnel.stream import Leave, Stream
from kfw.wire import websocket
from kfw.wire.channels import Channels
from kfw.wire.codec import Chunk, Role, WireError
from kfw.wire.websocket_frames import Payload


class Owner(Protocol):
    def gone(self, link: "Channel") -> None:
        """It is closed. Called once."""
        ...


class Channel(asyncio.Protocol):
    """A link for a single stream: the same calls as `link.Link`. Nothing is read before somebody wants it."""

    reusable = False
    shared = False
    stalled = False
    settling = False

    def __init__(self, pod: str, port: int, transport_name: str, owner: Owner, *, encrypted: bool) -> None:
        self.pod = pod
        self.port = port
        self.transport_name = transport_name
        self.usable = True
        self.suspect = False
        self.why = ""
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._socket = client_socket(encrypted=encrypted)
        self._channels = Channels(Role.CLIENT, [port])
        self._stream: Stream | None = None
        self._answers: set[asyncio.Future[float | None]] = set()
        self._choked = False
        self.closed = False
        self._early: bytes | None = b""  # None: it is being read
        self.proven = False  # it has carried a stream, or answered
        self.keep: object = None  # lives as long as this does
        self.idle_since = self.heard_at = self._loop.time()

    @property
    def live(self) -> int:
        return 1 if self._stream else 0

    @property
    def free(self) -> bool:
        return self.usable and self._stream is None

    def open(self, stream: Stream) -> None:
        self._stream = stream
        self.proven = True
        first = stream.opened(self)
        stream.unchoke()
        if first:
            self.write(stream, first)
        self._begin()

    def answers(self, seconds: float) -> "asyncio.Future[float | None]":
        """The runtime has greeted: seconds since the WebSocket opened, or None: not within `seconds`."""
        answer = self._loop.create_future()
        self._answers.add(answer)
        late = self._loop.call_later(seconds, self._answered, None)
        answer.add_done_callback(lambda _: late.cancel())
        self._begin()
        if self.closed or self._channels.greeted:
            self._answered(None if self.closed else 0.0)
        return answer

    def cleared(self) -> None:
        self.suspect = False

    def retire(self, why: str) -> None:
        self.usable, self.why = False, self.why or why
        if not self._stream:
            self.abort(why)

    def abort(self, why: str) -> None:
        self.usable = False
        self.why = self.why or why
        if not self.closed:
            self._transport.abort()

    # -- for its stream

    def write(self, stream: Stream, data: bytes) -> None:
        for parts in self._channels.messages(0, data):
            self._write(self._socket.send(*parts))

    def finish(self, stream: Stream) -> None:
        """There is no way to say it."""

    def leave(self, stream: Stream, how: Leave, *, doubtful: bool) -> None:
        self._stream = None
        self.usable = False
        if how is Leave.RESET:
            self.abort("its connection has ended")
        elif not self.closed:
            self._write([self._socket.close()])
            self._transport.close()

    def pause(self, stream: Stream) -> None:
        self._transport.pause_reading()

    def resume(self, stream: Stream) -> None:
        if not self.closed:
            self._transport.resume_reading()

    # -- for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH, low=LOW)
        self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
            return
        self.heard_at = self._loop.time()
        try:
            for event in received(self._socket, data):
                self._on_event(event)
        except WireError as error:
            self.abort(error.what)

    def pause_writing(self) -> None:
        if self._stream:
            self._stream.pause_writing()

    def resume_writing(self) -> None:
        if self._stream:
            self._stream.unchoke()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed, self.usable = True, False
        self.why = self.why or (str(exc) if exc else "the far side closed the WebSocket")
        self._answered(None)
        stream, self._stream = self._stream, None
        if stream:
            stream.broken(f"the connection to pod {self.pod} broke: {self.why}")
        self._owner.gone(self)

    # -- inside

    def _begin(self) -> None:
        early, self._early = self._early, None
        if early is not None and not self.closed:
            self._transport.resume_reading()
            self.data_received(early)

    def _write(self, chunks: Iterable[Chunk]) -> None:
        if not self.closed:
            self._transport.write(b"".join(chunks))

    def _on_event(self, event: websocket.Event) -> None:
        match event:
            case Payload():
                self._on_payload(event)
            case websocket.WebSocketPing(asked):
                self._write([self._socket.pong(asked)])
            case websocket.Close():
                self._on_close()

    def _on_payload(self, payload: Payload) -> None:
        said = self._channels.receive(payload)
        if self._channels.greeted:
            self._answered(self._loop.time() - self.idle_since)
        if said and self._stream:
            if said.error:
                self._stream.error_said(said.data)
            else:
                self._stream.data_received(said.data)

    def _on_close(self) -> None:
        """The end of both channels; whether there was a text says which."""
        if self._stream:
            self._stream.closed()
        if self._stream:
            self._stream.error_over()
        self.retire("the far side closed the WebSocket")

    def _answered(self, seconds: float | None) -> None:
        self.proven = self.proven or seconds is not None
        answers, self._answers = self._answers, set()
        for answer in answers:
            if not answer.done():
                answer.set_result(seconds)
