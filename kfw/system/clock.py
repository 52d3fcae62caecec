"""Wall, monotonic and boot clock, and sleep: handed in as one argument, so that a test can move time."""

import asyncio
import time
from datetime import UTC, datetime

#: Counts on while the machine sleeps. On macOS that is CLOCK_MONOTONIC, and Python's time.monotonic() stands still.
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """The machine's clocks, in seconds. A sleep of the machine shows as `boottime` running ahead of `monotonic`."""

    def now(self) -> float:
        """Wall clock, seconds since 1970; may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Never goes back; what timers run on. Stands still while the machine sleeps."""
        return time.monotonic()

    def boottime(self) -> float:
        """Never goes back, and goes on while the machine sleeps."""
        return time.clock_gettime(_BOOT)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def rfc3339(seconds: float) -> str:
    """Wall clock as `2026-11-21T07:39:50.484Z`: UTC, milliseconds, cut and not rounded up into the future."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
