"""The ledgers of this user's kfw processes: one each, and what the dead ones left behind is ended."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kfw.errors import KfwError
from kfw.system.files import lock, make_private_dir, put_aside
from kfw.system.ledger import Ledger

log = logging.getLogger("kfw.daemon")


@contextmanager
def own_ledger(folder: Path) -> Iterator[Ledger]:
    """A ledger for this process alone. First, what ledgers of processes that are gone name is ended."""
    for path in folder.glob("ledger-*.jsonl"):
        _see_to(path)
    path = folder / f"ledger-{os.getpid()}.jsonl"
    with ExitStack() as locks:
        locks.enter_context(lock(_lock_of(path)))
        ledger = Ledger(path, lambda: _lock_again(path, locks))
        yield ledger
        if ledger.is_empty:
            _forget(path)


def _lock_again(path: Path, locks: ExitStack) -> None:
    """Somebody has removed the lock, perhaps with all of the folder: without it another kfw would end what runs here."""
    make_private_dir(path.parent)
    if not _lock_of(path).exists():
        locks.enter_context(lock(_lock_of(path)))


def _see_to(path: Path) -> None:
    """One that cannot be read is put aside: what it names cannot be told from what belongs to others."""
    with suppress(KfwError), lock(_lock_of(path)):  # locked: its owner lives, and sees to its own
        try:
            _reclaim(path)
        except KfwError as error:
            log.warning("%s, so what it names is not ended", error.what)
            log.warning("%s was renamed to %s", path.name, put_aside(path).name)


def _reclaim(path: Path) -> None:
    ledger = Ledger(path)
    for ended in ledger.reclaim():
        log.warning("ended what a kfw that was killed left behind: %s", ended)
    if ledger.is_empty:
        _forget(path)


def _forget(path: Path) -> None:
    for file in (path, _lock_of(path)):
        with suppress(
            OSError
        ):  # a disk that may not be written to any more: it says nothing, and does no harm
            file.unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")
