"""The daemon hands over to a new one: listening sockets, what is wanted, counters. No connection is refused or reset by it.

A new process is started over one end of a socket pair, which nobody else can reach, and gets the sockets as they are
(SCM_RIGHTS). An exec of the new program in this process would need no second one, but would end every live connection:
they live in this process, and end here in their own time. Nothing is given away before the new daemon serves what
this one serves; until then whatever fails leaves this one as it was. The messages: handover_messages.py.

All that is needed here is imported when the daemon starts: during an upgrade the files on disk are another version's.
"""

import asyncio
import logging
import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeVar

from kfw import __version__, paths
from kfw.client import launch
from kfw.daemon.control_socket import ControlSocket
from kfw.daemon.counters import Counters, since_then
from kfw.daemon.forward_pages import ForwardPages
from kfw.daemon.handover_messages import (
    SPEAKS,
    Drained,
    Draining,
    EndNow,
    Given,
    Go,
    Hello,
    Legacy,
    Message,
    Options,
    Ready,
    Serving,
    SharedEnviron,
    hear,
    hear_any,
    send,
)
from kfw.daemon.metrics_page import MetricsPage
from kfw.daemon.service import DaemonService
from kfw.daemon.web_page import WebPage
from kfw.environ import Environs
from kfw.errors import KfwError, UsageError
from kfw.model import SERVING
from kfw.names import RowId
from kfw.protocol import HandoverReply, HandoverRequest, Totals
from kfw.system import service_manager
from kfw.system.clock import Clock, rfc3339
from kfw.system.fd_channel import FdChannel
from kfw.system.files import write_atomic, write_pid
from kfw.system.service_units import LABEL

log = logging.getLogger("kfw.handover")

#: Seconds for a new process to say hello, and to begin to serve once it may.
HELLO, SERVE = 15.0, 5.0
#: Seconds in which its ways must be open: for all, and for each forward more; at most.
READY, READY_EACH, READY_MOST = 15.0, 0.03, 50.0
#: Seconds between two looks at what drains.
_LOOK = 0.2
_GOES_ON = "the old daemon continues as before"

M = TypeVar("M", bound=Message)


