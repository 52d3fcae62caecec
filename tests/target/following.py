"""Forwards followed in a test, and what was seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kfw.model import Forward, Reason, Resolution
from kfw.target.registry import ClusterRegistry
from tests.until import until


class Seen:
    """What a forward's target was, up to now."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.all: list[Resolution] = []

    @property
    def last(self) -> Resolution:
        return self.all[-1] if self.all else Resolution()

    @property
    def reason(self) -> Reason | None:
        return self.last.problem.reason if self.last.problem else None

    @property
    def pods(self) -> list[str]:
        return [endpoint.name for endpoint in self.last.pods]

    async def until_pods(self, *names: str) -> None:
        await until(lambda: self.all and self.pods == list(names) and self.last.problem is None, self.timeout)

    async def until_problem(self, reason: Reason) -> str:
        await until(lambda: self.reason is reason, self.timeout)
        assert self.last.problem
        return self.last.problem.message


@asynccontextmanager
async def following(
    clusters: ClusterRegistry, *forwards: Forward, timeout: float = 10.0
) -> AsyncIterator[list[Seen]]:
    """`timeout`: seconds that each wait for something may take."""

    async def follow(one: Forward, seen: Seen) -> None:
        async for resolution in clusters.follow(one):
            seen.all.append(resolution)

    seen = [Seen(timeout) for _ in forwards]
    tasks = [asyncio.create_task(follow(one, into)) for one, into in zip(forwards, seen, strict=True)]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
