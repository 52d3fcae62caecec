"""What can go wrong between a client and a cluster, on purpose: for tests and for the demo.

    with sandbox.faults.silent(), sandbox.faults.forbidden("watch endpointslices"):
        ...

Each begins with `with` and is taken back at its end; several may be on at once, one kind more than once too.
`only` leaves tunnels alone ("requests"), or all the rest ("tunnels").
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from kfw.http.client_connection import ClientConnection, EndedByFault
from kfw.http.server import HttpServer
from kfw.sandbox.api import errors
from kfw.sandbox.api.access import User, allows
from kfw.sandbox.api.handler import Guard
from kfw.sandbox.api.kinds import ApiRoute
from kfw.sandbox.portforward.runtime import Runtime
from kfw.wire import upgrade

T = TypeVar("T")
Only = Literal["", "requests", "tunnels"]
#: Neither HTTP nor a frame of SPDY or WebSocket.
NONSENSE = b"nonsense\r\n\r\n"
#: Connections that wait in the kernel.
BACKLOG = 256
PORT_FORWARD = ("create pods/portforward", "get pods/portforward")


class ApiPort:
    """The port of the API: it can refuse, and it can let clients wait in the kernel's queue as a stopped process does."""

    def __init__(self, host: str, server: HttpServer) -> None:
        self.server = server
        self._host = host
        self._port = 0
        self._is_open = self._refuses = False

    def open(self, port: int) -> int:
        """Returns the port, which is another one for 0. Raises OSError."""
        listening = _listening(self._host, port)
        self._port, self._is_open = listening.getsockname()[1], True
        self.server.listen(listening)
        return self._port

    async def close(self) -> None:
        """All connections are cut."""
        self._is_open = self._refuses = False
        await self.server.close(0)

    def refuse(self, now: bool) -> None:
        """Closed for a while; connections go on. To open it again may raise OSError."""
        if now and self._is_open and not self._refuses:
            self._refuses = True
            self.server.stop_listening()
        elif not now and self._refuses:
            self._refuses = False
            self.open(self._port)

    def ignore(self, now: bool) -> None:
        """The kernel takes connections, and nobody answers them; they are answered when it is over."""
        if now:
            self.server.pause()
        else:
            self.server.resume()


class Faults:
    """`forget` ends all watches with 410. It is the server's hook."""

    def __init__(self, port: ApiPort, runtime: Runtime, forget: Callable[[], None]) -> None:
        self._port = port
        port.server.hook = self
        self._runtime = runtime
        self._forget = forget
        self._silences: list[Only] = []
        self._refusals: list[None] = []
        self._delays: list[tuple[float, Only]] = []
        self._spoilers: list[tuple[Callable[[ClientConnection], None], Only]] = []
        self._guards: list[Guard] = []
        self._changed = asyncio.Event()

    # -- the faults

    @contextmanager
    def silent(self, only: Only = "") -> Iterator[None]:
        """As if the server were stopped: connections are taken by the kernel, and nothing is answered any more."""
        with _in(self._silences, only, self._change_port):
            yield

    @contextmanager
    def slow(self, seconds: float = 0.5, only: Only = "") -> Iterator[None]:
        """Whatever the server says comes that late, each piece of it."""
        with _in(self._delays, (seconds, only)):
            yield

    def reset(self, only: Only = "") -> AbstractContextManager[None]:
        """Live connections are reset, new ones as soon as they would be answered."""
        return self._spoil(ClientConnection.reset, only)

    def malformed(self, said: bytes = NONSENSE, only: Only = "") -> AbstractContextManager[None]:
        """Live connections get these bytes where a frame should begin, new ones instead of the first answer."""
        return self._spoil(lambda client: client.write([said]), only)

    @contextmanager
    def refuse(self) -> Iterator[None]:
        """The API's port refuses. Connections that are open go on."""
        with _in(self._refusals, None, self._change_port):
            yield

    @contextmanager
    def forbidden(self, *verbs: str) -> Iterator[None]:
        """403 for `VERB` or `VERB RESOURCE`, for example "watch endpointslices"; without any for all port-forwards."""

        def guard(user: User, doing: str, where: ApiRoute) -> None:
            if allows(verbs or PORT_FORWARD, doing, where.resource.plural, where.subresource):
                raise errors.forbidden(user.name, doing, where)

        with _in(self._guards, guard):
            yield

    @contextmanager
    def expired_login(self, *names: str) -> Iterator[None]:
        """401 for these users, or for all. What is open goes on."""

        def guard(user: User, doing: str, where: ApiRoute) -> None:
            if not names or user.name in names:
                raise errors.unauthorized()

        with _in(self._guards, guard):
            yield

    @contextmanager
    def expired_watches(self) -> Iterator[None]:
        """410 for all watches, live ones included. Lists are answered."""

        def guard(user: User, doing: str, where: ApiRoute) -> None:
            if doing == "watch":
                raise errors.expired(0, 1)

        with _in(self._guards, guard):
            self._forget()
            yield

    @contextmanager
    def goaway(self, after: int = 1) -> Iterator[None]:
        """Tunnels take no more connections when they have had so many, and say so."""
        with _in(self._runtime.goaways, after):
            for tunnel in tuple(self._runtime.tunnels):
                tunnel.consider_goaway()
            yield

    @contextmanager
    def poisoned(self, worker: int = 0) -> Iterator[None]:
        """One of the five workers of each live tunnel stands still; new tunnels are well."""
        tunnels = tuple(self._runtime.tunnels)
        for tunnel in tunnels:
            tunnel.block(worker)
        try:
            yield
        finally:
            for tunnel in tunnels:
                tunnel.unblock(worker)

    @contextmanager
    def without(self, *ways: str, status: int = 403) -> Iterator[None]:
        """Tunnels of these kinds (names in wire.upgrade: SPDY, TUNNEL) are refused; default: raw SPDY."""
        with _in(self._runtime.refusals, dict.fromkeys(ways or (upgrade.SPDY,), status)):
            yield

    # -- for the server

    def check(self, user: User, doing: str, where: ApiRoute) -> None:
        """Raises ApiError."""
        for guard in self._guards:
            guard(user, doing, where)

    async def on_read(self, client: ClientConnection) -> None:
        while any(_applies(only, client) for only in self._silences):
            await self._changed.wait()

    async def before_write(self, client: ClientConnection) -> None:
        if delay := sum(seconds for seconds, only in self._delays if _applies(only, client)):
            await asyncio.sleep(delay)
        await self.on_read(client)
        for spoil, only in self._spoilers:
            if _applies(only, client):
                spoil(client)
                raise EndedByFault("a fault")

    # -- inside

    @contextmanager
    def _spoil(self, spoil: Callable[[ClientConnection], None], only: Only) -> Iterator[None]:
        for client in self._port.server.clients:
            if _applies(only, client):
                spoil(client)
        with _in(self._spoilers, (spoil, only)):
            yield

    def _change_port(self) -> None:
        """Silences or refusals have changed."""
        self._changed.set()
        self._changed = asyncio.Event()
        self._port.ignore(any(only != "tunnels" for only in self._silences))
        self._port.refuse(bool(self._refusals))


