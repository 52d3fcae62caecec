"""The daemon's log: one line per change, rotated by size, with whatever looks like a secret left out."""

import logging
import re
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from kfw.system.clock import rfc3339

MAX_BYTES = 1_000_000
BACKUPS = 3

#: Bearer tokens, JSON web tokens, and values of keys that are secrets by their name.
_SECRET = re.compile(
    r"(?i)(bearer\s+|(?:token|password|passwd|secret|authorization)[\"']?\s*[:=]\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s\"',}]+"
    r"|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
)


def masked(text: str) -> str:
    return _SECRET.sub(lambda match: f"{match.group(1) or ''}***", text)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = masked(super().format(record))
        return f"{rfc3339(record.created)} {record.levelname:<7} {text}"


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
