"""How often memory is given back, in virtual time."""

import asyncio

import pytest

from kfw.system.freed_memory import SHARE, SOON, FreedMemory
from tests.supervisor.interleave.loop import VirtualLoop


class _Process:
    """Whose collections take so many seconds of the processor."""

    def __init__(self, takes: float) -> None:
        self.used = 0.0
        self.times = 0
        self._takes = takes

    def collect(self) -> None:
        self.times += 1
        self.used += self._takes


async def _ask_all_the_time(process: _Process, seconds: int) -> None:
    freed = FreedMemory(process.collect, lambda: process.used)
    for _ in range(seconds):
        freed.give_back_soon()
        await asyncio.sleep(1)


@pytest.mark.parametrize("takes", [0.001, 0.02, 0.05, 0.2, 1.0])
def test_however_long_a_collection_takes_it_uses_no_more_than_its_share_of_the_processor(
    takes: float,
) -> None:
    process, seconds = _Process(takes), 1000
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(_ask_all_the_time(process, seconds))
    assert 0 < process.times <= seconds / SOON
    assert process.used <= SHARE * seconds + takes


def test_what_is_freed_is_given_back_soon_and_once_for_all_who_ask() -> None:
    async def ask() -> tuple[int, int]:
        process = _Process(0.02)
        freed = FreedMemory(process.collect, lambda: process.used)
        for _ in range(5):
            freed.give_back_soon()
        at_once = process.times
        await asyncio.sleep(SOON + 0.01)
        return at_once, process.times

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(ask()) == (0, 1)
