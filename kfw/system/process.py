"""The only door to long-lived children: each leads a group of its own, is in the ledger before it runs, and has an owner.

Output is read as it comes and handed on line by line, so a child that prints megabytes neither fills memory nor
blocks. Where the system can (Linux, util-linux' setpriv), a child also gets TERM when the daemon dies.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import cast

from kfw.errors import KfwError, ToolMissing
from kfw.system import ledger as book
from kfw.system.identity import MARKER
from kfw.system.ledger import Entry, Ledger
from kfw.system.lines import Lines
from kfw.system.tools import find

#: on_line(stream, line): stream is "stdout" or "stderr".
OnLine = Callable[[str, str], None]

#: Lines of stderr that are kept.
LAST_WORDS = 20
#: Seconds that a dead child's last output is waited for; what it left behind may hold the pipe open for ever.
_LAST_OUTPUT = 0.1
#: Seconds that a killed child is waited for. One in an uninterruptible system call stays in the ledger.
_KILLED = 2.0

_STREAMS = {1: "stdout", 2: "stderr"}


class Children:
    """Starts children. Whoever starts one stops it; `stop_all` is for the end of the daemon."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._all: set[Child] = set()

    async def start(
        self,
        argv: Sequence[str],
        *,
        label: str,
        env: Mapping[str, str] | None = None,
        on_line: OnLine | None = None,
    ) -> "Child":
        """`env` comes on top of ours. Raises ToolMissing, or KfwError if the ledger cannot be written."""
        environment = {**os.environ, **(env or {})}
        program = find(argv[0], environment.get("PATH"))
        child = Child(self._ledger.intend(argv, label), on_line, self._forget)
        environment[MARKER] = child.entry.marker
        try:
            await child.spawn([*_ends_with_us(), program, *argv[1:]], environment)
        except OSError as error:
            self._ledger.ended(child.entry)
            raise ToolMissing(f"cannot run {argv[0]}: {error.strerror or error}") from error
        except BaseException:  # cancelled: asyncio has killed it
            self._ledger.ended(child.entry)
            raise
        self._all.add(child)
        try:
            child.entry = self._ledger.started(child.entry, child.pid)
        except KfwError:
            await child.stop(0)
            raise
        return child

    async def stop_all(self, grace: float = 5.0) -> None:
        await asyncio.gather(*(child.stop(grace) for child in list(self._all)))

    def _forget(self, child: "Child") -> None:
        if child in self._all:
            self._all.remove(child)
            self._ledger.ended(child.entry)


class Child(asyncio.SubprocessProtocol):
    """A process and the group it leads. `pid` is 0 until it runs."""

    def __init__(self, entry: Entry, on_line: OnLine | None, forget: Callable[["Child"], None]) -> None:
        self.entry = entry
        self.pid = 0
        self._on_line = on_line
        self._forget = forget
        self._lines = {fd: Lines() for fd in _STREAMS}
        self._tail: deque[str] = deque(maxlen=LAST_WORDS)
        self._code: int | None = None
        self._over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        return self.entry.argv

    @property
    def running(self) -> bool:
        return self.pid != 0 and self._code is None

    async def wait(self) -> int:
        """The exit code; minus the signal's number if a signal ended it. Its last words are there by then."""
        return await asyncio.shield(self._over)

    def last_words(self) -> str:
        """The last lines of stderr."""
        return "\n".join(self._tail)

    def how_it_ended(self) -> str:
        """`kubectl exited with code 1`, `socat was killed by SIGKILL`, `socat is running`."""
        name = Path(self.argv[0]).name
        if self._code is None:
            return f"{name} is running"
        if self._code >= 0:
            return f"{name} exited with code {self._code}"
        return f"{name} was killed by {_signal_name(-self._code)}"

    async def stop(self, grace: float = 5.0) -> None:
        """Ask the whole group to end; after `grace` seconds, or when cancelled, make it. Harmless twice."""
        self._stopping = True
        try:
            if self.running:
                self._signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(grace):
                        await self.wait()
        finally:
            self._kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_KILLED):
                await self.wait()

    async def spawn(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Called once, by Children. Raises OSError."""
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            *argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=env,
        )

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._heard(fd, self._lines[fd].feed(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._heard(fd, self._lines[fd].flush())

    def process_exited(self) -> None:
        assert self._transport is not None
        self._code = self._transport.get_returncode()
        if self._stopping:
            self._kill()
        asyncio.get_running_loop().call_later(_LAST_OUTPUT, self._settle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()  # it has exited, and both pipes are at their end

    # --

    def _heard(self, fd: int, lines: list[str]) -> None:
        for line in lines:
            if fd == 2 and line.strip():
                self._tail.append(line)
            if self._on_line:
                self._on_line(_STREAMS[fd], line)

    def _settle(self) -> None:
        if self._code is None or self._over.done():
            return
        self._over.set_result(self._code)
        if self._stopping:
            self._leave()

    def _leave(self) -> None:
        """The group is gone: nothing to end any more, now or after a crash."""
        if self._transport:
            self._transport.close()
        self._forget(self)

    def _signal(self, number: signal.Signals) -> None:
        """While the child is not reaped its group's id cannot be anybody else's."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _kill(self) -> None:
        if self.running:
            self._signal(signal.SIGKILL)
        elif self.pid:
            self._kill_the_rest()
        if self._over.done():
            self._leave()

    def _kill_the_rest(self) -> None:
        """What a dead child left in its group. The id may be a stranger's by now, so each is looked at."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, 0)  # nearly always there is nobody, and no need to look at all processes
            book.kill(self.entry, signal.SIGKILL)


def use_pidfd_watcher() -> None:
    """Python 3.11 starts a thread per child by default; later ones use pidfds by themselves. Call before the loop runs."""
    if sys.version_info < (3, 12) and _has_pidfd():
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())


def _has_pidfd() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def _ends_with_us() -> list[str]:
    """PR_SET_PDEATHSIG, set by setpriv(1), which then becomes the child: Python's own hook for it is not safe.

    The signal comes at the end of the thread that spawns, so other threads than the main one go without.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    return list(_setpriv())


@cache
def _setpriv() -> tuple[str, ...]:
    """Empty where there is none, or one that cannot do it (busybox)."""
    if sys.platform != "linux":
        return ()
    try:
        prefix = (find("setpriv"), "--pdeathsig", "TERM", "--")
        done = subprocess.run([*prefix, find("true")], capture_output=True, timeout=5, check=False)
    except (ToolMissing, OSError, subprocess.TimeoutExpired):
        return ()
    return prefix if done.returncode == 0 else ()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
