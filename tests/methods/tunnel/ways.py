"""A tunnel of kfw's to the far side, and clients that go through it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from kfw.kube.api_server import ApiServer
from kfw.kube.login import Login, Plugin
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import Access, ClusterEntry, Pem, UserEntry
from kfw.methods.base import OpenRequest
from kfw.methods.tunnel.method import PodTunnel, TunnelMethod
from kfw.methods.tunnel.policy import Policy
from kfw.model import Endpoint, Forward, Health
from tests.fakes import forward
from tests.methods.tunnel.far import Far
from tests.methods.tunnel.virtual import PipeLoop

#: Not asked for the app's health, so that visits are the test's own.
UNASKED = Health(type="none", timeout=2.0)
#: All connections share it.
ONE_LINK = Policy(moving_links=1, all_links=1)


def patience() -> float:
    """Seconds for what takes no time of its own. On real sockets a busy machine may take long over it."""
    return 2.0 if isinstance(asyncio.get_running_loop(), PipeLoop) else 60.0


def server(
    far: Far, user: UserEntry | None = None, *, ca: bytes = b"", plugin: Plugin | None = None
) -> ApiServer:
    cluster = ClusterEntry("dev", far.url, ca=Pem(data=ca) if ca else Pem())
    access = Access("dev", cluster, user or UserEntry("ada", token="good"))
    login = Login(access, plugin=plugin) if plugin else Login(access)
    return ApiServer(access, login, Timeouts(dial=patience(), answer=patience()), lambda: None)


@dataclass
class Servers:
    one: ApiServer

    def server(self, forward: Forward) -> ApiServer:
        return self.one


def pods(*names: str, port: int = 8080) -> tuple[Endpoint, ...]:
    return tuple(Endpoint("pod", name, "10.0.0.1", port) for name in names or ("web-1",))


@asynccontextmanager
async def tunnel(
    far: Far,
    *names: str,
    hold: float = 15.0,
    hold_refused: float = 15.0,
    health: Health | None = None,
    at: ApiServer | None = None,
    sticky: bool = False,
    policy: Policy = Policy(),  # noqa: B008  it is frozen
) -> AsyncIterator[PodTunnel]:
    health = health or replace(UNASKED, timeout=patience())
    wanted = forward("web", hold=hold, hold_refused=hold_refused, health=health)
    method = TunnelMethod(Servers(at or server(far)), policy)
    opened = await method.open(OpenRequest(wanted, pods(*names), sticky=sticky))
    try:
        yield opened
    finally:
        await opened.close()


class Client(asyncio.Protocol):
    """The relay's end of a connection, as a test sees it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.eof = False
        self.lost: list[Exception | None] = []
        self.choked = False
        self.half_open = True  # what eof_received answers
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += data

    def eof_received(self) -> bool:
        self.eof = True
        return self.half_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)

    def pause_writing(self) -> None:
        self.choked = True

    def resume_writing(self) -> None:
        self.choked = False

    def say(self, data: bytes) -> None:
        self.transport.write(data)


async def client(way: PodTunnel, first: bytes = b"") -> Client:
    made = Client()
    await way.dial(lambda: made)
    if first:
        made.say(first)
    return made


async def until(true: Callable[[], object], within: float | None = None) -> None:
    """Raises TimeoutError if it does not come true."""
    pause = 0.002
    async with asyncio.timeout(within or 10 * patience()):
        while not true():
            await asyncio.sleep(pause)
            pause = min(1.05 * pause, 0.05)


@dataclass
class Heard(logging.Handler):
    """What the log has said at `level` and above."""

    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


Script = Callable[[], Awaitable[None]]
