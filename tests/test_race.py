import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kfw.aio import AllFailed, race
from tests.inside import INSIDE

pytestmark = pytest.mark.asyncio

LONG = 30.0
Attempt = Callable[[], Coroutine[Any, Any, str]]


class Attempts:
    """Attempts that note when they begin and when they are given up."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.given_up: list[str] = []

    def answers(self, name: str) -> Attempt:
        async def attempt() -> str:
            self.begun.append(name)
            return name

        return attempt

    def fails(self, name: str) -> Attempt:
        async def attempt() -> str:
            self.begun.append(name)
            raise OSError(name)

        return attempt

    def is_silent(self, name: str) -> Attempt:
        async def attempt() -> str:
            self.begun.append(name)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.given_up.append(name)
                raise
            return name

        return attempt


async def test_the_first_that_answers_is_taken_and_the_rest_is_not_even_asked() -> None:
    made = Attempts()
    assert await race([made.answers("a"), made.answers("b")], head_start=LONG) == (0, "a")
    assert made.begun == ["a"]


async def test_a_failure_brings_the_next_one_in_at_once() -> None:
    made = Attempts()
    result = await asyncio.wait_for(race([made.fails("a"), made.answers("b")], head_start=LONG), 1)
    assert result == (1, "b")


async def test_a_silent_one_loses_its_head_start_and_is_given_up_when_another_answers() -> None:
    made = Attempts()
    result = await race([made.is_silent("a"), made.fails("b"), made.answers("c")], head_start=0.01)
    assert result == (2, "c")
    assert made.given_up == ["a"]


async def test_when_all_fail_each_error_is_told_in_the_order_of_the_attempts() -> None:
    made = Attempts()
    with pytest.raises(AllFailed) as raised:
        await race([made.fails("a"), made.fails("b")], head_start=LONG)
    assert [str(error) for error in raised.value.errors] == ["a", "b"]


async def test_who_gives_up_the_race_gives_up_all_its_attempts() -> None:
    made = Attempts()
    running = asyncio.create_task(race([made.is_silent("a"), made.is_silent("b")], head_start=0.01))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(made.given_up) == ["a", "b"]


async def test_the_result_of_one_that_succeeds_too_late_is_discarded() -> None:
    both = asyncio.Event()
    discarded: list[str] = []

    def together(name: str) -> Attempt:
        async def attempt() -> str:
            await both.wait()
            return name

        return attempt

    asyncio.get_running_loop().call_later(0.05, both.set)
    won = await race([together("a"), together("b")], head_start=0.01, discard=discarded.append)
    assert (won, discarded) == ((0, "a"), ["b"])


@pytest.mark.parametrize("work", INSIDE, ids=lambda work: work.__name__)
async def test_an_attempt_that_is_cancelled_from_inside_has_failed_like_any_other(
    work: Callable[[], Coroutine[Any, Any, Any]],
) -> None:
    made = Attempts()
    assert await race([work, made.answers("b")], head_start=LONG) == (1, "b")
    with pytest.raises(AllFailed) as failed:
        await race([work, made.fails("b")], head_start=LONG)
    assert len(failed.value.errors) == 2
