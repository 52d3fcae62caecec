"""What makes all that is known of the network doubtful: the machine has slept, or it goes out by another way."""

import errno
import socket
from collections.abc import Callable
from typing import Protocol

#: Seconds between two looks.
INTERVAL = 1.0
#: Seconds that the boot clock must have run ahead of the monotonic one.
SLEPT = 1.0

#: What connect(2) and socket(2) say when packets cannot go there: no such family, no route, or a firewall that forbids it.
_NO_WAY = frozenset(
    {
        errno.EACCES,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EPERM,
        errno.EPROTONOSUPPORT,
    }
)
#: Addresses that nobody has (RFC 5737, RFC 3849). Nothing is sent to them.
_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class SleepClock(Protocol):
    def monotonic(self) -> float: ...
    def boottime(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


async def watch(clock: SleepClock, route: Callable[[], str | None], tell: Callable[[str], None]) -> None:
    """For ever. `route()`: by which way packets leave now, None: it cannot tell; `tell` gets what happened, in words."""
    slept, way = _lead(clock), route()
    while True:
        await clock.sleep(INTERVAL)
        now, way_now = _lead(clock), route()
        if now - slept >= SLEPT:
            tell(f"the machine has slept for {now - slept:.0f} s")
        elif way_now is not None and way is not None and way_now != way:
            tell(f"the outgoing address changed from {way or 'none'} to {way_now or 'none'}")
        slept, way = now, way if way_now is None else way_now


def outgoing() -> str | None:
    """This machine's own addresses towards the rest of the world; changes with the network and with most VPNs.

    None: it could not be found out (no more files can be opened, no memory), which says nothing about the network.
    """
    try:
        return " and ".join(filter(None, (_address(family, host) for family, host in _NOWHERE)))
    except OSError:
        return None


def _address(family: int, host: str) -> str:
    """ "" where there is no way out. Raises OSError when that could not be found out."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((host, 9))
            return str(sock.getsockname()[0])
    except OSError as error:
        if error.errno in _NO_WAY:
            return ""
        raise


def _lead(clock: SleepClock) -> float:
    """Seconds slept since the boot."""
    return clock.boottime() - clock.monotonic()
