"""The asyncio helpers that all share."""

import asyncio
from contextlib import suppress


class Broadcast:
    """Wakes everybody who waits at that moment, and nobody later."""

    def __init__(self) -> None:
        self._notified = asyncio.Event()

    def notify_all(self) -> None:
        self._notified.set()
        self._notified = asyncio.Event()

    async def wait(self, seconds: float | None = None) -> None:
        """Until it is notified, but not longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._notified.wait()
