"""What all forwards of a process share: how many links may carry nothing, and how many dials run at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from kfw.methods.tunnel.link import IN_USE, WARM, Link
from kfw.methods.tunnel.policy import Policy
from kfw.system.open_files import OPEN_FILES


class IdleLinks:
    """They are kept for who comes next, up to a cap. Memory is a promise, too. `give_back`: to the system, what is freed."""

    def __init__(self, policy: Policy, give_back: Callable[[], None]) -> None:
        self.coming = 0  # links in the making
        self._policy = policy
        self._give_back = give_back
        self._links: dict[Link, None] = {}  # the one that has waited longest first
        self._giving_back = False
        OPEN_FILES.relief.add(self)

    @property
    def room(self) -> int:
        """For so many that nobody waits for; below 0: there are too many."""
        return self._policy.idle_links - len(self._links) - self.coming

    def __len__(self) -> int:
        return len(self._links)

    def add(self, link: Link) -> None:
        """It is free. Beyond the cap the one that has waited longest is closed."""
        if link not in self._links:
            self._links[link] = None
            link.be_patient(WARM)
        if len(self._links) > self._policy.idle_links:
            oldest = next(iter(self._links))
            self.discard(oldest)
            dismiss(oldest, "others are more likely to be used")

    def discard(self, link: Link) -> None:
        """It is not free any more."""
        if link not in self._links:
            return
        del self._links[link]
        if not link.closed:
            link.be_patient(IN_USE)

    def on_gone(self, link: Link) -> None:
        """It is closed."""
        self.discard(link)
        if not self._giving_back:
            self._giving_back = True
            asyncio.get_running_loop().call_later(self._policy.give_back_after, self._give_all_back)

    def relieve(self) -> bool:
        """Somebody needs a file."""
        idle = list(self._links)[: self._policy.relief]
        for link in idle:
            self.discard(link)
            dismiss(link, "others need its file")
        return bool(idle)

    def _give_all_back(self) -> None:
        self._giving_back = False
        self._give_back()


class DialLimiter:
    """A hundred forwards that start at once dial a few at a time: it takes no longer, and a third of the memory."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._turns = asyncio.Semaphore(policy.dials_at_once)
        self.given = 0  # turns that are taken now

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        given = await self._has_turn()
        self.given += given
        try:
            yield
        finally:
            if given:
                self.given -= 1
                self._turns.release()

    async def _has_turn(self) -> bool:
        """Those before it may be to a node that does not answer: it waits only so long."""
        try:
            async with asyncio.timeout(self._policy.dial_turn):
                return await self._turns.acquire()
        except TimeoutError:
            return False


def dismiss(link: Link, why: str) -> None:
    """Close what is free and well: this says nothing against the pod."""
    link.proven = True
    link.abort(why)
