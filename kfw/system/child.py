"""One child: what it prints, cut into lines of any bytes without escape sequences, how it ends, and how it is ended
together with all it started.
"""

import asyncio
import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from kfw.system import ledger, process_identity
from kfw.system.ledger import LedgerEntry
from kfw.system.process_identity import SeenProcess, alive

#: A longer line comes in pieces of this many bytes.
MAX_LINE = 64 * 1024

#: Colours and cursor moves (CSI), titles and links (OSC), other two-byte escapes, and control bytes but the tab (ECMA-48).
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f]"
)
#: on_line(stream, line): stream is "stdout" or "stderr".
OnLine = Callable[[str, str], None]

#: Lines of stderr that are kept.
LAST_WORDS = 20
#: Seconds that a dead child's last output is waited for; what it left behind may hold the pipe open for ever.
_LAST_OUTPUT = 0.1
#: Seconds that a killed child is waited for. One in an uninterruptible system call stays in the ledger.
_KILLED = 2.0

_STREAMS = {1: "stdout", 2: "stderr"}


class Lines:
    """Feed bytes, get whole lines. Holds at most MAX_LINE bytes back."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, rest = (self._rest + data).split(b"\n")
        pieces = [piece for line in whole for piece in _pieces(line)]
        *full, self._rest = _pieces(rest)
        return [_text(piece) for piece in pieces + full]

    def flush(self) -> list[str]:
        """The last line, if it did not end with a newline."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _pieces(line: bytes) -> list[bytes]:
    return [line[start : start + MAX_LINE] for start in range(0, max(len(line), 1), MAX_LINE)]


def _text(line: bytes) -> str:
    return _ESCAPES.sub("", line.decode("utf-8", errors="replace"))


class Child(asyncio.SubprocessProtocol):
    """A process and the group it leads. `pid` is 0 until it runs; `over` is done when it has ended, with the exit code."""

    def __init__(
        self,
        entry: LedgerEntry,
        on_line: OnLine | None,
        forget: Callable[["Child"], None],
        warning: Callable[[LedgerEntry], str] = lambda _: "",
    ) -> None:
        self.entry = entry
        self._warning = warning
        self.pid = 0
        self._on_line = on_line
        self._forget = forget
        self._lines = {fd: Lines() for fd in _STREAMS}
        self._tail: deque[str] = deque(maxlen=LAST_WORDS)
        self._code: int | None = None
        self.ended_at: float | None = None  # by the loop's time
        self.over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._rest: list[SeenProcess] = []  # what it left in its group, killed
        self._forked: list[SeenProcess] | None = None  # what outlived it and goes on; None: not looked at yet
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        return self.entry.argv

    @property
    def warning(self) -> str:
        """What people should know of it, though it runs; "" most of the time."""
        return self._warning(self.entry)

    @property
    def running(self) -> bool:
        return self.pid != 0 and self._code is None

    @property
    def stopped(self) -> bool:
        """It was sent SIGSTOP or the like, as far as this system tells."""
        return self.running and process_identity.stopped(self.pid)

    @property
    def ended_with_it(self) -> int:
        """How many processes of its group had outlived it and were ended by `stop`."""
        return len({seen.pid for seen in self._rest})

    async def wait(self) -> int:
        """The exit code; minus the signal's number if a signal ended it. Its last words are there by then."""
        return await asyncio.shield(self.over)

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
                self._signal(signal.SIGCONT)  # one that is stopped would hear it only then
                with suppress(TimeoutError):
                    async with asyncio.timeout(grace):
                        await self.wait()
        finally:
            self._kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_KILLED):
                await self.wait()
                while any(map(alive, self._rest)):  # noqa: ASYNC110 - they are not our children, so nobody tells
                    await asyncio.sleep(0.005)

    async def stop_leader(self, grace: float = 5.0) -> None:
        """End the child alone; what it has forked goes on, stays in the ledger, and is ended by `stop`."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.running:
                return
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)  # it is not reaped yet, so this is nobody else
                os.kill(self.pid, signal.SIGCONT)  # one that is stopped would hear it only then
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self.wait()

    def left_behind(self) -> bool:
        """Whether something that the child has forked still runs."""
        if self.running:
            return False
        if self._forked is None:  # without the child itself they become no more
            self._forked = ledger.living_members(self.entry)
        self._forked = [seen for seen in self._forked if alive(seen)]
        return bool(self._forked)

    def tell(self, data: bytes) -> None:
        """Onto its stdin, where it has one; what has ended hears nothing."""
        if self._stdin and not self._stdin.is_closing():
            self._stdin.write(data)

    def tell_end(self) -> None:
        """Its stdin is at the end after what it was told; also when we die."""
        if self._stdin and not self._stdin.is_closing():
            self._stdin.close()

    async def spawn(self, argv: Sequence[str], env: Mapping[str, str], *, stdin: bool = False) -> None:
        """Called once, by Children. Raises OSError."""
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            *argv,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=env,
        )

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid()
        self._stdin = cast(asyncio.WriteTransport | None, self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._heard(fd, self._lines[fd].feed(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd in self._lines:  # stdin has none
            self._heard(fd, self._lines[fd].flush())

    def process_exited(self) -> None:
        assert self._transport is not None
        self._code = self._transport.get_returncode()
        self.ended_at = asyncio.get_running_loop().time()
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
            if self._on_line is not None:
                self._on_line(_STREAMS[fd], line)

    def _settle(self) -> None:
        if self._code is None or self.over.done():
            return
        self.over.set_result(self._code)
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
        if self.over.done():
            self._leave()

    def _kill_the_rest(self) -> None:
        """What a dead child left in its group. The id may be a stranger's by now, so each is looked at."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, 0)  # nearly always there is nobody, and no need to look at all processes
            self._rest += ledger.kill(self.entry, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
