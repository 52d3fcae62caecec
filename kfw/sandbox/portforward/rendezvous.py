"""A channel without a buffer, as Go has it: who puts waits until it is taken. So nobody's data piles up."""

import asyncio


class Inbox:
    """For one that puts and one that takes."""

    def __init__(self) -> None:
        self._item = b""
        self._closed = False
        self._changed = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Returns when it was taken, or dropped because the inbox is closed."""
        if self._closed:
            return
        self._item = data
        self._wake()
        while self._item and not self._closed:
            await self._changed.wait()

    async def take(self) -> bytes:
        """The next piece; b"" when it is closed."""
        while not self._item and not self._closed:
            await self._changed.wait()
        data, self._item = self._item, b""
        self._wake()
        return data

    def close(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
