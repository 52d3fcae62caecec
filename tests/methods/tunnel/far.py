"""The far side of tunnels, which a test tells what to do: the upgrade of an API server, the streams of a runtime.

It is not a Kubernetes. It answers PINGs like a runtime of five workers: each in its turn, and one that is blocked never.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from struct import pack

import h11
import msgspec

from kfw.wire import upgrade, websocket
from kfw.wire.codec import Chunk, Role, WireError
from kfw.wire.portforward import DATA, ERROR, read_request
from kfw.wire.portforward import gone_text as gone_text
from kfw.wire.portforward import refused_text as refused_text
from kfw.wire.portforward import reset_text as reset_text
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import Data, Event, Ping, Rst, SynStream, Type, control, data_frames
from kfw.wire.websocket_frames import Payload
from tests.stream_server import StreamServer

WORKERS = 5


@dataclass(eq=False)
class Visit:
    """One connection to an app."""

    tunnel: "FarTunnel"
    port: int
    number: int
    error_number: int
    got: bytes = b""
    said_all: bool = False
    was_reset: bool = False
    ended: bool = False

    @property
    def pod(self) -> str:
        return self.tunnel.pod

    def say(self, data: bytes) -> None:
        self.tunnel.data(self.number, data)

    def close(self) -> None:
        """As the app does: FIN on both streams."""
        self.ended = True
        self.tunnel.data(self.error_number, b"", fin=True)
        self.tunnel.data(self.number, b"", fin=True)

    def fail(self, text: str, *, fin_first: bool = True) -> None:
        """The text of the runtime; the data stream's FIN overtakes it."""
        self.ended = True
        if fin_first:
            self.tunnel.data(self.number, b"", fin=True)
        self.tunnel.data(self.error_number, text.encode(), fin=True)
        if not fin_first:
            self.tunnel.data(self.number, b"", fin=True)

    def refuse(self) -> None:
        self.fail(refused_text(self.port, f"sandbox-{self.pod}"))

    def reset(self) -> None:
        self.fail(reset_text(self.port, f"sandbox-{self.pod}"))

    def rst(self, text: str = "") -> None:
        """As kubelets since 1.32 do: the text without FIN, then RST_STREAM on both."""
        self.ended = True
        if text:
            self.tunnel.data(self.error_number, text.encode())
        self.tunnel.rst(self.number)
        self.tunnel.rst(self.error_number)


@dataclass
class App:
    """What a pod does. Without `came` it accepts and stays silent."""

    came: Callable[[Visit], None] = lambda visit: None
    heard: Callable[[Visit, bytes], None] = lambda visit, data: None
    said_all: Callable[[Visit], None] = lambda visit: None


ECHO = App(heard=lambda visit, data: visit.say(data), said_all=lambda visit: visit.close())
REFUSES = App(came=lambda visit: visit.refuse())
SILENT = App()


