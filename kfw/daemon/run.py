"""The daemon from its first line to its last: lock, leftovers, forwards, socket, signals, and everything back."""

import asyncio
import dataclasses
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from kfw import __version__, paths
from kfw.aio import Complaints, keep_going
from kfw.daemon.connections import Connections
from kfw.daemon.control_socket import ControlSocket
from kfw.daemon.counters import Counters, saving
from kfw.daemon.events import Events
from kfw.daemon.forward_pages import ForwardPages
from kfw.daemon.handlers import Handlers
from kfw.daemon.handover import Handover
from kfw.daemon.handover_messages import Options
from kfw.daemon.logs import log_to, log_with
from kfw.daemon.metrics_page import MetricsPage, serving
from kfw.daemon.orphans import own_ledger
from kfw.daemon.service import DaemonService
from kfw.daemon.takeover import Takeover
from kfw.environ import Environs
from kfw.errors import KfwError
from kfw.methods.choose import all_methods
from kfw.names import RowName
from kfw.protocol import ConnectionInfo, ForwardStatus
from kfw.relay.listener import NULL_OBSERVER, ConnectionObserver
from kfw.supervisor.inheritance import Inheritance
from kfw.supervisor.runner import World
from kfw.supervisor.supervisor import Supervisor, Tell
from kfw.system import loop, network_changes
from kfw.system.changes import FileChanges
from kfw.system.clock import Clock
from kfw.system.files import Locked, clear_the_way, lock, make_private_dir, write_atomic
from kfw.system.process import Children, use_pidfd_watcher
from kfw.system.service_manager import told_to_service_manager
from kfw.target.registry import ClusterRegistry

if TYPE_CHECKING:
    from kfw.extras.notify import Notifier

log = logging.getLogger("kfw.daemon")

#: Seconds for all forwards to end; after that the process leaves and the ledger tells the next one what to end.
GRACE = 10.0
#: Seconds that the daemon's lock is waited for: who only looks whether it is free has it for an instant.
LOCK_WAIT = 0.5


@dataclass(frozen=True)
class DaemonOptions:
    """`on_demand`: end when the last forward is down. `to_stderr`: log there instead of to the log file."""

    on_demand: bool = False
    log_level: str = "info"
    to_stderr: bool = False
    metrics_listen: str | None = None  # address:port
    notices: bool = False  # on the desktop


def serve(options: DaemonOptions | None = None, *, take_over: int | None = None) -> int:
    """Run the daemon in this process until it is told to stop. Raises KfwError when another one runs.

    `take_over`: the number of an open socket, over which the one that runs hands over to this one.
    """
    options = options or DaemonOptions()
    for directory in (paths.runtime_dir(), paths.state_dir()):
        make_private_dir(directory)
    use_pidfd_watcher()
    if take_over is not None:
        loop.run(_take_over(take_over))
        return 0
    with _only_one() as held:
        _start_log(options)
        loop.run(_serve(options, held))
    return 0


async def _take_over(number: int) -> None:
    takeover = await Takeover.begin(number)
    try:
        options = DaemonOptions(**msgspec.structs.asdict(takeover.legacy.options))
        _start_log(options)
        await _serve(options, takeover.lock, takeover)
    finally:
        takeover.close()


@contextmanager
def _only_one() -> Iterator[int]:
    """The open file of the lock. Raises KfwError naming the daemon that runs already."""
    with ExitStack() as stack:
        try:
            held = stack.enter_context(lock(paths.daemon_lock(), what="the kfw daemon", wait=LOCK_WAIT))
        except Locked as error:
            what = f"kfw is running already, {error.who}"
            raise Locked(what, "`kfw status` shows it, `kfw stop` ends it", who=error.who) from error
        yield held


async def _serve(options: DaemonOptions, held: int, takeover: Takeover | None = None) -> None:
    """`held`: the open file of the lock."""
    async with AsyncExitStack() as stack:
        events = Events(Clock())
        connections = _connections(events)
        counters = Counters(paths.counters_file(), Clock(), {} if takeover else None)
        environs = Environs(os.environ)
        core, pages = await _core(stack, options, events, connections, counters, environs, takeover)
        metrics = MetricsPage(lambda: counters.sample(core.supervisor.statuses()), core.uptime)
        handover = Handover(core, counters, environs, _as_handed_over(options), lock=held, metrics=metrics)
        handlers = Handlers(core, connections, counters, metrics, handover, pages)
        stack.push_async_callback(handlers.web.close)
        core.is_watched = lambda: handlers.web.address is not None
        _handle_signals(core)
        if takeover:
            core.heir = takeover.legacy.pid  # until it says Go
            takeover.on_given = lambda: pages.open(core.supervisor)
            await takeover.prepare(core, counters, events)
        listening = takeover.metrics if takeover else None
        await stack.enter_async_context(serving(metrics, options.metrics_listen, listening))
        server = ControlSocket(
            paths.socket_path(), handlers, listening=takeover.control if takeover else None
        )
        handover.server, handover.pages, handover.web = server, pages, handlers.web
        stack.push_async_callback(server.close)
        stack.push_async_callback(handover.close)
        _claim_pid_file(stack, core)
        await server.start()
        module = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        log.info("kfw %s is running on %s, pid %s", __version__, module, os.getpid())
        gc.freeze()  # modules and classes stay: no collection need look at them
        events.emit("daemon", message=f"kfw {__version__} is running")
        if takeover:
            takeover.claim_lock()
            core.heir, counters.is_ours, server.is_ours = None, True, True
            await takeover.serve()
            if takeover.page:
                handlers.web.take_over(*takeover.page)
            stack.push_async_callback(_follow(takeover, core, counters, events, handover))
        else:
            pages.open(core.supervisor)
            await core.restore()
        stack.callback(core.watch_files(FileChanges()).close)
        await stack.enter_async_context(told_to_service_manager(lambda: core.heir is None))
        await core.ended.wait()
        events.emit("daemon", message="stopping")


