"""The daemon's log: one line per change, rotated by size, without secrets."""

import logging
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from kfw.system.clock import rfc3339
from kfw.system.log_format import RedactingFormatter

MAX_BYTES = 1_000_000
BACKUPS = 3


class _Line(RedactingFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{rfc3339(record.created)} {record.levelname:<7} {super().format(record)}"


class _Private(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        Path(self.baseFilename).chmod(0o600)
        return stream


def log_to(path: Path, level: str) -> None:
    """Send everything below the logger `kfw`, and asyncio's complaints, to this file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handler = _Private(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", errors="replace")
    log_with(handler, level)


def log_with(handler: logging.Handler, level: str) -> None:
    handler.setFormatter(_Line("%(message)s"))
    for name in ("kfw", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a full disk must not print tracebacks for ever
