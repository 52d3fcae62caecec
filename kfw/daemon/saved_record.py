"""What is wanted, kept on disk while the daemon runs: written at each change, and later when the disk takes nothing."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from kfw.daemon.store import WantedRecord, save
from kfw.errors import KfwError

log = logging.getLogger("kfw.daemon")

#: Seconds until a state that could not be written is written again.
SAVE_AGAIN = 3.0
#: Seconds in which what happens is saved at once.
SAVE_SOON = 0.2


class SavedRecord:
    """`record` says what to keep. `tell` hears when that fails, and when it works again."""

    def __init__(self, path: Path, record: Callable[[], WantedRecord], tell: Callable[[str], None]) -> None:
        self.problem = ""  # why the file is not up to date
        self._path = path
        self._record = record
        self._tell = tell
        self._next: asyncio.TimerHandle | None = None
        self._closed = False

    def save(self) -> None:
        """A disk that takes nothing is not a reason to keep a port away: it is said, and all goes on."""
        before = self.problem
        try:
            save(self._path, self._record())
        except KfwError as error:
            self.problem = (
                f"state was not saved; after a restart these forwards will not come back: {error.what}"
            )
            if not before:
                log.error("%s", self.problem)
                self._tell(self.problem)
            self._save_after(SAVE_AGAIN)
            return
        self.problem = ""
        if before:
            log.info("state is saved again")
            self._tell("state is saved again")

    def save_soon(self) -> None:
        """What would be no loss, once for all that happens meanwhile."""
        self._save_after(SAVE_SOON)

    def finish(self) -> None:
        """What is due is saved now, and nothing afterwards."""
        if self._next and not self._closed:
            self.save()
        self.close()

    def close(self) -> None:
        """The file belongs to somebody else from now on, or nobody needs it."""
        self._closed = True
        if self._next:
            self._next.cancel()

    def _save_after(self, delay: float) -> None:
        if self._next is None and not self._closed:
            self._next = asyncio.get_running_loop().call_later(delay, self._save_now)

    def _save_now(self) -> None:
        self._next = None
        if not self._closed:
            self.save()
