"""What the relay asks of a way: dial. What it gets: a transport, or a DialFailed that says whether the app got anything."""

import asyncio
from collections.abc import Callable
from typing import Protocol, runtime_checkable


class DialFailed(Exception):
    """`safe`: the app provably got nothing, so the connection may be tried elsewhere. `why`: in the tool's own words.

    `refused`: each place that could take it refused, so nothing listens there, which is an answer. `short`: no file may be
    opened for it now, so it has not been tried at all.
    """

    def __init__(self, why: str, *, safe: bool, refused: bool = False, short: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.safe = safe
        self.refused = refused
        self.short = short


class RefusedByApp(ConnectionResetError):
    """How a transport ends that nobody took: `connection_lost` gets it. Its text says who refused."""


@runtime_checkable
class HearsRefusals(Protocol):
    """A protocol whose transport may be tried again by itself after everybody has refused it."""

    def on_refused(self, why: str) -> None:
        """Everybody has, once more; it is tried again for a while."""
        ...


@runtime_checkable
class ClosesByItself(Protocol):
    """A dialer whose way also closes connections that the app has not closed, so that a close is not the app's word."""

    @property
    def over_at(self) -> float | None:
        """When that way has ended, by the loop's time; None: it lives."""
        ...


class Dialer(Protocol):
    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """Open one connection to the endpoint, as `loop.create_connection` does: `factory()` gets the callbacks.

        The transport has write, write_eof, can_write_eof, pause_reading, resume_reading, close and abort.
        Raises DialFailed.
        """
        ...
