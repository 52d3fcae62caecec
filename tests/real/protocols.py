"""Clients of what is spoken over one long connection: WebSocket, HTTP/2 without a library, gRPC without generated code."""

import os
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import NamedTuple

from kfw.wire import upgrade, websocket
from kfw.wire.codec import Role
from kfw.wire.websocket_frames import Payload
from tests.real import talk


class WebSocket:
    """Of the app's echo, which sends a text back in as many messages as it has read it in pieces."""

    def __init__(self, connection: socket.socket, path: str) -> None:
        self._connection = connection
        self._wire = websocket.WebSocketConnection(Role.CLIENT, masks=lambda: os.urandom(4))
        self._heard = bytearray()
        key = os.urandom(16)
        headers = [("Host", "app"), ("Origin", "http://app"), *upgrade.websocket_headers(key, "echo")]
        asked = upgrade.Upgrading("GET", path, headers)
        connection.sendall(asked.request)
        while (answer := asked.receive(connection.recv(65536))) is None:
            pass
        upgrade.check_websocket(answer, key, "echo")
        self._received(answer.rest)

    def send(self, text: str) -> None:
        self._connection.sendall(b"".join(self._wire.send(text.encode(), text=True)))

    def receive(self, size: int) -> str:
        """So many bytes of text."""
        while len(self._heard) < size:
            data = self._connection.recv(65536)
            assert data, "the far side closed"
            self._received(data)
        text = self._heard[:size].decode()
        del self._heard[:size]
        return text

    def _received(self, data: bytes) -> None:
        for event in self._wire.receive(data):
            assert isinstance(event, Payload), event
            self._heard += event.data


class Frame(NamedTuple):
    """RFC 9113, section 4.1."""

    kind: int
    flags: int
    stream: int
    payload: bytes


DATA, HEADERS, SETTINGS, PING, ACK, END_STREAM, END_HEADERS = 0, 1, 4, 6, 1, 1, 4


def http2_gets(connection: ssl.SSLSocket, path: str, count: int) -> dict[int, bytes]:
    """So many GETs at once on one connection; the body of each that was answered with 200, by its stream's number."""
    streams = range(1, 2 * count, 2)
    asked = [_frame(Frame(HEADERS, END_HEADERS | END_STREAM, stream, _get(path))) for stream in streams]
    connection.sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(Frame(SETTINGS, 0, 0, b"")) + b"".join(asked)
    )
    bodies: dict[int, bytes] = {}
    ended = set[int]()
    while len(ended) < count:
        frame = _read_frame(connection)
        if frame.kind in (SETTINGS, PING) and not frame.flags & ACK:
            answer = frame.payload if frame.kind == PING else b""
            connection.sendall(_frame(Frame(frame.kind, ACK, 0, answer)))
        elif frame.kind == HEADERS and frame.payload[:1] == b"\x88":  # :status 200, of HPACK's static table
            bodies[frame.stream] = b""
        elif frame.kind == DATA and frame.stream in bodies:
            bodies[frame.stream] += frame.payload
        if frame.kind in (HEADERS, DATA) and frame.flags & END_STREAM:
            ended.add(frame.stream)
    return bodies


def _get(path: str) -> bytes:
    """RFC 7541: GET and https of the static table, :path and :authority as literals that nobody is to remember."""
    return b"\x82\x87" + b"\x04%c%b" % (len(path), path.encode()) + b"\x01\x03app"


def _frame(frame: Frame) -> bytes:
    size = struct.pack(">I", len(frame.payload))[1:]
    return size + struct.pack(">BBI", frame.kind, frame.flags, frame.stream) + frame.payload


def _read_frame(connection: socket.socket) -> Frame:
    head = talk.read(connection, 9)
    assert len(head) == 9, "the far side closed"
    kind, flags, stream = struct.unpack(">BBI", head[3:])
    return Frame(kind, flags, stream, talk.read(connection, int.from_bytes(head[:3], "big")))


def string_value(text: str) -> bytes:
    """google.protobuf.StringValue, of fewer than 128 bytes."""
    return b"\x0a%c%b" % (len(text), text.encode())


def text_of(value: bytes) -> str:
    return value[2:].decode()


def int_value(number: int) -> bytes:
    """google.protobuf.Int64Value; 0 has no field."""
    return b"\x08" + _varint(number) if number else b""


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


def numbers(count: int) -> Sequence[bytes]:
    return [int_value(number) for number in range(count)]