class Heir:
    """The new process, as the old one sees it."""

    def __init__(self, child: "subprocess.Popen[bytes]", channel: FdChannel, says: str) -> None:
        self.pid = child.pid
        self.channel = channel
        self._child = child
        self._says = says

    @classmethod
    def start(cls, request: HandoverRequest, *, to_stderr: bool) -> "Heir":
        """Raises KfwError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                child = launch.spawn(
                    ["-m", "kfw", "serve", f"--take-over={theirs.fileno()}"],
                    request.python,
                    request.folder,
                    files=[theirs.fileno()],
                    env=service_manager.without_watchdog_pid(os.environ),
                    says=2 if to_stderr else None,
                )
            except BaseException:
                ours.close()
                raise
        return cls(child, FdChannel(ours), "" if to_stderr else str(launch.words_file()))

    async def hear(self, kind: type[M], limit: float) -> M:
        """Raises KfwError, with what it has said."""
        try:
            return await hear(self.channel, kind, limit)
        except TimeoutError as error:
            raise KfwError(f"it does not answer within {limit:g} s") from error
        except (OSError, ValueError) as error:
            words = launch.last_words() if self._says else ""
            raise KfwError(words or f"it ended or sent nonsense: {error}") from error

    async def end(self) -> None:
        """It has not taken over: nothing of it may be left."""
        self.channel.close()  # it ends by itself, with its children
        for insist in (self._child.terminate, self._child.kill):
            if await self._has_ended(5.0):
                return
            insist()
        await self._has_ended(5.0)

    async def _has_ended(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._child.poll() is None:
            if loop.time() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


class Handover:
    """Of a daemon that serves; there is one at a time."""

    def __init__(
        self,
        core: DaemonService,
        counters: Counters,
        environs: Environs,
        options: Options,
        *,
        lock: int,
        metrics: MetricsPage,
    ) -> None:
        self._core = core
        self._counters = counters
        self._environs = environs
        self._options = options
        self._lock = lock
        self._metrics = metrics
        self.server: ControlSocket | None = None
        self.pages: ForwardPages | None = None
        self.web: WebPage | None = None
        self._running: asyncio.Task[HandoverReply] | None = None
        self._drain: asyncio.Task[None] | None = None
        self._heir: Heir | None = None
        #: The daemon before this one drains still: this one ends after it.
        self.predecessor: asyncio.Task[None] | None = None

    async def give(self, request: HandoverRequest) -> HandoverReply:
        """Raises KfwError when nothing has changed hands. Goes on if its caller does not wait for it."""
        _check(request)
        self._refuse_in_foreground()
        if self._core.heir is not None or (self._running and not self._running.done()):
            raise KfwError("a handover is under way already", "`kfw status` shows which kfw runs")
        self._running = asyncio.create_task(self._give(request), name="handover")
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """At the end of this process."""
        for task in (self._running, self._drain):
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._heir:
            self._heir.channel.close()

    def _refuse_in_foreground(self) -> None:
        """Whoever runs `kfw serve` watches this very process; systemd is told which one it is from now on."""
        if service_manager.is_of_launchd():
            fix = (
                f"`launchctl kickstart -k gui/{os.getuid()}/{LABEL}` restarts it: ports are closed in between"
            )
            raise KfwError("launchd watches this process and would not watch a new one", fix)
        if self._options.to_stderr and not os.environ.get(service_manager.ADDRESS):
            raise KfwError(
                f"the daemon (pid {os.getpid()}) runs in the foreground, and is watched by the program that started it",
                "restart it there",
            )

    # -- until the new one serves

    async def _give(self, request: HandoverRequest) -> HandoverReply:
        async with self._core.unchanged():
            heir = None
            try:
                heir = Heir.start(request, to_stderr=self._options.to_stderr)
                hello = await self._prepare(heir)
                then = await self._switch(heir)
            except (KfwError, OSError) as error:
                if heir:
                    await heir.end()
                self._go_on()
                raise _not_taken(error) from error
            except BaseException:
                if heir:
                    await heir.end()
                self._go_on()
                raise
        return await self._leave(heir, hello, then, request.drain)

    async def _prepare(self, heir: Heir) -> Hello:
        hello = await heir.hear(Hello, HELLO)
        if hello.newest < SPEAKS:
            raise KfwError(f"kfw {hello.version} does not hand over in the same way as kfw {__version__}")
        log.info("handing over to kfw %s, pid %d", hello.version, heir.pid)
        legacy, files = self._legacy()
        await send(heir.channel, legacy, files)
        ready = await heir.hear(Ready, legacy.limit + SERVE)
        serving = self._serving()
        if lacks := {name: why for name, why in ready.lacks.items() if name in serving}:
            name, why = next(iter(lacks.items()))
            more = f" (and {len(lacks) - 1} more)" if len(lacks) > 1 else ""
            shown = self._core.supervisor.names.of(RowId.parse(name))
            raise KfwError(f"'{shown}' is served by the old daemon, but not by the new one: {why}{more}")
        return hello

    def _legacy(self) -> tuple[Legacy, list[int]]:
        supervisor, metrics = self._core.supervisor, self._metrics.listening
        sockets = {
            str(row): [sock.fileno() for sock in listener.sockets]
            for row, listener in supervisor.listeners().items()
        }
        assert self.server is not None, "it serves"
        own = [self._lock, self.server.file(), *([metrics.fileno()] if metrics else [])]
        later = list(map(str, supervisor.have_children_at_port()))
        record = self._core.record()
        legacy = Legacy(
            pid=os.getpid(),
            options=self._options,
            record=record,
            environs=[
                SharedEnviron(dict(one), list(map(str, rows)), sources)
                for one, rows, sources in self._environs.memory()
            ],
            has_metrics=metrics is not None,
            ports={name: len(files) for name, files in sockets.items()},
            later=later,
            serving=[row for row in self._serving() if row not in later],
            limit=min(READY + READY_EACH * len(record.forwards), READY_MOST),
        )
        return legacy, [*own, *(file for files in sockets.values() for file in files)]

    def _serving(self) -> list[str]:
        return [str(row.id) for row in self._core.supervisor.statuses() if row.status in SERVING]

    async def _switch(self, heir: Heir) -> dict[RowId, Totals]:
        """Nobody accepts for a moment; then the new one does. Returns the totals as they are handed over."""
        assert self.server is not None, "it serves"
        self.server.pause()
        for listener in self._core.supervisor.listeners().values():
            listener.pause()
        self._counters.sample(self._core.supervisor.statuses())
        totals = self._counters.totals()
        page, files = self.web.give() if self.web else (None, [])
        go = Go(totals=_as_text(totals), events=self._core.events.since(0), page=page)
        await send(heir.channel, go, files)
        await heir.hear(Serving, SERVE)
        return totals

    def _go_on(self) -> None:
        """As before: what waited in the system's queues meanwhile is accepted now."""
        for listener in self._core.supervisor.listeners().values():
            listener.start()
        if self.server:
            self.server.resume()
        if self.web:
            self.web.resume()
        with suppress(KfwError):  # only what people read; the new one may have written its own
            write_pid(self._lock, paths.daemon_lock())
            write_atomic(paths.pid_file(), f"{os.getpid()}\n".encode())

    # -- after that

    async def _leave(
        self, heir: Heir, hello: Hello, then: dict[RowId, Totals], seconds: float
    ) -> HandoverReply:
        assert self.server is not None, "it serves"
        self._heir = heir
        self.server.leave()
        self._metrics.leave()
        self._core.leave(heir.pid)
        self._counters.is_ours = False
        service_manager.notify(f"MAINPID={heir.pid}")
        if self.web:
            await self.web.leave()
        moved = [self._core.supervisor.names.of(row) for row in self._core.supervisor.have_children_at_port()]
        await self._core.supervisor.leave()
        if self.pages:
            await self.pages.close()
        with suppress(OSError):  # it has everything, whether it hears that or not
            await send(heir.channel, Given())
        left = self._core.supervisor.live_connections()
        log.info(
            "pid %d has taken over; %d connections live on here, for at most %g s", heir.pid, left, seconds
        )
        self._drain = asyncio.create_task(self._drain_for(seconds, then), name="drain")
        return HandoverReply(
            pid=heir.pid,
            version=hello.version,
            before=os.getpid(),
            connections=left,
            drain=seconds,
            moved=moved,
        )

    async def _drain_for(self, seconds: float, then: dict[RowId, Totals]) -> None:
        assert self._heir is not None, "it serves"
        asked_to_end = asyncio.create_task(_until_end(self._heir.channel))
        try:
            cut = await self._drain_until(seconds, asked_to_end)
        finally:
            asked_to_end.cancel()
            await asyncio.gather(asked_to_end, return_exceptions=True)
        self._counters.sample(self._core.supervisor.statuses())
        more = since_then(self._counters.totals(), then)
        with suppress(OSError):
            await send(self._heir.channel, Drained(more=_as_text(more), cut=cut))
        self._core.stop(
            f"kfw {self._heir.pid} has taken over; {cut} connections are cut" if cut else "drained"
        )

    async def _drain_until(self, seconds: float, asked_to_end: "asyncio.Task[None]") -> int:
        """Returns how many connections are left."""
        loop, supervisor = asyncio.get_running_loop(), self._core.supervisor
        deadline, until = loop.time() + seconds, rfc3339(Clock().now() + seconds)
        told, answered = -1, loop.time() + 1.0  # the answer to the handover goes out first
        while not asked_to_end.done():
            self._core.events.end()  # who follows goes on at the new one, and hears a proper end here
            await supervisor.drain_turn()
            left = supervisor.live_connections()
            before = self.predecessor is not None and not self.predecessor.done()
            if (not left and not before and loop.time() > answered) or loop.time() > deadline:
                return left
            if left != told:
                told = left
                with suppress(OSError):
                    await send(self._heir_channel(), Draining(connections=left, until=until))
            await asyncio.wait({asked_to_end}, timeout=_LOOK)
        return supervisor.live_connections()

    def _heir_channel(self) -> FdChannel:
        assert self._heir is not None, "it serves"
        return self._heir.channel


async def _until_end(channel: FdChannel) -> None:
    """Returns when the new daemon says that all has to end. That it crashed is not a reason: connections live here."""
    try:
        while not isinstance(await hear_any(channel), EndNow):
            pass
    except (OSError, ValueError):
        await asyncio.Event().wait()


def _as_text(totals: Mapping[RowId, Totals]) -> dict[str, Totals]:
    return {str(row): counted for row, counted in totals.items()}


def _not_taken(error: KfwError | OSError) -> KfwError:
    why = error.what if isinstance(error, KfwError) else error.strerror or str(error)
    log.error("not handed over: %s", why)
    return KfwError(f"the new daemon did not take over: {why}", f"{_GOES_ON}; `kfw logs` may say more")


def _check(request: HandoverRequest) -> None:
    """Raises UsageError."""
    for path, executable in ((request.python, True), (request.folder, False)):
        if not path and not executable:
            continue
        if not path.startswith("/") or "\0" in path or len(path) > 4096:
            raise UsageError("python and folder are absolute paths")
    if not 0 <= request.drain <= 86400:
        raise UsageError("drain is in seconds, at most a day")
