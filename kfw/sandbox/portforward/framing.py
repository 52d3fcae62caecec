"""What SPDY travels in, seen from the server: the bare connection, or WebSocket messages."""

from collections.abc import Iterable
from typing import Protocol

from kfw.wire import websocket
from kfw.wire.codec import Chunk, Role, WireError
from kfw.wire.websocket_frames import Code, Payload, WebSocketError


class Ended(Exception):
    """The client ends the tunnel; `answer` is to be written first."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


class Framing(Protocol):
    def wrap(self, chunks: Iterable[Chunk]) -> Iterable[Chunk]:
        """What to write for these bytes of SPDY."""
        ...

    def unwrap(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The bytes of SPDY in what was read, and what must be written in answer. Raises WireError, Ended."""
        ...

    def farewell(self, problem: WireError) -> bytes:
        """What to write before a tunnel ends for this reason."""
        ...


class RawSpdy:
    def wrap(self, chunks: Iterable[Chunk]) -> Iterable[Chunk]:
        return chunks

    def unwrap(self, data: bytes) -> tuple[list[bytes], bytes]:
        return [data], b""

    def farewell(self, problem: WireError) -> bytes:
        return b""


class InWebSocket:
    def __init__(self) -> None:
        self._socket = websocket.WebSocketConnection(Role.SERVER)

    def wrap(self, chunks: Iterable[Chunk]) -> Iterable[Chunk]:
        return [part for chunk in chunks for part in self._socket.send(chunk)]

    def unwrap(self, data: bytes) -> tuple[list[bytes], bytes]:
        payloads: list[bytes] = []
        answer = b""
        for event in self._socket.receive(data):
            match event:
                case Payload():
                    payloads.append(event.data)
                case websocket.WebSocketPing(asked):
                    answer += self._socket.pong(asked)
                case websocket.Close():
                    raise Ended(answer + self._socket.close())
        return payloads, answer

    def farewell(self, problem: WireError) -> bytes:
        return self._socket.close(
            problem.code if isinstance(problem, WebSocketError) else Code.PROTOCOL_ERROR
        )
