"""A case that does not end, or keeps the event loop, ends the process: with all stacks, and the seed."""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: The exit code of a hang.
HANG = 3
#: Seconds after which a thread that cannot run, since something in C holds the interpreter, is not waited for any longer.
_LAST = 5.0


class Watchdog:
    """A context manager: its thread lives that long."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._about = ""
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    @contextmanager
    def at_most(self, seconds: float, about: str) -> Iterator[None]:
        """`about` is told if it takes longer."""
        faulthandler.dump_traceback_later(seconds + _LAST, exit=True)
        self._expect(time.monotonic() + seconds, about)
        try:
            yield
        finally:
            self._expect(None, "")
            faulthandler.cancel_dump_traceback_later()

    def _expect(self, until: float | None, about: str) -> None:
        with self._changed:
            self._until, self._about = until, about
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._ended:
                left = None if self._until is None else self._until - time.monotonic()
                if left is not None and left <= 0:
                    _end(self._about)
                self._changed.wait(left)


def _end(about: str) -> None:
    print(f"HANG: {about}", file=sys.stderr, flush=True)
    faulthandler.dump_traceback(all_threads=True)
    sys.stdout.flush()
    os._exit(HANG)