class FarTunnel:
    """An upgraded connection. `blocked` workers answer no PING; `deaf` answers nothing at all; who is `leaving` passes over
    new streams."""

    def __init__(self, far: "Far", pod: str, way: str, writer: asyncio.StreamWriter) -> None:
        self.pod = pod
        self.way = way
        self.visits: list[Visit] = []
        self.blocked: set[int] = set()
        self.deaf = self.leaving = False
        self.passed_over: list[int] = []
        self.pings = 0
        self.resets: list[int] = []
        self.websocket_pongs: list[bytes] = []
        self.raw = b""  # all that came
        self.reads: list[bytes] = []  # in pieces
        self.writer = writer
        self._far = far
        self._spdy = SpdyConnection(Role.SERVER)
        self._socket = websocket.WebSocketConnection(Role.SERVER) if way != upgrade.SPDY else None
        self._errors: dict[str, int] = {}
        self._by_number: dict[int, Visit] = {}

    def data(self, number: int, data: bytes, *, fin: bool = False) -> None:
        if number in self.resets:  # as runtimes do: for a second they send on as if nothing had happened
            self.send(*data_frames(number, data, fin))
        else:
            self.send(*self._spdy.data(number, data, fin=fin))

    def rst(self, number: int) -> None:
        self.send(self._spdy.rst(number))

    def goaway(self, last: int | None = None) -> None:
        """`last`: the last stream that it says it has seen; None: the one that it has."""
        self.send(self._spdy.goaway() if last is None else control(Type.GOAWAY, pack(">II", last, 0)))

    def send(self, *chunks: Chunk) -> None:
        """Bytes of SPDY, right or wrong."""
        if self.writer.is_closing():
            return
        data = b"".join(chunks)
        if self._socket:
            self._send_message(data)
        else:
            self.writer.write(data)

    def abort(self) -> None:
        self.writer.transport.abort()

    @property
    def open(self) -> bool:
        return not self.writer.is_closing()

    def received(self, data: bytes) -> None:
        self.raw += data
        self.reads.append(data)
        for piece in self._unwrapped(data):
            for event in self._spdy.receive(piece):
                self._handle(event)

    def _unwrapped(self, data: bytes) -> Iterable[bytes]:
        if self._socket is None:
            yield data
            return
        for event in self._socket.receive(data):
            if isinstance(event, websocket.Close):
                self.writer.close()
            elif isinstance(event, websocket.WebSocketPong):
                self.websocket_pongs.append(event.data)
            elif isinstance(event, Payload):
                yield event.data

    def _handle(self, event: Event) -> None:
        match event:
            case SynStream():
                self._on_syn(event)
            case Data(number, payload, fin):
                self._on_data(number, payload, fin=fin)
            case Rst(number):
                self.resets.append(number)
                if visit := self._by_number.get(number):
                    visit.was_reset = True
            case Ping(number):
                self._on_ping(number)

    def _on_syn(self, event: SynStream) -> None:
        if self.leaving:
            self.passed_over.append(event.stream)
            return
        asked = read_request(event.stream, event.headers)
        self.send(self._spdy.reply(event.stream))
        if asked.type == ERROR:
            self._errors[asked.request_id] = event.stream
        elif asked.type == DATA:
            self._came(Visit(self, asked.port, event.stream, self._errors.pop(asked.request_id)))

    def _came(self, visit: Visit) -> None:
        self.visits.append(visit)
        self._far.visits.append(visit)
        self._by_number[visit.number] = visit
        if not self.deaf:
            self._far.app(self.pod).came(visit)

    def _on_data(self, number: int, payload: bytes, *, fin: bool) -> None:
        visit = self._by_number.get(number)
        if visit is None:
            return
        if payload:
            self._heard(visit, payload)
        if fin:
            visit.said_all = True
            if not visit.ended and not self.deaf:
                self._far.app(self.pod).said_all(visit)

    def _heard(self, visit: Visit, payload: bytes) -> None:
        visit.got += payload
        if visit.ended and self._far.poisonable:
            self.blocked.add(visit.number % WORKERS)
        elif not self.deaf:
            self._far.app(self.pod).heard(visit, payload)

    def _on_ping(self, number: int) -> None:
        worker, self.pings = self.pings % WORKERS, self.pings + 1
        if worker not in self.blocked and not self.deaf:
            self.send(self._spdy.pong(number))

    def _send_message(self, data: bytes) -> None:
        assert self._socket
        self.writer.writelines(self._socket.send(data))


@dataclass
class Refusal:
    """An HTTP answer in place of the upgrade."""

    status: int
    body: bytes = b""


def status(code: int, reason: str, message: str) -> Refusal:
    """As an API server words it."""
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return Refusal(code, msgspec.json.encode(body))


@dataclass
class Asked:
    """An upgrade that was asked for."""

    pod: str
    way: str  # upgrade.SPDY or TUNNEL
    target: str
    token: str


