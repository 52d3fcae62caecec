"""`v4.channel.k8s.io`, for both sides: ports as pairs of channels in one WebSocket, whose messages start with the channel.

Port n of the request has channel 2n for data and 2n+1 for the error text. The server first sends the port
on each, as 2 bytes, little-endian; the client sends none, and nothing on error channels. No channel can be
closed alone. Source: handleWebSocketStreams of k8s.io/kubelet [read and run].
"""

from collections.abc import Iterator, Sequence

import msgspec

from kfw.wire.codec import Chunk, Role, WireError
from kfw.wire.websocket_frames import Payload

_PORT = 2  # bytes
#: The far side takes a message into memory whole.
MAX_DATA = 64 * 1024


class ChannelError(WireError):
    pass


class ChannelData(msgspec.Struct, frozen=True, gc=False):
    """Bytes of one port: of the connection, or (`error`) of the text that says why it failed."""

    index: int  # of the port in the request
    error: bool
    data: bytes


class Channels:
    """The channels of one WebSocket; `ports` are those of the request, in its order."""

    def __init__(self, role: Role, ports: Sequence[int]) -> None:
        self._role = role
        self._ports = tuple(ports)
        self._channel: int | None = None  # of the message that is coming in
        self._greetings = dict.fromkeys(range(2 * len(ports) if role is Role.CLIENT else 0), b"")
        self._dead = ""

    @property
    def greeted(self) -> bool:
        """The server has named every port: the far end is there, and connects to the app now."""
        return not self._greetings

    def greet(self) -> list[bytes]:
        """The messages that a server sends first."""
        ports = [port.to_bytes(_PORT, "little") for port in self._ports]
        return [bytes((channel,)) + ports[channel // 2] for channel in range(2 * len(ports))]

    def messages(self, index: int, data: bytes, *, error: bool = False) -> Iterator[tuple[Chunk, ...]]:
        """The parts of each message that carries `data`."""
        channel = bytes((2 * index + error,))
        if len(data) <= MAX_DATA:
            yield channel, data
            return
        view = memoryview(data)
        yield from ((channel, view[at : at + MAX_DATA]) for at in range(0, len(data), MAX_DATA))

    def receive(self, payload: Payload) -> ChannelData | None:
        """What a piece of a message brings, if anything. Raises ChannelError: the WebSocket is of no use then."""
        if self._dead:
            raise ChannelError(self._dead)
        try:
            return self._receive(payload)
        except ChannelError as error:
            self._dead = error.what
            raise

    def _receive(self, payload: Payload) -> ChannelData | None:
        data = payload.data
        if payload.start:
            self._channel, data = (data[0], data[1:]) if data else (None, b"")
        channel = self._channel
        if channel is None:
            return None  # an empty message means nothing
        if channel >= 2 * len(self._ports):
            raise ChannelError(f"the far side sent on channel {channel} of {2 * len(self._ports)}")
        data = self._after_greeting(channel, data)
        if not data or (self._role is Role.SERVER and channel % 2):
            return None
        return ChannelData(channel // 2, bool(channel % 2), data)

    def _after_greeting(self, channel: int, data: bytes) -> bytes:
        """`data` without what belongs to the port that starts each channel."""
        if channel not in self._greetings:
            return data
        missing = _PORT - len(self._greetings[channel])
        self._greetings[channel] += data[:missing]
        if len(self._greetings[channel]) == _PORT:
            port = int.from_bytes(self._greetings.pop(channel), "little")
            if port != self._ports[channel // 2]:
                raise ChannelError(
                    f"the far side named port {port} where {self._ports[channel // 2]} was asked for"
                )
        return data[missing:]
