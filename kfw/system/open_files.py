"""How many files this process may have open, one for each end of a connection: more than a shell's default, and not all
for clients.

The system gives the lowest free number to each new file, so the number of a file says how many are left at most. The
highest numbers are kept back in zones, and each use must leave some of them free (`Use`). The last zone is for what must
always work: the control socket, the ledger, the state, a login plugin's pipes.

Who opens a file for a client, a child or an API server asks here first. Who is refused waits and tries again: that says
nothing about files, hosts or networks.
"""

import errno
import os
import resource
import sys
import time
from contextlib import suppress
from contextvars import ContextVar
from enum import IntEnum
from functools import cache
from typing import Protocol
from weakref import WeakSet

from kfw.errors import Shortage

#: macOS says "unlimited" and means OPEN_MAX of <sys/syslimits.h>.
_OPEN_MAX = 10240
#: Files of one zone: a twelfth of what the limit allows, and no more than this.
_LARGEST_ZONE = 64
#: Seconds after the last refusal until the shortage counts as over. While clients wait it is refused far more often.
_REMEMBERED = 5.0


class Use(IntEnum):
    """What a file is opened for; the value is how many zones this use must leave free."""

    UPKEEP = 1  # children, requests to an API server, health checks: without them nothing comes back, so they have two
    DIAL = 3  # for a client that waits
    ACCEPT = 4
    LISTEN = 5  # for as long as a forward is up
    WARM = 6  # a link that nobody waits for


#: What the files are for that this task opens.
_opens_for: ContextVar[Use] = ContextVar("opens_for")


class OpensFor:
    """Whatever is dialled inside is for this, also by tasks that are started inside. No generator: each connection of a
    client enters one."""

    __slots__ = ("_token", "_use")

    def __init__(self, use: Use) -> None:
        self._use = use

    def __enter__(self) -> None:
        self._token = _opens_for.set(self._use)

    def __exit__(self, *_: object) -> None:
        _opens_for.reset(self._token)


class Relief(Protocol):
    """Who has open files that nobody needs now."""

    def relieve(self) -> bool:
        """Close some. False: there are none."""
        ...


class OpenFiles:
    """This process's share of open files, and whether somebody was refused one lately.

    `relief` is asked after a refusal, as long as it lives.
    """

    def __init__(self) -> None:
        self.relief: WeakSet[Relief] = WeakSet()
        self._refused_at: float | None = None
        self._of = errno.EMFILE  # what the last refusal was for

    def has_room(self, use: Use, count: int = 1) -> bool:
        """Whether so many more may be opened for this. A refusal is remembered."""
        return self._refusal(use, count) is None

    def allows(self, number: int, use: Use) -> bool:
        """Whether the file that was just opened, with this number, may be kept for this."""
        if self._is_free_for(number, use):
            return True
        self.refuse(use)
        return False

    def claim(self, default: Use, count: int = 1) -> None:
        """Raises the OSError of the system unless there is room. For what: see `OpensFor`, else `default`."""
        if error := self._refusal(_opens_for.get(default), count):
            raise error

    def refuse(self, use: Use = Use.LISTEN, number: int = errno.EMFILE) -> OSError:
        """What the system itself would raise. The shortage is remembered, unless nobody feels it."""
        if use is not Use.WARM:
            self._refused_at, self._of = time.monotonic(), number
            any(one.relieve() for one in list(self.relief))
        return OSError(number, os.strerror(number))

    def shortage(self) -> str:
        """What to tell people, and what to do: within some seconds of a refusal; "" otherwise."""
        if self._refused_at is None or time.monotonic() - self._refused_at > _REMEMBERED:
            return ""
        limit, wait = open_files_limit(), "so new connections wait until others end"
        if self._of != errno.EMFILE:
            return f"this machine cannot open more files ({os.strerror(self._of)}), {wait}"
        return f"the limit of open files ({limit}) is reached, {wait}; {raise_it(limit)}"

    def _refusal(self, use: Use, count: int) -> OSError | None:
        """The system gives its lowest free numbers, so it is asked for some, which are given back at once.

        A duplicate costs least of all; that the machine has no more (ENFILE), only a new file would tell, and does.
        """
        opened: list[int] = []
        try:
            for _ in range(count):
                opened.append(os.dup(_any_file()))
            is_free = self._is_free_for(max(opened), use)
        except OSError as error:
            return self.refuse(use, error.errno or errno.EMFILE)
        finally:
            for one in opened:
                os.close(one)
        return None if is_free else self.refuse(use)

    def _is_free_for(self, number: int, use: Use) -> bool:
        limit = open_files_limit()
        return number < limit - use * zone(limit)


@cache
def _any_file() -> int:
    """One of this process that stays open. Raises OSError."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


#: The one of this process.
OPEN_FILES = OpenFiles()


def zone(limit: int) -> int:
    return min(limit // 12, _LARGEST_ZONE)


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


def shortage_of(what: str, error: OSError) -> Shortage:
    """`what` cannot be done for now, as a KfwError. It is remembered."""
    OPEN_FILES.refuse(Use.UPKEEP, error.errno or errno.EMFILE)
    limit = open_files_limit()
    words = os.strerror(error.errno or errno.EMFILE)
    if error.errno != errno.EMFILE:
        return Shortage(f"{what}: {words} on this machine")
    return Shortage(f"{what}: {words} (the limit is {limit})", raise_it(limit))


def raise_open_files() -> None:
    """The soft limit becomes the hard one, which every process may do for itself. As it is where that is refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard
    if sys.platform == "darwin":
        wanted = _OPEN_MAX if hard == resource.RLIM_INFINITY else min(hard, _OPEN_MAX)
    if soft != wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
