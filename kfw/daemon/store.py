"""What was up, on disk: survives `kill -9`, so that the next daemon brings it back."""

import logging
from pathlib import Path

import msgspec

from kfw.model import Forward
from kfw.protocol import Source
from kfw.system.files import write_atomic

log = logging.getLogger("kfw.store")


class Asked(msgspec.Struct, frozen=True):
    """One `up`: how it was asked for, and whether it named no forwards, so that all of the file are meant."""

    source: Source
    whole: bool


class Saved(msgspec.Struct, frozen=True):
    forwards: list[Forward] = []
    asked: dict[str, Asked] = {}


def save(path: Path, saved: Saved) -> None:
    """Raises KfwError when the disk does not take it."""
    write_atomic(path, msgspec.json.encode(saved))


def load(path: Path) -> Saved:
    """An unreadable file is put aside, with a warning: it must not keep the daemon from starting."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Saved)
    except FileNotFoundError:
        return Saved()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("cannot read %s, starting with nothing up: %s", path.name, error)
        _put_aside(path)
        return Saved()


def _put_aside(path: Path) -> None:
    try:
        path.replace(path.with_suffix(".broken"))
    except OSError as error:
        log.warning("cannot put %s aside: %s", path.name, error)
