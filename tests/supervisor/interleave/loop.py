"""An event loop without a system below it: no sockets, no threads, and a clock that jumps to the next timer."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from kfw.system.clock import Clock
from tests.supervisor.interleave.pipes import PipeSocket

#: Turns of the loop in which no time passes: far more than any honest work takes.
MOST_TURNS = 20_000


class Stuck(Exception):
    """Nothing is pending, no callback and no timer, so that nobody would ever wake this loop; or it runs in circles."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`on_idle` is called whenever everything that could run has run, before time moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self._turns = 0  # since time has moved
        self.on_idle: Callable[[], None] = lambda: None
        self._clock_resolution = 1e-6  # of two timers that are meant to be due together, both are
        self._selector = self  # BaseEventLoop asks it for events, and lets it pass the time

    def time(self) -> float:
        return self.now

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck
        if timeout > 0:
            self.on_idle()
            if not self._ready:  # type: ignore[attr-defined]
                self.now += timeout
                self._turns = 0
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise Stuck(f"after {MOST_TURNS} turns there is still something to run, and no time passes")
        return []

    def _process_events(self, events: list[Any]) -> None: ...
    def _write_to_self(self) -> None: ...

    # -- what the relay's listener asks of a loop, for sockets of pipes

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
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
