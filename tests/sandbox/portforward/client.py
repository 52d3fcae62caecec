"""A client of pods/portforward made of kfw.wire: one tunnel, and all that came on it, in order."""

import asyncio
import os
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from kfw.sandbox.sandbox import Sandbox
from kfw.wire import upgrade, websocket
from kfw.wire.codec import Chunk, Role, WireError
from kfw.wire.portforward import Opening, open_connection
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import Data, Goaway, Pong, Rst, SynReply
from kfw.wire.websocket_frames import Payload

WAYS = (upgrade.SPDY, upgrade.TUNNEL)


class Tunnel:
    """`said` is the order of what came: ("reply", stream), ("fin", stream), ("text", stream), ("rst", stream)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        self.reader, self.writer = reader, writer
        self.spdy = SpdyConnection(Role.CLIENT)
        self.socket = (
            websocket.WebSocketConnection(Role.CLIENT, masks=lambda: os.urandom(4))
            if way == upgrade.TUNNEL
            else None
        )
        self.data: dict[int, bytes] = defaultdict(bytes)
        self.said: list[tuple[str, int]] = []
        self.pongs = 0
        self.goaway: Goaway | None = None
        self.over = ""
        self._requests = 0

    def send(self, *chunks: Chunk) -> None:
        for chunk in chunks:
            self.writer.writelines(self.socket.send(chunk) if self.socket else [chunk])

    def open(self, port: int, first: bytes = b"") -> Opening:
        self._requests += 1
        opening = open_connection(self.spdy, port, self._requests, first)
        self.send(opening.wire)
        return opening

    def write(self, opening: Opening, data: bytes, *, fin: bool = False) -> None:
        self.send(*self.spdy.data(opening.data, data, fin=fin))

    def ping(self, count: int = 1) -> None:
        for _ in range(count):
            self.send(self.spdy.ping()[1])

    async def until(self, true: Callable[[], bool], seconds: float = 5.0) -> None:
        """Read until `true()`, or until the tunnel is over."""
        async with asyncio.timeout(seconds):
            while not true() and not self.over:
                await self._read()
        assert true(), (self.over, self.said)

    async def ended(self, seconds: float = 5.0) -> str:
        """Read until the far side ends it; how it did."""
        await self.until(lambda: bool(self.over), seconds)
        return self.over

    async def over_with(self, opening: Opening) -> str:
        """Read until both streams of this connection have ended; the error text."""
        await self.until(lambda: self.has("fin", opening.data) and self.has("fin", opening.error))
        return self.data[opening.error].decode()

    def has(self, what: str, stream: int) -> bool:
        return (what, stream) in self.said

    async def _read(self) -> None:
        try:
            data = await self.reader.read(65536)
            if not data:
                self.over = "closed"
            for payload in self._unwrapped(data):
                self._handle(payload)
        except ConnectionError:
            self.over = "reset"
        except ssl.SSLError:
            self.over = "reset"
        except WireError as error:
            self.over = error.what

    def _unwrapped(self, data: bytes) -> list[bytes]:
        if self.socket is None:
            return [data]
        payloads: list[bytes] = []
        for event in self.socket.receive(data):
            match event:
                case Payload():
                    payloads.append(event.data)
                case websocket.Close(code):
                    self.over = f"close {code}"
        return payloads

    def _handle(self, payload: bytes) -> None:
        for event in self.spdy.receive(payload):
            match event:
                case SynReply(number):
                    self.said.append(("reply", number))
                case Data(number, data, fin):
                    self.data[number] += data
                    self.said += [("text", number)] if data else []
                    self.said += [("fin", number)] if fin else []
                case Rst(number):
                    self.said.append(("rst", number))
                case Pong():
                    self.pongs += 1
                case Goaway():
                    self.goaway = event


def path(pod: str) -> str:
    return f"/api/v1/namespaces/demo/pods/{pod}/portforward"


async def asked(
    sandbox: Sandbox, way: str, target: str, token: str = ""
) -> tuple[upgrade.UpgradeAnswer, asyncio.StreamReader, asyncio.StreamWriter]:
    """The server's answer to a request for an upgrade, whatever it is."""
    context = ssl.create_default_context(cafile=str(sandbox.certificates.ca))
    if not token:
        context.load_cert_chain(sandbox.certificates.client, sandbox.certificates.client.with_suffix(".key"))
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port, ssl=context)
    headers = [("Host", "x"), *([("Authorization", f"Bearer {token}")] if token else [])]
    if way == upgrade.SPDY:
        asking = upgrade.Upgrading(
            "POST", target, [*headers, *upgrade.spdy_headers(), ("Content-Length", "0")]
        )
    else:
        asking = upgrade.Upgrading("GET", target, [*headers, *upgrade.websocket_headers(bytes(16), way)])
    writer.write(asking.request)
    while (answer := asking.receive(await reader.read(65536))) is None:
        pass
    return answer, reader, writer


@asynccontextmanager
async def tunnel(
    sandbox: Sandbox, pod: str, way: str = upgrade.SPDY, *, token: str = ""
) -> AsyncIterator[Tunnel]:
    answer, reader, writer = await asked(sandbox, way, path(pod), token)
    if way == upgrade.SPDY:
        upgrade.check_spdy(answer)
    else:
        upgrade.check_websocket(answer, bytes(16), way)
    try:
        yield Tunnel(reader, writer, way)
    finally:
        writer.transport.abort()
