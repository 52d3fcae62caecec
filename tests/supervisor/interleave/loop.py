"""An event loop without a system below it: no sockets, no threads, and a clock that jumps to the next timer."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from typing import Any, cast
from weakref import ref

from kfw.system.clock import Clock
from tests.supervisor.interleave.pipes import PipeSocket

#: The loop's time when it begins, in seconds.
START = 1000.0
#: Turns of the loop in which no time passes: far more than any honest work takes.
MOST_TURNS = 20_000
_NAN = float("nan")


class Stuck(Exception):
    """Nothing is pending, no callback and no timer, so that nobody would ever wake this loop; or it runs in circles."""


class _Handle:
    """As much of asyncio's as anybody asks for: to make one of those costs a tenth of a history."""

    live = True

    def cancel(self) -> None:
        self.live = False

    def cancelled(self) -> bool:
        return not self.live


class VirtualLoop(asyncio.BaseEventLoop):
    """`on_idle` is called whenever everything that could run has run, before time moves on."""

    #: Of BaseEventLoop. Of two timers that are due together neither is less, as NaN is less than nothing: they ring in any
    #: order, as asyncio's do.
    _ready: deque[tuple[_Handle, Any, tuple[Any, ...], Context]]
    _scheduled: list[tuple[float, float, _Handle, Any, tuple[Any, ...], Context]]

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.on_idle: Callable[[], None] = lambda: None
        self._turns = 0  # since time has moved
        self._tasks: list[ref[asyncio.Task[Any]]] = []

    def time(self) -> float:
        return self.now

    def pending_tasks(self) -> set[asyncio.Task[Any]]:
        """As asyncio.all_tasks, which also goes through those of loops before."""
        return {task for each in self._tasks if (task := each()) and not task.done()}

    # -- as BaseEventLoop's without its checks

    get_debug = staticmethod(bool)  # False, and no call of Python: each future asks

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> _Handle:
        handle = _Handle()
        self._ready.append((handle, callback, args, copy_context() if context is None else context))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> _Handle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> _Handle:
        handle = _Handle()
        timer = when, -_NAN, handle, callback, args, copy_context() if context is None else context
        heappush(self._scheduled, timer)
        return handle

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], **more: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, **more)
        self._tasks.append(ref(task))
        return task

    def _run_once(self) -> None:
        """As BaseEventLoop's, save that nothing is polled and that time moves only here."""
        ready, timers = self._ready, self._scheduled
        if not ready:
            self._let_time_pass()
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise Stuck(f"after {MOST_TURNS} turns there is still something to run, and no time passes")
        while timers and timers[0][0] <= self.now:
            ready.append(heappop(timers)[2:])
        for _ in range(len(ready)):
            handle, callback, args, context = ready.popleft()
            if handle.live:
                try:
                    context.run(callback, *args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001  as BaseEventLoop does
                    told = {
                        "message": f"Exception in callback {callback}",
                        "exception": error,
                        "handle": handle,
                    }
                    self.call_exception_handler(told)

    def _let_time_pass(self) -> None:
        timers = self._scheduled
        while timers and not timers[0][2].live:
            heappop(timers)
        if not timers:
            raise Stuck("nothing is pending")
        if timers[0][0] > self.now:
            self.on_idle()
            if not self._ready:
                self.now, self._turns = timers[0][0], 0

    def _process_events(self, events: list[Any]) -> None: ...
    def _write_to_self(self) -> None: ...

    # -- what the relay's listener asks of a loop, for sockets of pipes

    def add_reader(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        fd.on_client = lambda: self.call_soon(callback, *args)
        if fd.queue:
            fd.on_client()

    def remove_reader(self, fd: Any) -> bool:
        fd.on_client = lambda: None
        return True

    async def connect_accepted_socket(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], sock: socket.socket, **more: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        await asyncio.sleep(0)
        pipe = cast(PipeSocket, sock).pipe
        protocol = protocol_factory()
        pipe.begin(cast(asyncio.Protocol, protocol))
        return pipe, protocol


class VirtualClock(Clock):
    """The loop's time for all who ask kfw's own clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return 1_700_000_000.0 + self._loop.now

    def monotonic(self) -> float:
        return self._loop.now

    def boottime(self) -> float:
        return self._loop.now
