"""Apps on loopback, clients, and a listener of kfw's between them."""

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from kfw.relay.dialer import Dialer, DialFailed, TcpDialer
from kfw.relay.listener import Listener
from kfw.relay.local_connection import LocalConnection
from kfw.system.local_ports import bind
from tests.stream_server import streams

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOCAL = "127.0.0.1"


@dataclass
class Port:
    """A listener, its port, how often somebody knocked in vain, what it said in the log, the refusals that it told of, and
    (where it remembers them) its connections in the order in which they came and in which they ended."""

    listener: Listener
    port: int
    knocks: list[None]
    said: list[str]
    refused: list[str]
    began: list[LocalConnection]
    ended: list[LocalConnection]

    async def client(self, host: str = LOCAL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(host, self.port)


class Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@dataclass
class Told:
    """A relay.listener.ConnectionObserver. `remembers` keeps connections alive that nobody needs any more."""

    remembers: bool = False

    refused_because: list[str] = field(default_factory=list)
    all: list[LocalConnection] = field(default_factory=list)
    over: list[LocalConnection] = field(default_factory=list)

    def began(self, connection: LocalConnection) -> None:
        if self.remembers:
            self.all.append(connection)

    def ended(self, connection: LocalConnection) -> None:
        if self.remembers:
            self.over.append(connection)

    def refused(self, connection: LocalConnection, why: str) -> None:
        self.refused_because.append(why)


@asynccontextmanager
async def listening(
    dialer: Dialer | None = None,
    *,
    why: str = "",
    hold: float = 5.0,
    hold_refused: float = 2.0,
    addresses: Sequence[str] = (LOCAL,),
    level: int = logging.INFO,
    told: bool = True,
    remembers: bool = False,
) -> AsyncIterator[Port]:
    """`told` False: nobody has said yet where connections go."""
    said, knocks = Said(), list[None]()
    log = logging.Logger("test", level)
    log.addHandler(said)
    sockets, port = bind(addresses, 0)
    watcher = Told(remembers)
    listener = Listener(
        "api",
        sockets,
        hold=hold,
        hold_refused=hold_refused,
        on_knock=lambda: knocks.append(None),
        log=log,
        watcher=watcher,
    )
    if told:
        listener.use(dialer, why)
    listener.start()
    try:
        yield Port(listener, port, knocks, said.lines, watcher.refused_because, watcher.all, watcher.over)
    finally:
        await listener.close()


@dataclass
class App:
    port: int = 0
    visits: int = 0

    @property
    def dialer(self) -> TcpDialer:
        return TcpDialer(LOCAL, self.port)


@asynccontextmanager
async def app(talk: Talk, host: str = LOCAL, port: int = 0) -> AsyncIterator[App]:
    """Talks to every visitor."""
    running = App()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.visits += 1
        await talk(reader, writer)

    async with streams(visit, host, port) as server:
        running.port = server.port
        yield running


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass


async def answer_after_eof(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    everything = await reader.read()
    writer.write(b"got " + everything)


def send_reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Refusing:
    """Fails so many times, then dials `then`; without it, it fails for ever."""

    def __init__(
        self,
        times: int,
        then: Dialer | None = None,
        *,
        safe: bool = True,
        why: str = "refused",
        refused: bool = False,
    ) -> None:
        self.dials = 0
        self._times = times
        self._then = then
        self._safe = safe
        self._why = why
        self._refused = refused

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        self.dials += 1
        if self._then is None or self.dials <= self._times:
            raise DialFailed(self._why, safe=self._safe, refused=self._refused)
        return await self._then.dial(factory)


class Hanging:
    """Never answers, and knows how often it was given up."""

    def __init__(self) -> None:
        self.given_up = 0
        self.dialing = asyncio.Event()

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        self.dialing.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        raise AssertionError("waited for ever, and yet not")


def silent_port(stack: ExitStack, host: str = LOCAL, port: int = 0) -> int:
    """The port of somebody whose queue is full: it takes no connection and refuses none, like a node that is gone."""
    server = stack.enter_context(socket.socket())
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, port))
    server.listen(0)
    port = server.getsockname()[1]
    for _ in range(2):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex((host, port))
    return port
