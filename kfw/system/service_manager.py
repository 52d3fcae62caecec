"""What systemd wants to be told by a service of Type=notify: sd_notify(3) and sd_watchdog_enabled(3), without a library."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from kfw.system.service_units import LABEL

log = logging.getLogger("kfw.service")

#: Where it listens; set in the environment of a service only.
ADDRESS = "NOTIFY_SOCKET"
_INTERVAL, _OF_PID = "WATCHDOG_USEC", "WATCHDOG_PID"


def notify(*said: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Such as `READY=1`, or `STATUS=...`. False where nobody wants to know; that nobody hears it is only logged."""
    address = environ.get(ADDRESS, "")
    if not address.startswith(("/", "@")):
        return False
    where = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.setblocking(False)
            sock.sendto("\n".join(said).encode(), where)
        except OSError as error:
            log.warning("cannot tell systemd %s: %s", said[0], error.strerror or error)
            return False
    return True


def watchdog(environ: Mapping[str, str] = os.environ) -> float | None:
    """Seconds within which it wants a sign of life; None: it does not look, or looks at another process."""
    said, pid = environ.get(_INTERVAL, ""), environ.get(_OF_PID, "")
    if not (said.isascii() and said.isdigit() and int(said)) or pid not in ("", str(os.getpid())):
        return None
    return int(said) / 1e6


@asynccontextmanager
async def told_to_service_manager(is_main: Callable[[], bool]) -> AsyncIterator[None]:
    """That this process is ready, that it lives, and that it stops. Not while it is not the service's main one: another
    process speaks for the service then."""

    async def live(seconds: float) -> None:
        while is_main():
            notify("WATCHDOG=1")
            await asyncio.sleep(seconds / 3)

    notify("READY=1", f"STATUS=serving, pid {os.getpid()}")
    seconds = watchdog()
    signs = asyncio.create_task(live(seconds), name="signs of life") if seconds else None
    try:
        yield
    finally:
        if signs:
            signs.cancel()
            await asyncio.gather(signs, return_exceptions=True)
        if is_main():
            notify("STOPPING=1")


def is_of_launchd(environ: Mapping[str, str] = os.environ) -> bool:
    """This process is the agent that `kfw service install` has written. launchd sets the variable, a terminal's is "0"."""
    return environ.get("XPC_SERVICE_NAME") == LABEL


def without_watchdog_pid(environ: Mapping[str, str]) -> dict[str, str]:
    """For the process that will be the service's main one: systemd looks at that from then on."""
    return {name: value for name, value in environ.items() if name != _OF_PID}
