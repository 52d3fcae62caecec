"""The daemon's log: one line per change, rotated by size, without secrets."""

import errno
import logging
import os
import stat
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from kfw import __version__
from kfw.errors import KfwError, words_of
from kfw.printable import printable
from kfw.system.clock import rfc3339
from kfw.system.files import clear_the_way, make_private_dir
from kfw.system.log_format import RedactingFormatter

MAX_BYTES = 1_000_000
BACKUPS = 3

#: The first record of each daemon.
_HELLO = "kfw %s starts, pid %d"
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class _Line(RedactingFormatter):
    """What follows the first line of a record is indented: nothing in a message can look like a record of its own."""

    def format(self, record: logging.LogRecord) -> str:
        text = printable(super().format(record)).replace("\n", "\n    ")
        return f"{rfc3339(record.created)} {record.levelname:<7} {text}"


class _Private(RotatingFileHandler):
    """A regular file for its user alone. `problem`: why the last record is not in it."""

    problem = ""
    _formatted: tuple[logging.LogRecord | None, str] = (None, "")

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, _APPEND, 0o600)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "it is not a regular file")
        os.fchmod(handle, 0o600)
        return os.fdopen(handle, "a", encoding=self.encoding, errors=self.errors)

    def emit(self, record: logging.LogRecord) -> None:
        self.problem = ""
        self._reopen_if_moved()
        super().emit(record)
        self._formatted = (None, "")

    def format(self, record: logging.LogRecord) -> str:
        """Once: whether the file is full is asked of the text, too."""
        if self._formatted[0] is not record:
            self._formatted = record, super().format(record)
        return self._formatted[1]

    def _reopen_if_moved(self) -> None:
        """Who has removed or renamed the file wants to see what comes next in a new one."""
        if self.stream and _is_elsewhere(self.stream, self.baseFilename):
            stream, self.stream = self.stream, None  # `emit` opens it
            with suppress(OSError):  # what a full disk has not taken
                stream.close()

    def handleError(self, record: logging.LogRecord) -> None:
        """A disk that takes no log is not a reason to stop; `kfw status` says it."""
        error = sys.exc_info()[1]
        why = getattr(error, "strerror", None) or type(error).__name__
        self.problem = f"the log {self.baseFilename} cannot be written: {why}"


def _is_elsewhere(stream: TextIOWrapper, path: str) -> bool:
    try:
        return not os.path.samestat(os.lstat(path), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return True
    except OSError:
        return False  # a disk that says nothing


def log_to(path: Path, level: str) -> None:
    """Send everything below the logger `kfw`, and asyncio's complaints, to this file.

    Raises KfwError when it cannot be written. What is in its place and not a file is put aside.
    """
    make_private_dir(path.parent)
    aside = clear_the_way(path)
    try:
        handler = _Private(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", errors="replace")
    except OSError as error:
        raise KfwError(f"cannot write {path}: {words_of(error)}", "make it writable, or remove it") from error
    log_with(handler, level)
    handler.emit(logging.LogRecord("kfw", logging.INFO, "", 0, _HELLO, (__version__, os.getpid()), None))
    if handler.problem:
        raise KfwError(
            handler.problem, "free space on that disk, or set KFW_HOME to a directory on another one"
        )
    if aside:
        logging.getLogger("kfw.daemon").warning(
            "%s was not a file, so it was renamed to %s", path.name, aside.name
        )


def problem() -> str:
    """Why the log is not written, "" while it is."""
    found = (getattr(handler, "problem", "") for handler in logging.getLogger("kfw").handlers)
    return next(filter(None, found), "")


def log_with(handler: logging.Handler, level: str) -> None:
    handler.setFormatter(_Line("%(message)s"))
    for name in ("kfw", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a full disk must not print tracebacks for ever
