"""Several addresses for one thing: ask the best first, the next as soon as it fails or is silent (RFC 8305's idea)."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from kfw.errors import KfwError

T = TypeVar("T")


class AllFailed(Exception):
    """`errors` has one for each attempt, in their order."""

    def __init__(self, errors: Sequence[BaseException]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = tuple(errors)


async def race(
    attempts: Sequence[Callable[[], Coroutine[Any, Any, T]]],
    *,
    head_start: float,
    discard: Callable[[T], None] = lambda _: None,
) -> tuple[int, T]:
    """The index and the result of the first attempt that succeeds; each has `head_start` seconds before the next.

    The others are cancelled; `discard` gets the result of one that succeeded all the same. Raises AllFailed.
    """
    waiting = deque(enumerate(attempts))
    running: dict[asyncio.Task[T], int] = {}
    errors: dict[int, BaseException] = {}
    try:
        while waiting or running:
            if waiting:
                index, attempt = waiting.popleft()
                running[asyncio.create_task(attempt())] = index
            timeout = head_start if waiting else None
            done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=running.__getitem__):
                if (error := _error_of(task)) is None:
                    return running.pop(task), task.result()
                errors[running.pop(task)] = error
        raise AllFailed([error for _, error in sorted(errors.items())])
    finally:
        await _give_up(running, discard)


def _error_of(task: asyncio.Task[T]) -> BaseException | None:
    """One that was cancelled by what it waited for has failed like any other: nobody here has asked for that."""
    if task.cancelled():
        return KfwError("the attempt was cancelled by what it waited for")
    return task.exception()


async def _give_up(tasks: dict[asyncio.Task[T], int], discard: Callable[[T], None]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(result, BaseException):
            discard(result)
