"""One `kfw port-forward` from its arguments to its exit code."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING

from kfw.dropin import kinds, words
from kfw.dropin.clusters import OneCluster
from kfw.dropin.first import first_pods
from kfw.dropin.flags import Arguments, check_timeouts
from kfw.dropin.listen import Bound, addresses, listen
from kfw.dropin.out import Out, Speech
from kfw.dropin.ports import Pair
from kfw.dropin.reach import Reach
from kfw.dropin.source import Source
from kfw.dropin.told import Told
from kfw.errors import KfwError
from kfw.kube.server_login import ServerLogin
from kfw.system import upheaval
from kfw.system.clock import Clock
from kfw.system.log_format import RedactingFormatter
from kfw.system.loop import run as run_loop

if TYPE_CHECKING:
    from kfw.dropin.find import Found
    from kfw.dropin.forwards import Forwards
    from kfw.target.decode.pod import Pod

#: From these -v on (kubectl's levels) kfw's log is shown, too.
_LEVELS = ((6, logging.DEBUG), (2, logging.INFO), (0, logging.ERROR))


def run(arguments: Arguments, environ: Mapping[str, str], speech: Speech) -> int:
    """The exit code. Raises Told."""
    _log(int(arguments.options.get("v", 0)), speech.err)
    return run_loop(_run(arguments, environ, speech))


async def _run(arguments: Arguments, environ: Mapping[str, str], speech: Speech) -> int:
    async with AsyncExitStack() as stack:
        cluster = OneCluster(arguments, environ)
        await stack.enter_async_context(cluster)
        check_timeouts(arguments)
        changed = asyncio.Event()
        reach = Reach(cluster, kinds.reference(arguments.target), changed.set)
        reach.server.want(asked_for=True)
        login = reach.server.login
        login.listeners.add(lambda: _say_what_it_asks(login, speech.err))
        source = Source(cluster, reach, changed, arguments.ports, arguments.pod_running_timeout)
        stack.push_async_callback(source.close)
        beginning = asyncio.create_task(
            _begin(source, first_pods(reach, changed, arguments.pod_running_timeout, speech.err.line))
        )
        stack.push_async_callback(_cancelled, beginning)
        await _import_the_rest()
        try:
            await beginning
        except KfwError as error:
            raise words.told(error, str(cluster.known.cluster.url)) from error
        from kfw.dropin.forwards import Forwards

        forwards = Forwards(cluster, source, speech)
        stack.push_async_callback(forwards.close)
        return await _forward(arguments, source, forwards, speech)


def _say_what_it_asks(login: ServerLogin, err: Out) -> None:
    """A login plugin's words go to stderr, as with kubectl; without what could move the cursor."""
    if login.asks:
        err.line(f"kfw: {login.asks}")


async def _begin(source: Source, finding: "Awaitable[tuple[Found, Sequence[Pod]]]") -> None:
    source.begin(*await finding)


async def _import_the_rest() -> None:
    """What is needed only when the pods are known, a piece at a time, while the API server is asked for them."""
    for name in (
        "supervisor.machine",
        "wire.spdy",
        "methods.tunnel.method",
        "supervisor.runner",
        "dropin.forwards",
    ):
        await asyncio.sleep(0)
        import_module(f"kfw.{name}")


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _forward(arguments: Arguments, source: Source, forwards: "Forwards", speech: Speech) -> int:
    wanted = addresses(arguments.addresses)
    bound = [listen(wanted, pair.local) for pair in source.pairs]
    forwards.start(bound)
    following = asyncio.create_task(source.run(), name="pods")
    try:
        await forwards.opened()
        interrupted = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
        _say(bound, source.pairs, speech)
        forwards.announced()
        source.go()
        doubting = upheaval.watch(Clock(), upheaval.outgoing, forwards.doubt)
        await _first_of(_heard(interrupted), _lost(source), forwards.ended(), following, doubting)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
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


async def _lost(source: Source) -> None:
    await source.lost.wait()
    raise Told(words.LOST)


def _say(bound: Sequence[Bound], pairs: Sequence[Pair], speech: Speech) -> None:
    """Raises Told when nothing is forwarded."""
    for one, pair in zip(bound, pairs, strict=True):
        for at in one.at:
            speech.out.line(f"Forwarding from {at} -> {pair.remote}")
        if not one.ok:
            failures = " ".join(one.failures)
            speech.err.line(
                f"Unable to listen on port {one.port}: "
                f"Listeners failed to create with the following errors: [{failures}]"
            )
        for who in one.taken:
            speech.err.line(f"kfw: {who}")
    if not any(one.ok for one in bound):
        ports = " ".join(f"{{{one.port} {pair.remote}}}" for one, pair in zip(bound, pairs, strict=True))
        raise Told(f"error: unable to listen on any of the requested ports: [{ports}]")


class _ToErr(logging.Handler):
    def __init__(self, err: Out) -> None:
        super().__init__()
        self.setFormatter(RedactingFormatter())
        self._err = err

    def emit(self, record: logging.LogRecord) -> None:
        self._err.line(f"kfw: {self.format(record)}")


def _log(verbosity: int, err: Out) -> None:
    log = logging.getLogger("kfw")
    log.handlers = [_ToErr(err)]
    log.propagate = False
    log.setLevel(next(level for least, level in _LEVELS if verbosity >= least))
