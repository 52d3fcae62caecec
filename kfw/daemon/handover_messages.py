"""What two daemons say to each other while one hands over to the other, in this order: see handover.py and takeover.py.

    new -> old  Hello             it runs, and which messages it understands
    old -> new  Legacy, files     what is wanted, and the listening sockets: the new one opens its ways, and accepts nothing
    new -> old  Ready             which forwards serve there; the old one decides
    old -> new  Go                the old one accepts nothing any more
    new -> old  Serving           the new one does; from here on nothing goes back
    old -> new  Given             the children that had ports of their own have given them back
    old -> new  Draining, Drained what lives on in the old one, and what it has counted
    new -> old  EndNow               `kfw stop`: live connections, too

Before Serving each side may vanish: the old one goes on as before, the new one ends.
"""

import asyncio
from typing import TypeVar

import msgspec

from kfw.daemon.store import WantedRecord
from kfw.errors import KfwError
from kfw.protocol import Event, Totals
from kfw.system.fd_channel import FdChannel, close_all

#: Of these messages: another number is not understood. A kfw that knew no projects asks for 1, and names forwards by their
#: names alone; since 2 all that is a forward's goes by the text of its RowId.
SPEAKS, FIRST = 2, 1

M = TypeVar("M", bound="Message")


class Message(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    pass


class Hello(Message, frozen=True, kw_only=True):
    pid: int
    version: str
    speaks: int = FIRST
    newest: int = FIRST  # what it understands, too


class Options(msgspec.Struct, frozen=True):
    """Those of run.DaemonOptions."""

    on_demand: bool
    log_level: str
    to_stderr: bool
    metrics_listen: str | None
    notices: bool


class SharedEnviron(msgspec.Struct, frozen=True):
    """An environment that somebody sent, and whose it is. It goes over the channel only, never to a disk."""

    variables: dict[str, str]
    names: list[str]
    sources: list[str]

    def __repr__(self) -> str:
        return f"SharedEnviron({', '.join(sorted(self.variables))})"


class Legacy(Message, frozen=True, kw_only=True):
    """The files that come with it: the daemon's lock, the control socket, that of the metrics page if there is one, and as
    many for each forward as `ports` says."""

    pid: int
    options: Options
    record: WantedRecord
    environs: list[SharedEnviron]
    has_metrics: bool
    ports: dict[str, int]
    #: Forwards whose port a child has: not yet to be started.
    later: list[str]
    #: Those that serve: the new daemon is ready when they serve there, too.
    serving: list[str]
    #: Seconds for that.
    limit: float


class Ready(Message, frozen=True, kw_only=True):
    """`lacks`: forwards that should serve and do not, each with its reason."""

    lacks: dict[str, str]


class OpenPage(msgspec.Struct, frozen=True):
    """The page of `kfw web`: who lent it what, and who is logged in, as web.logins.Logins.memory says it."""

    port: int
    kubeconfig: str | None
    environ: dict[str, str] | None
    tokens: list[tuple[bytes, float]]
    browsers: list[tuple[str, bytes]]

    def __repr__(self) -> str:
        return f"OpenPage({self.port})"


class Go(Message, frozen=True, kw_only=True):
    """With a page comes one file, the socket on which it is served. A kfw that does not know pages leaves both alone."""

    totals: dict[str, Totals]
    events: list[Event]
    page: OpenPage | None = None


class Serving(Message, frozen=True, kw_only=True):
    pass


class Given(Message, frozen=True, kw_only=True):
    pass


class Draining(Message, frozen=True, kw_only=True):
    """`until`: RFC 3339."""

    connections: int
    until: str


class Drained(Message, frozen=True, kw_only=True):
    """`more`: what is to be added to the totals. `cut`: connections that did not end by themselves."""

    more: dict[str, Totals]
    cut: int


class EndNow(Message, frozen=True, kw_only=True):
    pass


class CannotTakeOver(Message, frozen=True, kw_only=True):
    """Of the new daemon, which ends."""

    why: str


_ANY = Hello | Legacy | Ready | Go | Serving | Given | Draining | Drained | EndNow | CannotTakeOver


async def send(channel: FdChannel, message: Message, files: list[int] | None = None) -> None:
    """Raises OSError."""
    await channel.send(msgspec.json.encode(message), files or [])


async def hear_any(channel: FdChannel) -> Message:
    """One that brings no files. Raises OSError, ValueError (msgspec's errors are ones)."""
    body, files = await channel.receive()
    close_all(files)
    return decode(body)


async def hear(channel: FdChannel, kind: type[M], limit: float) -> M:
    """Raises KfwError with the other side's words, OSError, ValueError, TimeoutError."""
    async with asyncio.timeout(limit):
        return expect(await hear_any(channel), kind)


def decode(body: bytes) -> Message:
    message: Message = msgspec.json.decode(body, type=_ANY)
    return message


def expect(message: Message, kind: type[M]) -> M:
    if isinstance(message, CannotTakeOver):
        raise KfwError(message.why)
    if not isinstance(message, kind):
        raise ValueError(f"it says {type(message).__name__}, not {kind.__name__}")
    return message
