"""A command in the foreground, as a shell would run it: its code, and every signal that is meant for it goes to it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType

from kfw.errors import KfwError

#: A terminal sends these to all that run in its foreground, so the command has them already.
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_PASSED_ON = (*_FROM_TERMINAL, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

Handler = Callable[[int, FrameType | None], object] | int | None


class CommandNotFound(KfwError):
    exit_code = 127


class CommandNotExecutable(KfwError):
    exit_code = 126


def check_command(argv: Sequence[str], path: str | None) -> None:
    """Before anything is done for it. `path`: PATH. Raises KfwError with 127 or 126, the shells' codes."""
    if shutil.which(argv[0], path=path):
        return
    if shutil.which(argv[0], mode=os.F_OK, path=path):
        raise CommandNotExecutable(f"cannot run {argv[0]}: it is not executable", f"chmod +x {argv[0]}")
    raise CommandNotFound(f"cannot run {argv[0]}: command not found", "check its spelling and PATH")


class CommandSignals:
    """While it is entered, signals end this process by SystemExit (128 and the number), so that all that was begun is
    taken back; while a command runs they go to the command instead, and after that nowhere."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._is_spawning = False
        self._missed: list[int] = []
        self._ignored = False
        self._before: dict[int, Handler] = {}

    def __enter__(self) -> "CommandSignals":
        for number in _PASSED_ON:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # nohup, or a job in the background of a script
                self._before[number] = before
                signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def ignore(self) -> None:
        """From now on: what is being taken back is not left half done."""
        self._ignored = True

    def run(self, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Its exit code; 128 and the number of the signal that ended it. Raises KfwError when it cannot be started."""
        self._is_spawning = True
        try:
            child = subprocess.Popen(argv, env=dict(environ))
        except OSError as error:
            self._is_spawning = False
            kind = CommandNotFound if isinstance(error, FileNotFoundError) else CommandNotExecutable
            raise kind(f"cannot run {argv[0]}: {error.strerror or error}") from error
        with child:
            self._child = child  # first, so that there is no moment in which a signal would find neither
            self._is_spawning = False
            for number in self._missed:
                self._pass_on(number)
            code = child.wait()
        self.ignore()
        return code if code >= 0 else 128 - code

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._ignored:  # once is enough, and a second one must not disturb what the first began
            return
        if self._is_spawning:
            self._missed.append(number)
        elif self._child:
            self._pass_on(number)
        else:
            self.ignore()
            raise SystemExit(128 + number)

    def _pass_on(self, number: int) -> None:
        if self._child and not (number in _FROM_TERMINAL and is_in_foreground()):
            with suppress(ProcessLookupError):
                self._child.send_signal(number)


def is_in_foreground() -> bool:
    """Of the terminal that this process has, if it has one."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
