"""The only door to long-lived children: each leads a group of its own, is in the ledger before it runs, and has an owner.

Output is read as it comes and handed on line by line, so a child that prints megabytes neither fills memory nor
blocks. Where the system can (Linux, util-linux' setpriv), a child also gets TERM when the daemon dies.
"""

import asyncio
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache

from kfw.errors import KfwError, ToolMissing, words_of
from kfw.system.child import Child, OnLine
from kfw.system.ledger import Ledger
from kfw.system.open_files import OPEN_FILES, Use, is_shortage, shortage_of
from kfw.system.process_identity import MARKER
from kfw.system.tools import find

__all__ = ["Child", "Children", "OnLine", "use_pidfd_watcher"]

#: The file is not a program, its interpreter is missing, or it is for another processor; the rest is about this machine.
_THE_FILES_FAULT = frozenset({errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR})


#: Both ends of three pipes, the child's pid, and one to spare: a start that fails half-way would leave a process.
_FILES_OF_A_START = 8
#: Seconds between looks whether the ledger is still there, and between tries to write one that could not be written.
LEDGER_LOOK = 4.0


class Children:
    """Starts children. Whoever starts one stops it; `stop_all` is for the end of the daemon."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._all: set[Child] = set()
        self._next_look: asyncio.TimerHandle | None = None

    async def start(
        self,
        argv: Sequence[str],
        *,
        label: str,
        env: Mapping[str, str] | None = None,
        base: Mapping[str, str] | None = None,
        on_line: OnLine | None = None,
        stdin: bool = False,
    ) -> Child:
        """`env` comes on top of `base`, which is ours if it is None; the program is looked for on its PATH. `stdin`: it has
        one, for `Child.tell`.

        Raises ToolMissing, Shortage, or KfwError if this machine cannot run it. A ledger that cannot be written is a
        warning of the child's, and tried again."""
        environment = {**(os.environ if base is None else base), **(env or {})}
        program = find(argv[0], environment.get("PATH", os.defpath))
        try:
            OPEN_FILES.claim(Use.UPKEEP, _FILES_OF_A_START)
        except OSError as error:
            raise shortage_of(f"cannot run {argv[0]}", error) from error
        child = Child(self._ledger.intend(argv, label), on_line, self._forget, self._ledger.warning)
        environment[MARKER] = child.entry.marker
        try:
            await child.spawn([*_ends_with_us(), program, *argv[1:]], environment, stdin=stdin)
        except OSError as error:
            self._ledger.ended(child.entry)
            raise _not_run(argv[0], error) from error
        except BaseException:  # cancelled: asyncio has killed it
            self._ledger.ended(child.entry)
            raise
        self._all.add(child)
        child.entry = self._ledger.started(child.entry, child.pid)
        self._look_after_ledger()
        return child

    async def stop_all(self, grace: float = 5.0) -> None:
        await asyncio.gather(*(child.stop(grace) for child in list(self._all)))

    def _forget(self, child: Child) -> None:
        if child in self._all:
            self._all.remove(child)
            self._ledger.ended(child.entry)

    def _look_after_ledger(self) -> None:
        """As long as there are children: the disk may have room again, or the file may have been taken away."""
        if self._next_look is None and self._all:
            self._next_look = asyncio.get_running_loop().call_later(LEDGER_LOOK, self._look)

    def _look(self) -> None:
        self._next_look = None
        if self._all:
            self._ledger.catch_up()
            self._look_after_ledger()


def _not_run(tool: str, error: OSError) -> KfwError:
    if is_shortage(error):
        return shortage_of(f"cannot run {tool}", error)
    what = f"cannot run {tool}: {words_of(error)}"
    return ToolMissing(what) if error.errno in _THE_FILES_FAULT else KfwError(what)


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
