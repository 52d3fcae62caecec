"""An event loop without a system below it: no sockets, no threads, and a clock that jumps to the next timer."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from heapq import heappop
from typing import Any, cast

from kfw.system.clock import Clock
from tests.supervisor.interleave.pipes import PipeSocket

#: The loop's time when it begins, in seconds.
START = 1000.0
#: Turns of the loop in which no time passes: far more than any honest work takes.
MOST_TURNS = 20_000


class Stuck(Exception):
    """Nothing is pending, no callback and no timer, so that nobody would ever wake this loop; or it runs in circles."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`on_idle` is called whenever everything that could run has run, before time moves on."""

    _ready: deque[Any]  # of BaseEventLoop, as are the timers
    _scheduled: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.on_idle: Callable[[], None] = lambda: None
        self._turns = 0  # since time has moved

    def time(self) -> float:
        return self.now

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """As BaseEventLoop's without its checks, which cost a third of a history."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _run_once(self) -> None:
        """As BaseEventLoop's, save that nothing is polled and that time moves only here."""
        ready, timers = self._ready, self._scheduled
        if not ready:
            self._let_time_pass()
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise Stuck(f"after {MOST_TURNS} turns there is still something to run, and no time passes")
        while timers and timers[0]._when <= self.now:
            timer = heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _let_time_pass(self) -> None:
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heappop(timers)._scheduled = False
        if not timers:
            raise Stuck("nothing is pending")
        if timers[0]._when > self.now:
            self.on_idle()
            if not self._ready:
                self.now, self._turns = timers[0]._when, 0

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...
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
