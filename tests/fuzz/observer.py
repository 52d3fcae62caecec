"""What is said beside a result: log lines, errors that nobody caught, warnings."""

import asyncio
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kfw.daemon import logs

#: Lines of one case that are kept.
_MOST = 5000


class Observer(logging.Handler):
    """`lines` are of everything logged, `uncaught` what nobody caught; both are emptied by who looks."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.uncaught: list[str] = []
        self.setFormatter(logs._Line("%(name)s: %(message)s"))  # as the daemon writes them

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if len(self.lines) < _MOST:
            self.lines.append(line)
        if record.name == "asyncio" and record.levelno >= logging.ERROR:
            self.uncaught.append(line)

    @contextmanager
    def watching(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        logger, kept = logging.getLogger(), (sys.unraisablehook, warnings.showwarning)
        kfw = logging.getLogger("kfw")
        level, kfw_level = logger.level, kfw.level
        logger.addHandler(self)
        kfw.setLevel(logging.DEBUG)
        loop.set_exception_handler(self._in_loop)
        sys.unraisablehook = self._unraisable
        warnings.showwarning = self._warning  # type: ignore[assignment]
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.setLevel(level)
            kfw.setLevel(kfw_level)
            loop.set_exception_handler(None)
            sys.unraisablehook, warnings.showwarning = kept

    def _in_loop(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, asyncio.CancelledError):
            return  # asyncio's own streams say so when a server's connection is cancelled
        words = "".join(traceback.format_exception(error)) if error else ""
        about = context.get("task") or context.get("future") or context.get("handle") or ""
        kind = f"{type(error).__name__}: {error}" if error else ""
        self.uncaught.append(f"{context.get('message')}: {kind}\n{about}\n{words}")

    def _unraisable(self, told: Any) -> None:
        words = "".join(traceback.format_exception(told.exc_value))
        self.uncaught.append(
            f"unraisable {type(told.exc_value).__name__}: {told.exc_value}\n{told.object!r}\n{words}"
        )

    def _warning(self, message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        self.uncaught.append(f"{category.__name__}: {message}")
