"""Loops that serve others go on, whatever happens in a turn of theirs."""

import asyncio
import errno
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kfw import aio
from kfw.aio import CancelledFromInside, Complaints, expose_cancellation, keep_going
from tests.inside import INSIDE


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        RecursionError(),
        OSError(errno.EMFILE, "Too many open files"),
        UnicodeEncodeError("idna", "x", 0, 1, "label too long"),
        MemoryError(),
        AssertionError(),
        ExceptionGroup("several", [KeyError("a"), TimeoutError()]),
    ],
)
@pytest.mark.asyncio
async def test_an_exception_ends_the_turn_and_not_the_loop(error: Exception) -> None:
    turns, told, pauses = 0, list[Exception](), list[float]()

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns != 6:
            raise error
        await asyncio.sleep(0)

    async def wait(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 20:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep_going(turn, told.append, wait)

    assert told == [error] * 20
    assert pauses[:5] == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert pauses[5] == 0.5, "after a turn that went well it begins with the shortest pause"
    assert max(pauses) == aio.LONGEST_PAUSE


@pytest.mark.asyncio
async def test_the_owner_ends_it_at_once_also_in_a_pause() -> None:
    async def turn() -> None:
        raise ValueError

    task = asyncio.create_task(keep_going(turn, lambda error: None))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_failure_that_repeats_itself_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints(logging.getLogger("kfw.test"), "the look")
    for _ in range(3):
        complaints.tell(ValueError("one"))
    complaints.tell(ValueError("two"))

    assert [record.message for record in caplog.records] == ["the look failed and will be tried again"] * 2


@pytest.mark.asyncio
async def test_who_cannot_even_be_told_of_a_failure_does_not_end_the_loop() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        raise ValueError

    def told(error: Exception) -> None:
        raise KeyError

    async def wait(seconds: float) -> None:
        if turns == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep_going(turn, told, wait)


@pytest.mark.parametrize("work", INSIDE, ids=lambda work: work.__name__)
@pytest.mark.asyncio
async def test_a_cancellation_that_nobody_asked_for_ends_the_turn_and_not_the_loop(
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    told, second = list[Exception](), asyncio.Event()

    async def turn() -> None:
        if told:
            second.set()
            await asyncio.sleep(60)
        await work()

    task = asyncio.create_task(keep_going(turn, told.append, lambda seconds: asyncio.sleep(0)))
    if work.__name__ != "it_cancels_itself":  # which is its owner, as far as asyncio knows
        await asyncio.wait_for(second.wait(), 5)
        assert [type(error) for error in told] == [CancelledFromInside]
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.asyncio
async def test_a_cancellation_that_was_asked_for_stays_one() -> None:
    task = asyncio.create_task(expose_cancellation(asyncio.sleep(60), "a sleep"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