@dataclass
class Far:
    """`apps` by pod. `answers`: what is said instead of an upgrade, by way or by pod.

    `hangs`: pods whose upgrade never ends. `says`: by pod, what is written in place of any HTTP.
    """

    apps: dict[str, App] = field(default_factory=dict)
    answers: dict[str, Refusal] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    says: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] | None = None  # None: everybody may in
    poisonable: bool = True
    asked: list[Asked] = field(default_factory=list)
    tunnels: list[FarTunnel] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    prefix: str = ""
    _server: StreamServer | None = None

    def app(self, pod: str) -> App:
        return self.apps.get(pod, ECHO)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.prefix}"

    @property
    def open(self) -> list[FarTunnel]:
        return [tunnel for tunnel in self.tunnels if tunnel.open]

    @property
    def tasks(self) -> set["asyncio.Task[None]"]:
        """Of its own."""
        return self._server.visits if self._server else set()

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self.scheme = "https" if tls else "http"
        self._server = StreamServer(self._serve)
        await self._server.start(port=self.port, tls=tls)
        self.port = self._server.port

    async def stop(self) -> None:
        """Refuse connections, and break those there are."""
        for tunnel in self.tunnels:
            tunnel.abort()
        if self._server:
            await self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            tunnel, rest = await self._upgraded(reader, writer)
            if tunnel:
                self.tunnels.append(tunnel)
                await _pump(tunnel, reader, rest)
        except (OSError, WireError, h11.RemoteProtocolError):
            return
        finally:
            writer.transport.abort()

    async def _upgraded(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[FarTunnel | None, bytes]:
        http = h11.Connection(h11.SERVER)
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        if not isinstance(event, h11.Request):
            return None, b""
        headers = {name.decode(): value.decode() for name, value in event.headers}
        asked = _asked(event.target.decode().removeprefix(self.prefix), headers)
        self.asked.append(asked)
        if asked.pod in self.hangs:
            await asyncio.Event().wait()
        said = self.says.get(asked.pod)
        if said is None and (refusal := self._refusal(asked)):
            said = _plain(refusal)
        if said is not None:
            writer.write(said)
            await writer.drain()
            return None, b""
        answer = _accepted(asked.way, headers)
        writer.write(answer)
        while http.next_event() not in (h11.NEED_DATA, h11.PAUSED):
            pass
        return FarTunnel(self, asked.pod, asked.way, writer), http.trailing_data[0]

    def _refusal(self, asked: Asked) -> Refusal | None:
        if self.tokens is not None and asked.token not in self.tokens:
            return status(401, "Unauthorized", "Unauthorized")
        return self.answers.get(asked.way) or self.answers.get(asked.pod)


async def _pump(tunnel: FarTunnel, reader: asyncio.StreamReader, rest: bytes) -> None:
    data = rest
    while True:
        if data:
            tunnel.received(data)
        data = await reader.read(65536)
        if not data:
            return


def _asked(target: str, headers: dict[str, str]) -> Asked:
    found = re.fullmatch(r"/api/v1/namespaces/[^/]+/pods/([^/]+)/portforward", target)
    assert found, target
    protocol = headers.get("sec-websocket-protocol", "")
    token = headers.get("authorization", "").removeprefix("Bearer ")
    return Asked(found[1], protocol or upgrade.SPDY, target, token)


def _accepted(way: str, headers: dict[str, str]) -> bytes:
    if way == upgrade.SPDY:
        chosen = upgrade.accept_spdy(headers)
    else:
        _, chosen = upgrade.accept_websocket(headers, [upgrade.TUNNEL])
    lines = "".join(f"{name}: {value}\r\n" for name, value in chosen)
    return f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode()


def _plain(refusal: Refusal) -> bytes:
    head = f"HTTP/1.1 {refusal.status} No\r\nContent-Length: {len(refusal.body)}\r\n\r\n"
    return head.encode() + refusal.body


@asynccontextmanager
async def far_side(tls: ssl.SSLContext | None = None, **more: object) -> AsyncIterator[Far]:
    made = Far(**more)  # type: ignore[arg-type]  # the fields' own names
    await made.start(tls)
    try:
        yield made
    finally:
        with suppress(OSError):
            await made.stop()
