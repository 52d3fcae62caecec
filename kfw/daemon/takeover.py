"""A new daemon takes over from the one that runs: the other end of handover.py.

It opens its ways while the old one still accepts, and says that it is ready when all that served serves here. Until it has
heard Go it ends when the old one does, and leaves the disk as it was.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from kfw import __version__, paths
from kfw.daemon.counters import Counters
from kfw.daemon.events import Events
from kfw.daemon.handover_messages import (
    SPEAKS,
    CannotTakeOver,
    Drained,
    Draining,
    EndNow,
    Given,
    Go,
    Hello,
    Legacy,
    OpenPage,
    Ready,
    Serving,
    decode,
    expect,
    hear_any,
    send,
)
from kfw.daemon.service import DaemonService
from kfw.daemon.store import WantedRecord
from kfw.environ import Environ, Environs
from kfw.errors import KfwError
from kfw.model import SERVING, Forward
from kfw.names import RowId
from kfw.protocol import Totals
from kfw.supervisor.inheritance import Inheritance
from kfw.system.fd_channel import FdChannel, close_all
from kfw.system.files import write_pid

log = logging.getLogger("kfw.handover")

#: Seconds for the old daemon to say what there is, and to decide once we are ready.
LEGACY, DECISION = 15.0, 30.0
#: Seconds between looks whether the forwards serve.
_LOOK = 0.02
_NEVER = "the daemon that handed over ended in the middle of it"


class Takeover:
    """What was received, and the channel to the daemon before."""

    def __init__(self, channel: FdChannel, legacy: Legacy, files: list[int]) -> None:
        self.legacy = legacy
        self._channel = channel
        own, files = files[: 2 + legacy.has_metrics], files[2 + legacy.has_metrics :]
        self.lock = own[0]
        self.control = _socket_of(own[1])
        self.metrics = _socket_of(own[2]) if legacy.has_metrics else None
        #: The page of `kfw web` and its socket, from `prepare` on; it is its taker's.
        self.page: tuple[OpenPage, socket.socket] | None = None
        numbers = iter(files)
        self._by_name = {forward.name: forward.id for forward in legacy.record.forwards}
        ports = {
            self._row(text): [next(numbers) for _ in range(count)] for text, count in legacy.ports.items()
        }
        self.inheritance = Inheritance(ports)
        self._draining: Draining | None = None
        #: Called when all that the daemon before had for itself, such as ports of pages, is free.
        self.on_given: Callable[[], None] = lambda: None
        self._gone = asyncio.Event()  # the daemon before

    @classmethod
    async def begin(cls, number: int) -> "Takeover":
        """`number`: of the open socket. Raises KfwError."""
        channel = FdChannel(socket.socket(fileno=number))
        os.set_inheritable(number, False)
        with _in_words():
            await send(channel, Hello(pid=os.getpid(), version=__version__, newest=SPEAKS))
            async with asyncio.timeout(LEGACY):
                body, files = await channel.receive()
        try:
            with _in_words():
                legacy = expect(decode(body), Legacy)
                if len(files) != 2 + legacy.has_metrics + sum(legacy.ports.values()):
                    raise ValueError(f"it sends {len(files)} files")
        except KfwError as error:
            close_all(files)
            await _say_failed(channel, error)
            raise
        return cls(channel, legacy, files)

    def give_environs(self, environs: Environs) -> None:
        for shared in self.legacy.environs:
            one = Environ(shared.variables)
            environs.put(map(self._row, shared.names), one)
            for source in shared.sources:
                environs.put((), one, source)

    async def prepare(self, core: DaemonService, counters: Counters, events: Events) -> None:
        """Returns when this process is the one that serves. Raises KfwError when it will not be."""
        record, later = self.legacy.record, self._later()
        first = [forward for forward in record.forwards if forward not in later]
        work = asyncio.create_task(self._open(core, msgspec.structs.replace(record, forwards=first)))
        with _in_words():
            decision = asyncio.create_task(self._hear_go())
            try:
                await asyncio.wait({work, decision}, return_when=asyncio.FIRST_COMPLETED)
                if decision.done():
                    decision.result()
                    raise ValueError("it says something before this one is ready")
                await send(self._channel, Ready(lacks=work.result()))
                async with asyncio.timeout(DECISION):
                    go = await decision
            finally:
                for task in (work, decision):
                    task.cancel()
                await asyncio.gather(work, decision, return_exceptions=True)
        counters.add(_by_row(go.totals))
        events.follow_on(go.events)

    async def _hear_go(self) -> Go:
        """Raises KfwError, OSError, ValueError."""
        body, files = await self._channel.receive()
        try:
            go = expect(decode(body), Go)
            if len(files) != (go.page is not None):
                raise ValueError(f"it sends {len(files)} files with its last word")
        except (KfwError, ValueError):
            close_all(files)
            raise
        if go.page:
            self.page = go.page, _socket_of(files[0])
        return go

    async def _open(self, core: DaemonService, record: WantedRecord) -> dict[str, str]:
        """Returns what does not serve when all do, or the time is over, with the reason."""
        await core.restore(record)
        wanted = {self._row(text): text for text in self.legacy.serving}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.legacy.limit
        while True:
            rows = [
                row for row in core.supervisor.statuses() if row.id in wanted and row.status not in SERVING
            ]
            if not rows or loop.time() > deadline:
                return {wanted[row.id]: row.message or row.status.value for row in rows}
            await asyncio.sleep(_LOOK)

    async def serve(self) -> None:
        """From here on clients come to this process. That the old one is gone by now is nothing to worry about."""
        self.inheritance.accept()
        with suppress(OSError):
            await send(self._channel, Serving())

    def claim_lock(self) -> None:
        write_pid(self.lock, paths.daemon_lock())

    async def follow(self, core: DaemonService, counters: Counters, tell: Callable[[str], None]) -> None:
        """What the daemon before says until it is gone."""
        later, is_given = self._later(), False
        drained = None
        try:
            while True:
                message = await hear_any(self._channel)
                if isinstance(message, Given):
                    is_given = True
                    self.on_given()
                    await core.bring_back(later)
                    later = []
                elif isinstance(message, Draining):
                    self._draining = message
                elif isinstance(message, Drained):
                    drained = message
                    counters.add(_by_row(message.more))
        except (OSError, ValueError) as error:
            log.debug("the previous daemon: %s", error)
        if not is_given:  # it ended before it could say so
            self.on_given()
        if later:
            await core.bring_back(later)
        self._draining = None
        self._gone.set()
        tell(_last_word(self.legacy.pid, drained))

    def _row(self, text: str) -> RowId:
        """A daemon that knew no projects says the name alone."""
        return RowId.parse(text) if "/" in text else self._by_name.get(text, RowId("", text))

    def _later(self) -> list[Forward]:
        rows = set(map(self._row, self.legacy.later))
        return [forward for forward in self.legacy.record.forwards if forward.id in rows]

    def note(self) -> str:
        if not (self._draining and self._draining.connections):
            return ""
        many, until = self._draining.connections, self._draining.until
        return f"the previous kfw (pid {self.legacy.pid}) still carries {many} connections, until {until} at most"

    async def end(self, limit: float) -> None:
        """`kfw stop`: the daemon before ends as well."""
        with suppress(OSError, TimeoutError):
            await send(self._channel, EndNow())
            async with asyncio.timeout(limit):
                await self._gone.wait()

    def close(self) -> None:
        self.inheritance.close()
        self._channel.close()
        close_all([self.lock])


def _by_row(totals: dict[str, Totals]) -> dict[RowId, Totals]:
    return {RowId.parse(text): counted for text, counted in totals.items()}


def _last_word(pid: int, drained: Drained | None) -> str:
    if drained is None:
        return f"the previous kfw (pid {pid}) has ended without a word"
    cut = (
        f"; {drained.cut} connections were cut"
        if drained.cut
        else ", and each of its connections ended by itself"
    )
    return f"the previous kfw (pid {pid}) has ended{cut}"


async def _say_failed(channel: FdChannel, error: KfwError) -> None:
    with suppress(OSError):
        await send(channel, CannotTakeOver(why=error.what))


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise KfwError("the daemon that hands over does not answer") from error
    except OSError as error:
        raise KfwError(_NEVER) from error
    except ValueError as error:
        raise KfwError(f"cannot understand the daemon that hands over: {error}") from error


def _socket_of(file: int) -> socket.socket:
    sock = socket.socket(fileno=file)
    sock.setblocking(False)
    return sock