def _applies(only: Only, client: ClientConnection) -> bool:
    return not only or client.is_upgraded is (only == "tunnels")


def _listening(host: str, port: int) -> socket.socket:
    # with its protocol named: asyncio sets TCP_NODELAY only then
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


@contextmanager
def _in(places: list[T], one: T, changed: Callable[[], None] = lambda: None) -> Iterator[None]:
    """It is in the list for as long as this lasts."""
    places.append(one)
    changed()
    try:
        yield
    finally:
        places.remove(one)
        changed()


@dataclass(frozen=True)
class NamedFault:
    """`words` are for people."""

    begin: Callable[[Faults], AbstractContextManager[None]]
    words: str


KINDS: dict[str, NamedFault] = {
    "silent": NamedFault(Faults.silent, "the API accepts connections but says nothing, tunnels stand still"),
    "silent-tunnels": NamedFault(
        lambda one: one.silent(only="tunnels"), "tunnels stand still, the API answers"
    ),
    "slow": NamedFault(Faults.slow, "everything from the API and the tunnels comes 0.5 s late"),
    "reset": NamedFault(Faults.reset, "connections to the API and tunnels are reset"),
    "refuse": NamedFault(Faults.refuse, "the API's port refuses, open connections go on"),
    "malformed": NamedFault(Faults.malformed, "the API and the tunnels talk nonsense"),
    "forbidden": NamedFault(Faults.forbidden, "403 for every port-forward"),
    "expired-login": NamedFault(Faults.expired_login, "401 for everyone, open connections go on"),
    "expired-watches": NamedFault(Faults.expired_watches, "410 for every watch"),
    "goaway": NamedFault(Faults.goaway, "a tunnel takes one connection, then says GOAWAY"),
    "poisoned": NamedFault(Faults.poisoned, "one of five workers of each open tunnel stands still"),
    "no-spdy": NamedFault(Faults.without, "403 for raw SPDY; in WebSocket it works"),
}


class NamedFaults:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._begun: dict[str, ExitStack] = {}

    @property
    def begun(self) -> tuple[str, ...]:
        return tuple(self._begun)

    def begin(self, name: str) -> None:
        """Nothing happens when it is on already."""
        if name not in self._begun:
            stack = ExitStack()
            stack.enter_context(KINDS[name].begin(self._faults))
            self._begun[name] = stack

    def end(self, name: str) -> None:
        if stack := self._begun.pop(name, None):
            stack.close()
