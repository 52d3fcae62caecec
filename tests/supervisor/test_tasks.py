"""Nothing that an owner waits for ends unheard."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kfw.aio import CancelledFromInside
from kfw.supervisor.tasks import Tasks
from tests.fakes import settle
from tests.inside import INSIDE

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("work", INSIDE, ids=lambda work: work.__name__)
async def test_a_cancellation_that_nobody_asked_for_is_heard(
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    heard: list[Exception] = []
    tasks = Tasks("api", heard.append)

    tasks.start("open", work())
    await settle()

    assert [type(error) for error in heard] == [CancelledFromInside]
    assert "api: open" in str(heard[0])
    await tasks.end()


@pytest.mark.parametrize("end", ["cancel", "stop", "end", "start again"])
async def test_a_cancellation_that_was_asked_for_is_no_defect(end: str) -> None:
    heard: list[Exception] = []
    tasks = Tasks("api", heard.append)
    tasks.start("open", asyncio.sleep(60))
    await settle()

    match end:
        case "cancel":
            tasks.cancel("open")
        case "stop":
            await tasks.stop("open")
        case "start again":
            tasks.start("open", asyncio.sleep(60))
    await tasks.end()
    await settle()

    assert heard == []


async def test_who_is_cancelled_while_it_stops_a_task_is_cancelled() -> None:
    tasks = Tasks("api", lambda error: None)

    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)

    tasks.start("open", slow_to_end())
    await settle()
    stopping = asyncio.create_task(tasks.stop("open"))
    await settle()
    stopping.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stopping
    await tasks.end()


async def test_what_has_ended_is_forgotten() -> None:
    """A way that drains has a task with a name of its own, and ways come and go for months."""
    tasks = Tasks("api", lambda error: None)

    for number in range(3):
        tasks.start(f"drain {number}", asyncio.sleep(0))
    await settle()

    assert tasks._running == {}
