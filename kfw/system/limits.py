"""How many files this process may have open, one for each end of a connection: more than a shell's default, and not all
for clients.

The system gives the lowest free number to each new file, so the number of a file says how many are left at most. The
highest numbers are kept back in zones. Local ports may use all but three zones, accepted connections all but two, dials
all but one. The last zone is for what must always work: the control socket, the ledger, the state.
"""

import errno
import os
import resource
import sys
import time
from contextlib import suppress
from enum import IntEnum

#: macOS says "unlimited" and means OPEN_MAX of <sys/syslimits.h>.
_OPEN_MAX = 10240
#: Files of one zone: an eighth of what the limit allows, and no more than this.
_LARGEST_ZONE = 64
#: Seconds after the last refusal until the shortage counts as over. While clients wait it is refused far more often.
_REMEMBERED = 5.0


class Use(IntEnum):
    """What a file is opened for; the value is how many zones this use must leave free."""

    DIAL = 1
    ACCEPT = 2
    LISTEN = 3


class OpenFiles:
    """This process's share of open files, and whether somebody was refused one lately."""

    def __init__(self) -> None:
        self._refused_at: float | None = None

    def has_room(self, descriptor: int, use: Use) -> bool:
        """Whether one more file may be opened for this; `descriptor` is any open one. A refusal is remembered."""
        try:
            number = os.dup(descriptor)
        except OSError:
            self.refuse()
            return False
        os.close(number)
        return self.allows(number, use)

    def allows(self, number: int, use: Use) -> bool:
        """Whether the file that was just opened, with this number, may be kept for this."""
        limit = open_files_limit()
        if number < limit - use * zone(limit):
            return True
        self.refuse()
        return False

    def refuse(self) -> OSError:
        """What the system itself would raise. The shortage is remembered."""
        self._refused_at = time.monotonic()
        return OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def shortage(self) -> str:
        """What to tell people, and what to do: within some seconds of a refusal; "" otherwise."""
        if self._refused_at is None or time.monotonic() - self._refused_at > _REMEMBERED:
            return ""
        limit = open_files_limit()
        return f"the limit of open files ({limit}) is reached, so new connections wait until others end; {raise_it(limit)}"


#: The one of this process.
OPEN_FILES = OpenFiles()


def zone(limit: int) -> int:
    return min(limit // 8, _LARGEST_ZONE)


def open_files_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _OPEN_MAX if soft == resource.RLIM_INFINITY else soft


def raise_it(limit: int) -> str:
    """The fix: what raises the limit from `limit`, for a daemon of a shell and for one of systemd."""
    wanted = max(4096, 4 * limit)
    return f"`kfw stop`, `ulimit -n {wanted}`, `kfw start`; in a systemd unit LimitNOFILE={wanted}"


def is_shortage(error: OSError) -> bool:
    """The process or the machine has run out of something: that says nothing about files, hosts or networks."""
    return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def raise_open_files() -> None:
    """The soft limit becomes the hard one, which every process may do for itself. As it is where that is refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard
    if sys.platform == "darwin":
        wanted = _OPEN_MAX if hard == resource.RLIM_INFINITY else min(hard, _OPEN_MAX)
    if soft != wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
