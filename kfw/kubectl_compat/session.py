"""One `kfw port-forward` from its arguments to its exit code."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING

from kfw.errors import KfwError
from kfw.kube.api_session import ServerLogin
from kfw.kubectl_compat import find, messages
from kfw.kubectl_compat.access import CommandLine
from kfw.kubectl_compat.flags import Arguments, check_timeouts
from kfw.kubectl_compat.follower import PodRegistry, Wanted
from kfw.kubectl_compat.listen import Bound, addresses, listen
from kfw.kubectl_compat.messages import KubectlError
from kfw.kubectl_compat.ports import Pair
from kfw.kubectl_compat.writer import Console, NonBlockingWriter
from kfw.system import network_changes
from kfw.system.clock import Clock
from kfw.system.log_format import RedactingFormatter
from kfw.system.loop import run as run_loop

if TYPE_CHECKING:
    from kfw.kubectl_compat.forwards import Forwards

#: From these -v on (kubectl's levels) kfw's log is shown, too.
_LEVELS = ((6, logging.DEBUG), (2, logging.INFO), (0, logging.ERROR))


def run(arguments: Arguments, environ: Mapping[str, str], console: Console) -> int:
    """The exit code. Raises KubectlError."""
    _log(int(arguments.options.get("v", 0)), console.err)
    return run_loop(_run(arguments, environ, console))


async def _run(arguments: Arguments, environ: Mapping[str, str], console: Console) -> int:
    async with AsyncExitStack() as stack:
        command_line = CommandLine(arguments, environ)
        registry = await stack.enter_async_context(PodRegistry(command_line, environ))
        check_timeouts(arguments)
        reference, namespace = find.reference(arguments.target), command_line.known.namespace
        server = registry.join_first().server
        server.want(asked_for=True)
        login = server.login
        login.listeners.add(lambda: _say_what_it_asks(login, console.err))
        wanted = Wanted(reference, namespace, arguments.ports, arguments.pod_running_timeout)
        beginning = asyncio.create_task(registry.begin(wanted, console.err.line), name="first pods")
        stack.push_async_callback(_cancelled, beginning)
        await _import_the_rest()
        try:
            await beginning
        except KfwError as error:
            raise messages.told(error, str(command_line.known.cluster.url)) from error
        from kfw.kubectl_compat.forwards import Forwards

        forwards = Forwards(registry, reference, namespace, console)
        stack.push_async_callback(forwards.close)
        return await _forward(arguments, registry, forwards, console)


def _say_what_it_asks(login: ServerLogin, err: NonBlockingWriter) -> None:
    """A login plugin's words go to stderr, as with kubectl; without what could move the cursor."""
    if login.asks:
        err.line(f"kfw: {login.asks}")


async def _import_the_rest() -> None:
    """What is needed only when the pods are known, a piece at a time, while the API server is asked for them."""
    for name in (
        "supervisor.machine",
        "wire.spdy",
        "methods.tunnel.method",
        "supervisor.runner",
        "kubectl_compat.forwards",
    ):
        await asyncio.sleep(0)
        import_module(f"kfw.{name}")


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _forward(
    arguments: Arguments, registry: PodRegistry, forwards: "Forwards", console: Console
) -> int:
    wanted = addresses(arguments.addresses)
    bound = [listen(wanted, pair.local) for pair in registry.pairs]
    forwards.start(bound)
    await forwards.opened()
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    _say(bound, registry.pairs, console)
    forwards.announced()
    registry.go()
    doubting = network_changes.watch(Clock(), network_changes.outgoing, forwards.recheck)
    await _first_of(_heard(interrupted), _lost(registry), forwards.ended(), doubting)
    return 0


async def _first_of(*ends: Awaitable[None]) -> None:
    """Whatever ends first ends the command; all but the first of these by raising."""
    tasks = [asyncio.ensure_future(end) for end in ends]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for task in done:
        task.result()


async def _heard(event: asyncio.Event) -> None:
    await event.wait()


async def _lost(registry: PodRegistry) -> None:
    await registry.lost.wait()
    raise KubectlError(messages.LOST)


def _say(bound: Sequence[Bound], pairs: Sequence[Pair], console: Console) -> None:
    """Raises KubectlError when nothing is forwarded."""
    for one, pair in zip(bound, pairs, strict=True):
        for at in one.at:
            console.out.line(f"Forwarding from {at} -> {pair.remote}")
        if not one.ok:
            failures = " ".join(one.failures)
            console.err.line(
                f"Unable to listen on port {one.port}: "
                f"Listeners failed to create with the following errors: [{failures}]"
            )
        for who in one.taken:
            console.err.line(f"kfw: {who}")
    if not any(one.ok for one in bound):
        ports = " ".join(f"{{{one.port} {pair.remote}}}" for one, pair in zip(bound, pairs, strict=True))
        raise KubectlError(f"error: unable to listen on any of the requested ports: [{ports}]")


class _ToErr(logging.Handler):
    def __init__(self, err: NonBlockingWriter) -> None:
        super().__init__()
        self.setFormatter(RedactingFormatter())
        self._err = err

    def emit(self, record: logging.LogRecord) -> None:
        self._err.line(f"kfw: {self.format(record)}")


def _log(verbosity: int, err: NonBlockingWriter) -> None:
    log = logging.getLogger("kfw")
    log.handlers = [_ToErr(err)]
    log.propagate = False
    log.setLevel(next(level for least, level in _LEVELS if verbosity >= least))
