"""v4.channel.k8s.io: what Python, Java and Rust clients of Kubernetes speak."""

import asyncio
from collections import defaultdict

import pytest

from kfw.sandbox.sandbox import Sandbox
from kfw.wire import websocket
from kfw.wire.channels import ChannelData, Channels
from kfw.wire.codec import Role
from kfw.wire.portforward import FailureKind, classify
from kfw.wire.upgrade import V4, check_websocket
from kfw.wire.websocket_frames import Payload
from tests.sandbox.portforward.client import asked, path

pytestmark = pytest.mark.asyncio

Told = tuple[dict[tuple[int, bool], bytes], int]


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *ports: int) -> None:
        self.reader, self.writer = reader, writer
        self.socket = websocket.WebSocketConnection(Role.CLIENT, masks=lambda: b"mask")
        self.channels = Channels(Role.CLIENT, ports)
        self.data: dict[tuple[int, bool], bytes] = defaultdict(bytes)
        self.closed = 0

    def send(self, index: int, data: bytes) -> None:
        for message in self.channels.messages(index, data):
            self.writer.writelines(self.socket.send(*message))

    async def until(self, index: int, length: int, *, error: bool = False) -> bytes:
        async with asyncio.timeout(5):
            while len(self.data[index, error]) < length and not self.closed:
                await self.read()
        return self.data[index, error]

    async def read(self) -> None:
        data = await self.reader.read(65536)
        assert data or self.closed, "the far side ended it without a word"
        self.handle(data)

    def handle(self, data: bytes) -> None:
        for event in self.socket.receive(data):
            match event:
                case Payload():
                    if received := self.channels.receive(event):
                        self._take(received)
                case websocket.Close(code):
                    self.closed = code

    def _take(self, received: ChannelData) -> None:
        self.data[received.index, received.error] += received.data


async def connected(sandbox: Sandbox, query: str, *ports: int) -> Client:
    answer, reader, writer = await asked(sandbox, V4, path("db-0", query))
    check_websocket(answer, bytes(16), V4)
    client = Client(reader, writer, *ports)
    client.handle(answer.rest)
    return client


async def test_the_app_is_dialled_as_soon_as_the_socket_opens(sandbox: Sandbox) -> None:
    client = await connected(sandbox, "?ports=5432", 5432)
    assert await client.until(0, 16) == b"hello from db-0\n"
    assert client.channels.greeted
    client.send(0, bytes(200_000))
    assert len(await client.until(0, 200_016)) == 200_016
    client.writer.transport.abort()


async def test_a_refused_port_is_told_on_its_error_channel_and_the_socket_closes(sandbox: Sandbox) -> None:
    client = await connected(sandbox, "?ports=5433", 5433)
    text = await client.until(0, 1 << 20, error=True)
    assert classify(text.decode(), 5433).kind == FailureKind.REFUSED
    assert client.closed == 1000
    client.writer.transport.abort()


@pytest.mark.parametrize("query", ["?ports=5432&ports=5433", "?ports=5432,5433"])
async def test_of_two_ports_one_lives_on_when_the_other_fails(sandbox: Sandbox, query: str) -> None:
    client = await connected(sandbox, query, 5432, 5433)
    assert b"connection refused" in await client.until(1, 100, error=True)
    client.send(0, b"more")
    assert await client.until(0, 20) == b"hello from db-0\nmore"
    assert client.closed == 0
    client.writer.transport.abort()


async def test_pings_are_answered_and_a_close_is_returned(sandbox: Sandbox) -> None:
    client = await connected(sandbox, "?ports=5432", 5432)
    await client.until(0, 16)
    client.writer.write(client.socket.ping(b"are you there"))
    events = client.socket.receive(await client.reader.read(65536))
    assert events == [websocket.WebSocketPong(b"are you there")]
    client.writer.write(client.socket.close())
    await client.read()
    assert client.closed == 1000
    client.writer.transport.abort()


@pytest.mark.parametrize("query", ["", "?ports=", "?ports=http", "?ports=70000"])
async def test_ports_that_are_none_are_refused(sandbox: Sandbox, query: str) -> None:
    answer, _, writer = await asked(sandbox, V4, path("db-0", query))
    assert answer.status == 400
    writer.close()
