"""The look after the links of all forwards: what idles too long is closed, what is silent is asked, a warm one is kept.

One task for all of them: of 1,600 forwards all but a few have no link, and these cost next to nothing.
"""

import asyncio
import logging
from zlib import crc32

from kfw.aio import Complaints, keep_going
from kfw.errors import KfwError
from kfw.methods.tunnel.driver import PoolDriver
from kfw.methods.tunnel.link_health import check_path
from kfw.methods.tunnel.policy import Policy

log = logging.getLogger("kfw.tunnel")


class Upkeep:
    """Runs as long as it has pools."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._due: dict[PoolDriver, float] = {}  # the loop's time
        self._asking: dict[PoolDriver, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    def add(self, pool: PoolDriver) -> None:
        self._due[pool] = self._next_look(pool)
        if self._looking is None:
            self._looking = asyncio.create_task(
                keep_going(self._turn, Complaints(log, "the check of the tunnels").tell), name="links"
            )

    async def remove(self, pool: PoolDriver) -> None:
        """Harmless for one that is not there."""
        self._due.pop(pool, None)
        ending = [self._asking.pop(pool, None)]
        if not self._due:
            ending.append(self._looking)
            self._looking = None
        tasks = [task for task in ending if task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)  # their cancellation is not ours

    def is_proved(self, pool: PoolDriver) -> bool:
        """Also while it has no link, as others are used more: the watches tell of the pods, and the pulse of the API server.

        A new proof costs a dial, so the more forwards there are the longer one counts; and not all end together.
        """
        longest = max(self._policy.parked, self._policy.parked_each * len(self._due))
        counts_for = longest * (1 - crc32(str(pool.name).encode()) / (2 << 32))
        return pool.parked and asyncio.get_running_loop().time() - pool.proved_at < counts_for

    # -- inside

    async def _turn(self) -> None:
        """Those that are due, and those that soon would be."""
        policy, now = self._policy, asyncio.get_running_loop().time()
        await asyncio.sleep(max(min(min(self._due.values()) - now, policy.look), 0))
        soon = asyncio.get_running_loop().time() + policy.look / 4
        for pool in [pool for pool, due in self._due.items() if due <= soon]:
            self._due[pool] = self._next_look(pool)
            if pool.links or pool.idle.room > 0:
                self._look(pool)

    def _look(self, pool: PoolDriver) -> None:
        policy, now = self._policy, asyncio.get_running_loop().time()
        pool.close_idle()
        pool.share_idle()
        pool.keep_warm()
        silent = policy.silent if pool.is_used else policy.silent_unused
        if pool not in self._asking and any(
            now - link.heard_at > silent for link in pool.links if link.usable
        ):
            task = self._asking[pool] = asyncio.create_task(_ask(pool), name=f"links of {pool.name}")
            task.add_done_callback(lambda _: self._on_asked(pool, task))

    def _on_asked(self, pool: PoolDriver, task: "asyncio.Task[None]") -> None:
        if self._asking.get(pool) is task:
            del self._asking[pool]
            self._due[pool] = self._next_look(pool)
        if not task.cancelled() and (error := task.exception()):
            log.error("the check of the tunnels of %s failed", pool.name, exc_info=error)

    def _next_look(self, pool: PoolDriver) -> float:
        policy = self._policy
        return asyncio.get_running_loop().time() + (policy.look if pool.is_used else policy.look_unused)


async def _ask(pool: PoolDriver) -> None:
    try:
        await check_path(pool, pool.policy.answer)
    except KfwError:
        return  # it shows in the health checks, and in what is known of the API server
