"""The asyncio helpers that all share: broadcast, loops that go on, and the first of several attempts (RFC 8305's idea)."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from kfw.backoff import Backoff
from kfw.errors import KfwError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds until a turn that failed is tried again, see Backoff.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0


class CancelledFromInside(Exception):
    """A task was cancelled and its owner had not asked for it: a mistake in what it waited for."""


async def expose_cancellation(work: Awaitable[T], what: str) -> T:
    """Its result. A cancellation that nobody asked this task for becomes CancelledFromInside, as no loop may end by it."""
    try:
        return await work
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise CancelledFromInside(f"{what} was cancelled by what it waited for") from cancelled


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


class Complaints:
    """Failures of one loop in the log: each once with its traceback, not again while it only repeats itself."""

    def __init__(self, log: logging.Logger, where: str) -> None:
        self._log = log
        self._where = where
        self._last = ""

    def tell(self, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}"
        if words == self._last:
            self._log.debug("%s failed again: %s", self._where, type(error).__name__)
            return
        self._last = words
        self._log.error("%s failed and will be tried again", self._where, exc_info=error)


async def keep_going(
    turn: Callable[[], Awaitable[None]],
    on_failure: Callable[[Exception], None],
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> NoReturn:
    """A loop that serves others: `turn` again and again, until it is cancelled. An exception ends the turn, never the loop,
    and so does a cancellation that nobody asked for.

    `on_failure` hears of it; then `wait` passes the seconds of a back-off, or less when somebody wants it now.
    """
    failures = 0
    while True:
        try:
            await expose_cancellation(turn(), "a turn")
            failures = 0
            continue
        except Exception as error:  # noqa: BLE001  whatever it is, the others must be served
            try:
                on_failure(error)
            except Exception:
                log.exception("cannot report a failure: %s", type(error).__name__)
        failures += 1
        await wait(pause_after(failures))


def pause_after(failures: int) -> float:
    """Seconds until the next turn of what serves others, after so many that failed in a row."""
    return Backoff(FIRST_PAUSE, LONGEST_PAUSE).after(failures)


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
