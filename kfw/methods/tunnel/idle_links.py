"""Links of all forwards that carry nothing now: they are kept for who comes next, up to a cap. Memory is a promise, too."""

import asyncio

from kfw.methods.tunnel.attach import IN_USE, WARM
from kfw.methods.tunnel.link import Link
from kfw.system.loop import give_back
from kfw.system.open_files import OPEN_FILES

#: So many. A link takes some 60 KB; one that is missed costs the next connection a dial.
MOST = 16
#: As many are closed when somebody needs a file and there is none.
RELIEF = 4
#: Seconds from the end of a link until the system gets back what it took, and what others took that end meanwhile.
GIVE_BACK = 2.0


class IdleLinks:
    def __init__(self, most: int = MOST) -> None:
        self.coming = 0  # links in the making
        self._most = most
        self._links: dict[Link, None] = {}  # the one that has waited longest first
        self._giving_back = False
        OPEN_FILES.relief.add(self)

    @property
    def room(self) -> bool:
        """For one that nobody waits for."""
        return len(self._links) + self.coming < self._most

    def add(self, link: Link) -> None:
        """It is free. Beyond the cap the one that has waited longest is closed."""
        if link not in self._links:
            self._links[link] = None
            link.be_patient(WARM)
        if len(self._links) > self._most:
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

    def gone(self, link: Link) -> None:
        """It is closed."""
        self.discard(link)
        if not self._giving_back:
            self._giving_back = True
            asyncio.get_running_loop().call_later(GIVE_BACK, self._give_back)

    def relieve(self) -> bool:
        """Somebody needs a file."""
        idle = list(self._links)[:RELIEF]
        for link in idle:
            self.discard(link)
            dismiss(link, "others need its file")
        return bool(idle)

    def _give_back(self) -> None:
        self._giving_back = False
        give_back()


def dismiss(link: Link, why: str) -> None:
    """Close what is free and well: this says nothing against the pod."""
    link.proven = True
    link.abort(why)
