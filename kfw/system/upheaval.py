"""What makes all that is known of the network doubtful: the machine has slept, or it goes out by another way."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

#: Seconds between two looks.
INTERVAL = 1.0
#: Seconds that the boot clock must have run ahead of the monotonic one.
SLEPT = 1.0

#: Addresses that nobody has (RFC 5737, RFC 3849). Nothing is sent to them.
_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class Clock(Protocol):
    def monotonic(self) -> float: ...
    def boottime(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


async def watch(clock: Clock, route: Callable[[], str], tell: Callable[[str], None]) -> None:
    """For ever. `route()`: by which way packets leave now; `tell` gets what happened, in words."""
    slept, way = _lead(clock), route()
    while True:
        await clock.sleep(INTERVAL)
        now, way_now = _lead(clock), route()
        if now - slept >= SLEPT:
            tell(f"the machine has slept for {now - slept:.0f} s")
        elif way_now != way:
            tell(f"packets leave by {way_now or 'no address'} now, no more by {way or 'none'}")
        slept, way = now, way_now


def outgoing() -> str:
    """This machine's own addresses towards the rest of the world; changes with the network and with most VPNs."""
    return " and ".join(filter(None, (_address(family, host) for family, host in _NOWHERE)))


def _address(family: int, host: str) -> str:
    with suppress(OSError):  # no such family, or no way out
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((host, 9))
            return str(sock.getsockname()[0])
    return ""


def _lead(clock: Clock) -> float:
    """Seconds slept since the boot."""
    return clock.boottime() - clock.monotonic()
