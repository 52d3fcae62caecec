"""Which link a connection gets, and to which pod another one is dialled. Pure.

SPDY has no flow control for a stream: one that stalls stops its link. So each connection gets a link without another
one, as far as there are some; the pods take turns, the one with the fewest connections first.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar


class Seen(Protocol):
    """What there is to see of a link."""

    pod: str
    usable: bool
    suspect: bool
    idle_since: float

    @property
    def settling(self) -> bool: ...
    @property
    def free(self) -> bool: ...
    @property
    def live(self) -> int: ...
    @property
    def stalled(self) -> bool: ...


L = TypeVar("L", bound=Seen)


def load(links: Iterable[Seen]) -> Counter[str]:
    """Live connections of each pod."""
    loads = Counter[str]()
    for link in links:
        loads[link.pod] += link.live
    return loads


def pods_for(
    ready: Sequence[str], *, tried: Collection[str], bad: Collection[str], sticky: str | None
) -> list[str]:
    """Those that may get a connection. `tried`: they refused it; `bad`: no link to them could be made just now;
    `sticky`: the one that gets all, as long as it takes them."""
    untried = [pod for pod in ready if pod not in tried] or list(ready)
    good = [pod for pod in untried if pod not in bad] or untried
    return [sticky] if sticky in good else good


def free_link(links: Iterable[L], pods: Collection[str], turn: Mapping[str, int]) -> L | None:
    """Of the pods with the fewest connections the one whose turn it is; of its links the one used last, so that others
    can age."""
    links = list(links)
    loads = load(links)
    free = (link for link in links if link.free and link.pod in pods)
    return min(
        free, key=lambda link: (loads[link.pod], turn.get(link.pod, 0), -link.idle_since), default=None
    )


def shared_link(links: Iterable[L], pods: Collection[str]) -> L | None:
    """The one with the fewest connections, if it stands still for none of them."""
    some = (link for link in links if link.usable and link.pod in pods)
    moving = (link for link in some if not (link.stalled or link.settling or link.suspect))
    return min(moving, key=lambda link: link.live, default=None)


def pod_to_dial(pods: Sequence[str], links: Iterable[Seen], dialling: Collection[str]) -> str:
    """The one with the fewest connections, those that its dials are for included."""
    loads = load(links)
    loads.update(dialling)
    return min(pods, key=lambda pod: loads[pod])
