"""What the relay asks of a way: dial. What it gets: a transport, or a DialFailed that says whether the app got anything."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class DialFailed(Exception):
    """`safe`: the app provably got nothing, so the connection may be tried elsewhere. `why`: in the tool's own words."""

    def __init__(self, why: str, *, safe: bool) -> None:
        super().__init__(why)
        self.why = why
        self.safe = safe


class Dialer(Protocol):
    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """Open one connection to the endpoint, as `loop.create_connection` does: `factory()` gets the callbacks.

        The transport has write, write_eof, can_write_eof, pause_reading, resume_reading, close and abort.
        Raises DialFailed.
        """
        ...
