"""What was up, on disk: survives `kill -9`, so that the next daemon brings it back."""

import logging
from pathlib import Path

import msgspec

from kfw.daemon.request_validation import fault, shortened
from kfw.errors import KfwError
from kfw.model import Forward
from kfw.protocol import Source
from kfw.system.files import clear_the_way, put_aside, read_bounded, write_atomic

log = logging.getLogger("kfw.store")

#: Bytes; what is kept of a thousand forwards has one million.
LARGEST = 32 * 1024 * 1024


class Asked(msgspec.Struct, frozen=True):
    """One `up`: how it was asked for, and whether it named no forwards, so that all of the file are meant."""

    source: Source
    whole: bool


class Saved(msgspec.Struct, frozen=True):
    forwards: list[Forward] = []
    asked: dict[str, Asked] = {}


def save(path: Path, saved: Saved) -> None:
    """Raises KfwError when the disk does not take it. What is in its place and not a file is put aside."""
    clear_the_way(path)
    write_atomic(path, msgspec.json.encode(saved))


def load(path: Path) -> Saved:
    """An unreadable file is put aside, with a warning: it must not keep the daemon from starting.

    Of one that can be read, forwards that no config could ask for are left out.
    """
    try:
        saved = msgspec.json.decode(read_bounded(path, LARGEST), type=Saved)
    except FileNotFoundError:
        return Saved()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or str(error)
        log.warning("cannot read %s, starting with nothing up: %s", path.name, shortened(why))
        _put_aside(path)
        return Saved()
    return Saved(_possible(saved.forwards, path), saved.asked)


def _possible(forwards: list[Forward], path: Path) -> list[Forward]:
    found: dict[str, Forward] = {}
    for forward in forwards:
        if why := fault(forward):
            log.warning("%s: a forward is left out: %s", path.name, why)
        else:
            found[forward.name] = forward
    return list(found.values())


def _put_aside(path: Path) -> None:
    try:
        log.warning("%s is now %s", path.name, put_aside(path).name)
    except KfwError as error:
        log.warning("%s", error.what)
