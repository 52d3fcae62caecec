"""Waiting for a condition, for tests over real sockets."""

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Raises TimeoutError if it does not come true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # anything can be waited for, so there is no event for it
            await asyncio.sleep(0.005)