def _follow(
    takeover: Takeover, core: DaemonService, counters: Counters, events: Events, handover: Handover
) -> Callable[[], Awaitable[None]]:
    """Hear what the daemon before says. Returns what ends that, and that daemon."""

    def tell(message: str) -> None:
        log.info("%s", message)
        events.emit("daemon", message=message)

    core.notes.append(takeover.note)
    following = asyncio.create_task(takeover.follow(core, counters, tell), name="the previous daemon")
    handover.predecessor = following

    async def end() -> None:
        await takeover.end(GRACE)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    return end


def _as_handed_over(options: DaemonOptions) -> Options:
    return Options(**dataclasses.asdict(options))


def _connections(events: Events) -> Connections:
    def tell(name: RowName, message: str, connection: ConnectionInfo | None) -> None:
        events.emit("connection", row=name.row, shown=str(name), message=message, connection=connection)

    return Connections(Clock(), tell)


async def _core(
    stack: AsyncExitStack,
    options: DaemonOptions,
    events: Events,
    watcher: ConnectionObserver,
    counters: Counters,
    environs: Environs,
    takeover: Takeover | None,
) -> tuple[DaemonService, ForwardPages]:
    notifier = await _notifier(stack) if options.notices else None

    def emit(kind: str, status: ForwardStatus) -> None:
        status = pages.shown(status)
        events.emit(kind, row=status.id, shown=status.shown, message=status.message, forward=status)

    def tell(kind: str, status: ForwardStatus) -> None:
        counters.hear(kind, status)
        if notifier:
            notifier.hear(kind, status)
        pages.hear(kind, status)
        emit(kind, status)

    children = await stack.enter_async_context(own_children())
    pages = ForwardPages(children, environs, emit)
    stack.push_async_callback(pages.close)
    inheritance = Inheritance()
    if takeover:
        takeover.give_environs(environs)
        inheritance = takeover.inheritance
    supervisor = await stack.enter_async_context(
        running_supervisor(children, tell, environs, watcher, inheritance)
    )
    await stack.enter_async_context(saving(counters, supervisor.statuses, Clock()))
    core = DaemonService(supervisor, events, Clock(), paths.store_file(), on_demand=options.on_demand)
    return core, pages


async def _notifier(stack: AsyncExitStack) -> "Notifier":
    from kfw.extras.notify import Notifier  # only where somebody wants them

    notifier = Notifier(Clock())
    complaints = Complaints(log, "desktop notifications")
    running = asyncio.create_task(keep_going(notifier.run, complaints.tell), name="notices")

    async def end() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    stack.push_async_callback(end)
    return notifier


@asynccontextmanager
async def own_children() -> AsyncIterator[Children]:
    """In a ledger of this process; at the end none is left."""
    with own_ledger(paths.state_dir()) as ledger:
        children = Children(ledger)
        try:
            yield children
        finally:
            await children.stop_all(GRACE)


@asynccontextmanager
async def running_supervisor(
    children: Children,
    tell: Tell,
    environs: Environs,
    watcher: ConnectionObserver = NULL_OBSERVER,
    inheritance: Inheritance | None = None,
) -> AsyncIterator[Supervisor]:
    """A supervisor with all it needs; at the end nothing of what it started is left."""
    async with ClusterRegistry(environs=environs) as clusters:
        forward_log = logging.getLogger("kfw.forward")
        methods = all_methods(children, clusters)
        world = World(
            *(clusters, methods, Clock(), forward_log),
            watcher=watcher,
            environs=environs,
            inheritance=inheritance or Inheritance(),
        )
        supervisor = Supervisor(world, tell)
        watch = partial(network_changes.watch, world.clock, network_changes.outgoing, supervisor.recheck)
        complaints = Complaints(log, "the check for network changes")
        watching = asyncio.create_task(keep_going(watch, complaints.tell))
        try:
            yield supervisor
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await _close(supervisor)


async def _close(supervisor: Supervisor) -> None:
    try:
        await asyncio.wait_for(supervisor.close(), GRACE)
    except TimeoutError:
        log.error("some forwards did not end within %s s", GRACE)


def _handle_signals(core: DaemonService) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, core.stop, signal.Signals(number).name)
    loop.add_signal_handler(signal.SIGHUP, _reload, core, set())
    loop.add_signal_handler(signal.SIGUSR1, _dump, core)


def _dump(core: DaemonService) -> None:
    from kfw.daemon.dump import write_dump  # rarely wanted

    write_dump(paths.log_file().parent, core.supervisor, core.uptime(), Clock())


def _reload(core: DaemonService, running: set[asyncio.Task[None]]) -> None:
    task = asyncio.ensure_future(_logged_reload(core))
    running.add(task)
    task.add_done_callback(running.discard)


async def _logged_reload(core: DaemonService) -> None:
    try:
        await core.reload()
    except KfwError as error:
        log.error("reload changed nothing: %s", error.what)
        core.events.emit("reload", message=f"nothing changed: {error.what}")


def _start_log(options: DaemonOptions) -> None:
    if options.to_stderr:
        log_with(logging.StreamHandler(), options.log_level)
    else:
        log_to(paths.log_file(), options.log_level)


def _claim_pid_file(stack: AsyncExitStack, core: DaemonService) -> None:
    def give_up() -> None:
        if core.heir is None:
            paths.pid_file().unlink(missing_ok=True)

    clear_the_way(paths.pid_file())
    write_atomic(paths.pid_file(), f"{os.getpid()}\n".encode())
    stack.callback(give_up)
