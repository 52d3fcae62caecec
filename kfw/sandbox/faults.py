"""What can go wrong between a client and a cluster, on purpose: for tests and for the demo.

    with sandbox.faults.silent(), sandbox.faults.forbidden("watch endpointslices"):
        ...

Each begins with `with` and is taken back at its end; several may be on at once, one kind more than once too.
`only` leaves tunnels alone ("requests"), or all the rest ("tunnels").
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, TypeVar

from kfw.sandbox.api import errors
from kfw.sandbox.api.access import User, allows
from kfw.sandbox.api.routes import Route
from kfw.sandbox.api.server import Guard
from kfw.sandbox.api_listener import ApiListener
from kfw.sandbox.client_connection import ClientConnection
from kfw.sandbox.portforward.runtime import Runtime
from kfw.wire import upgrade

T = TypeVar("T")
Only = Literal["", "requests", "tunnels"]
#: Neither HTTP nor a frame of SPDY or WebSocket.
NONSENSE = b"nonsense\r\n\r\n"
PORT_FORWARD = ("create pods/portforward", "get pods/portforward")


class Faults:
    """`lines` are the connections to the API; `forget` ends all watches with 410."""

    def __init__(self, door: ApiListener, runtime: Runtime, forget: Callable[[], None]) -> None:
        self.lines: set[ClientConnection] = set()
        self._door = door
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
        with _in(self._silences, only, self._told):
            yield

    @contextmanager
    def slow(self, seconds: float = 0.5, only: Only = "") -> Iterator[None]:
        """Whatever the server says comes that late, each piece of it."""
        with _in(self._delays, (seconds, only)):
            yield

    def reset(self, only: Only = "") -> AbstractContextManager[None]:
        """Live connections are reset, new ones as soon as they would be answered."""
        return self._spoiled(ClientConnection.reset, only)

    def malformed(self, said: bytes = NONSENSE, only: Only = "") -> AbstractContextManager[None]:
        """Live connections get these bytes where a frame should begin, new ones instead of the first answer."""
        return self._spoiled(lambda line: line.write([said]), only)

    @contextmanager
    def refuse(self) -> Iterator[None]:
        """The API's port refuses. Connections that are open go on."""
        with _in(self._refusals, None, self._told):
            yield

    @contextmanager
    def forbidden(self, *verbs: str) -> Iterator[None]:
        """403 for `VERB` or `VERB RESOURCE`, for example "watch endpointslices"; without any for all port-forwards."""

        def guard(user: User, doing: str, where: Route) -> None:
            if allows(verbs or PORT_FORWARD, doing, where.resource.plural, where.subresource):
                raise errors.forbidden(user.name, doing, where)

        with _in(self._guards, guard):
            yield

    @contextmanager
    def expired_login(self, *names: str) -> Iterator[None]:
        """401 for these users, or for all. What is open goes on."""

        def guard(user: User, doing: str, where: Route) -> None:
            if not names or user.name in names:
                raise errors.unauthorized()

        with _in(self._guards, guard):
            yield

    @contextmanager
    def expired_watches(self) -> Iterator[None]:
        """410 for all watches, live ones included. Lists are answered."""

        def guard(user: User, doing: str, where: Route) -> None:
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
        """Tunnels of these kinds (names in wire.upgrade: SPDY, TUNNEL, V4) are refused; default: raw SPDY."""
        with _in(self._runtime.refusals, dict.fromkeys(ways or (upgrade.SPDY,), status)):
            yield

    # -- for the server

    def check(self, user: User, doing: str, where: Route) -> None:
        """Raises ApiError."""
        for guard in self._guards:
            guard(user, doing, where)

    async def heard(self, line: ClientConnection) -> None:
        while any(_applies(only, line) for only in self._silences):
            await self._changed.wait()

    async def speaking(self, line: ClientConnection) -> None:
        if delay := sum(seconds for seconds, only in self._delays if _applies(only, line)):
            await asyncio.sleep(delay)
        await self.heard(line)
        for spoil, only in self._spoilers:
            if _applies(only, line):
                spoil(line)
                raise ConnectionResetError("a fault")

    # -- inside

    @contextmanager
    def _spoiled(self, spoil: Callable[[ClientConnection], None], only: Only) -> Iterator[None]:
        for line in tuple(self.lines):
            if _applies(only, line):
                spoil(line)
        with _in(self._spoilers, (spoil, only)):
            yield

    def _told(self) -> None:
        """Silences or refusals have changed."""
        self._changed.set()
        self._changed = asyncio.Event()
        self._door.ignored = any(only != "tunnels" for only in self._silences)
        self._door.shut = bool(self._refusals)


def _applies(only: Only, line: ClientConnection) -> bool:
    return not only or line.is_tunnel is (only == "tunnels")


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
