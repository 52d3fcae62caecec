"""Waiting for a condition, for tests over real sockets."""

import asyncio
from collections.abc import Callable

from tests.stopwatch import Stopwatch


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Raises TimeoutError if it does not come true."""
    watch = Stopwatch()
    while not true():
        if watch.seconds() > seconds:
            raise TimeoutError
        await asyncio.sleep(0.005)
