"""What all forwards of a process share: how many links may carry nothing, and how many dials run at a time."""

import asyncio

from kfw.methods.tunnel.link import IN_USE, WARM, Link
from kfw.methods.tunnel.policy import Policy
from kfw.system.freed_memory import FreedMemory
from kfw.system.open_files import OPEN_FILES


class IdleLinks:
    """They are kept for who comes next, up to a cap. Memory is a promise, too."""

    def __init__(self, policy: Policy, freed: FreedMemory) -> None:
        self.coming = 0  # links in the making
        self._policy = policy
        self._freed = freed
        self._links: dict[Link, None] = {}  # the one that has waited longest first
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
        self._freed.give_back_soon()

    def relieve(self) -> bool:
        """Somebody needs a file."""
        idle = list(self._links)[: self._policy.relief]
        for link in idle:
            self.discard(link)
            dismiss(link, "others need its file")
        return bool(idle)


class DialTurn:
    """Of one dial: from `DialLimiter.queue` to `end`, which its owner must call."""

    def __init__(self, limiter: "DialLimiter") -> None:
        self._limiter = limiter
        self._given = asyncio.Event()
        self._over: asyncio.TimerHandle | None = None

    async def wait(self) -> None:
        """Returns also when it ends before it was given."""
        await self._given.wait()

    def hurry(self) -> None:
        """Somebody waits for this dial now."""
        self._limiter.prefer(self)

    def begin(self, seconds: float) -> None:
        """It keeps others waiting only so long: its node may not answer."""
        self._over = asyncio.get_running_loop().call_later(seconds, self.end)
        self._given.set()

    def end(self) -> None:
        """Harmless twice."""
        if self._over:
            self._over.cancel()
            self._over = None
            self._limiter.on_over()
        else:
            self._limiter.forget(self)
            self._given.set()


class DialLimiter:
    """Forwards that start together, a thousand perhaps, dial a few at a time: it takes no longer, none of them runs out of
    time while the others dial, and it is a third of the memory. Dials for which a client waits come first."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._awaited: dict[DialTurn, None] = {}  # in turn
        self._others: dict[DialTurn, None] = {}
        self.given = 0  # turns that are taken now

    def queue(self, *, awaited: bool) -> DialTurn:
        turn = DialTurn(self)
        (self._awaited if awaited else self._others)[turn] = None
        self._give()
        return turn

    def prefer(self, turn: DialTurn) -> None:
        if turn in self._others:
            del self._others[turn]
            self._awaited[turn] = None

    def forget(self, turn: DialTurn) -> None:
        """It waits no more."""
        self._awaited.pop(turn, None)
        self._others.pop(turn, None)

    def on_over(self) -> None:
        self.given -= 1
        self._give()

    def _give(self) -> None:
        while self.given < self._policy.dials_at_once and (waiting := self._awaited or self._others):
            turn = next(iter(waiting))
            del waiting[turn]
            self.given += 1
            turn.begin(self._policy.dial_turn)


def dismiss(link: Link, why: str) -> None:
    """Close what is free and well: this says nothing against the pod."""
    link.proven = True
    link.abort(why)
