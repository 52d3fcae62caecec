"""Work that ends by a cancellation which its owner has not asked for."""

import asyncio


async def a_future_is_cancelled() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    await future


async def a_task_is_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.shield(task)


async def a_member_of_a_gather_is_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.gather(task, asyncio.sleep(0))


async def it_cancels_itself() -> None:
    task = asyncio.current_task()
    assert task
    task.cancel()
    await asyncio.sleep(0)


async def it_raises() -> None:
    raise asyncio.CancelledError


#: Each takes no arguments.
INSIDE = (
    a_future_is_cancelled,
    a_task_is_cancelled,
    a_member_of_a_gather_is_cancelled,
    it_cancels_itself,
    it_raises,
)
