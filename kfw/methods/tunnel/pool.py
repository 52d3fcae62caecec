"""Which connection gets which link, when another one is dialled, and when somebody is told that there is none. Pure.

    PoolState               what is so                          who changes it, each at a time that is handed in
      endpoints             the pods that are ready             on_target
      links                 one SPDY connection to a pod each   on_made, on_gone; their own state is read (LinkView)
      requests, waiting     connections, those without a link   wait, on_assigned, on_refused, forget
      dials, failures       links in the making, what failed    start_dial, on_made, on_dial_failed, on_shortage
      files, idle_room      the room that this process has      the driver, before each plan

    plan(state, now)  ->  [Retire, Fail, Assign, Dial]   in the order in which they are to be done
    tidy(state, now)  ->  [links that nobody needs any more]

driver.py asks for a plan whenever something has changed, and every `tick` while somebody waits, does what it says, and
tells the state what came of it. A plan that could not be done as it stands (a link broke meanwhile, there was no file for
a dial) is not repaired: the driver asks for another one.

The rules: SPDY has no flow control for a stream, so one that stalls stops its link. Each connection gets a link without
another one as far as there are some; beyond `moving_links` they share. The pods take turns, the one with the fewest
connections first, or all go to one (`sticky`). A pod that refuses a connection, or to which no link could be made, is passed
over as long as there are others. That this machine has no room for a link says nothing about a pod.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias

from kfw.methods.tunnel.pool_state import L, PoolRequest, PoolState

NO_POD, NO_TUNNEL = "no pod is ready", "no tunnel to a pod could be opened in time"
POD_LEFT = "its pod takes no more connections"
#: Why a connection waits for which no link may be made.
NO_ROOM = "too many open files"


@dataclass(frozen=True)
class Dial:
    """Make another link. `warm`: nobody waits for it."""

    pod: str
    warm: bool = False


@dataclass(frozen=True)
class Assign(Generic[L]):
    request: PoolRequest
    link: L


@dataclass(frozen=True)
class Retire(Generic[L]):
    """It takes no more connections; those that it has go on."""

    link: L
    why: str


@dataclass(frozen=True)
class Fail:
    """`short`: this machine has no room, so it has not been tried at all."""

    request: PoolRequest
    why: str
    short: bool = False


Action: TypeAlias = Dial | Assign[L] | Retire[L] | Fail


def plan(state: PoolState[L], now: float) -> list[Action[L]]:
    """What is to be done now, in this order."""
    if state.closed:
        return []
    actions: list[Action[L]] = list(_retire(state))
    if state.waiting or state.warm:
        draft = _Draft(state, now)
        actions += [*draft.give_up(), *draft.serve(), *draft.dial(), *draft.warm()]
    return actions


def tidy(state: PoolState[L], now: float) -> list[L]:
    """Links that are not needed any more: all free ones but for the one used last, of each pod, or of all when the forward
    is not used."""
    kept, surplus = set[str](), []
    used = now - state.used_at < state.policy.used_within
    for link in sorted(state.links, key=lambda link: -link.idle_since):
        place = link.pod if used else ""
        if link.free and place in kept and now - link.idle_since > state.policy.idle:
            surplus.append(link)
        if link.free:
            kept.add(place)
    return surplus


def pods_for(
    ready: Sequence[str], *, tried: Collection[str], bad: Collection[str], sticky: str | None
) -> list[str]:
    """Those that may get a connection. `tried`: they refused it; `bad`: no link to them could be made just now;
    `sticky`: the one that gets all, as long as it takes them."""
    untried = [pod for pod in ready if pod not in tried] or list(ready)
    good = [pod for pod in untried if pod not in bad] or untried
    return [sticky] if sticky in good else good


def _retire(state: PoolState[L]) -> Iterator[Retire[L]]:
    """What goes to pods that are not ready any more drains."""
    for link in state.links:
        if link.usable and link.pod not in state.endpoints:
            yield Retire(link, POD_LEFT)


class _Draft(Generic[L]):
    """What will be so when the plan, as far as it is made, is done."""

    def __init__(self, state: PoolState[L], now: float) -> None:
        self._state, self._now = state, now
        self._links = [link for link in state.links if link.pod in state.endpoints]
        self._free = [link for link in self._links if link.free]
        self._loads = dict.fromkeys(state.endpoints, 0)  # connections of each pod
        for link in self._links:
            self._loads[link.pod] += link.live
        self._added: dict[int, int] = {}  # connections that were assigned, by the link's id
        self._turns = dict(state.turns)
        self._count, self._sticky = state.count, state.sticky_pod
        self._bad = state.passed_over(now)
        self._coming = state.coming(now)
        self._dialled = 0
        self._left = list(state.waiting)  # who is neither served nor given up

    # -- the parts of a plan

    def give_up(self) -> Iterator[Fail]:
        nowhere = not self._state.endpoints
        for request in tuple(self._left):
            late = self._now >= self._state.deadline(request)
            if late or (nowhere and request.awaited):
                yield self._fail(request, NO_POD if nowhere else NO_TUNNEL)

    def serve(self) -> Iterator[Assign[L]]:
        """In turn; one that has been refused may wait for another pod than the rest."""
        for number, request in enumerate(tuple(self._left)):
            if not self._state.is_due(request, self._now):
                continue
            link = self._link_for(request, number)
            if link is not None:
                self._take(link)
                self._left.remove(request)
                yield Assign(request, link)
            elif not request.tried:
                return

    def dial(self) -> Iterator[Dial | Fail]:
        """One for each who waits, as far as there is room, as those that come are for those before."""
        due = [request for request in self._left if self._state.is_due(request, self._now)]
        for request in due[len(self._coming) :]:
            pods = self._pods_for(request)
            if failure := self._state.why_not(pods, self._now):
                if request.awaited or request.once:
                    yield self._fail(request, failure.what)
            elif pod := self._pod_to_dial(pods):
                yield self._dial(pod)
            else:
                yield from self._starve(due)
                return

    def warm(self) -> Iterator[Dial]:
        """Who comes next finds a link."""
        state = self._state
        if not state.warm:
            return
        good = [pod for pod in state.endpoints if pod not in self._bad]
        there = {*self._coming, *(link.pod for link in self._free)}
        recent = self._now - state.used_at < state.policy.used_within
        for pod in good[: state.policy.warm_pods] if recent else good[:1] if not state.links else []:
            if pod not in there and self._dialled < state.idle_room and self._pod_to_dial([pod], warm=True):
                yield self._dial(pod, warm=True)

    # -- which link

    def _pods_for(self, request: PoolRequest) -> list[str]:
        sticky = self._sticky if self._state.sticky else None
        return pods_for(list(self._state.endpoints), tried=request.tried, bad=self._bad, sticky=sticky)

    def _link_for(self, request: PoolRequest, number: int) -> L | None:
        """`number`: so many wait before it."""
        pods = self._pods_for(request)
        link = self._free_link(pods)
        if link is None and (self._may_share(request, number) or self._state.why_not(pods, self._now)):
            return self._shared_link(pods)
        return link

    def _may_share(self, request: PoolRequest, number: int) -> bool:
        """It has waited for long, or no link will come for it."""
        alone = self._now - request.since < self._state.policy.share_after
        return not alone or (number >= len(self._coming) and self._room <= 0)

    def _free_link(self, pods: Collection[str]) -> L | None:
        """Of the pods with the fewest connections the one whose turn it is; of its links the one used last, so that others
        can age."""
        free = [link for link in self._free if link.pod in pods]
        return min(free, key=self._rank) if len(free) > 1 else free[0] if free else None

    def _rank(self, link: L) -> tuple[int, int, float]:
        return self._loads[link.pod], self._turns.get(link.pod, 0), -link.idle_since

    def _shared_link(self, pods: Collection[str]) -> L | None:
        """The one with the fewest connections, if it stands still for none of them."""
        some = (link for link in self._links if link.usable and link.pod in pods)
        moving = (link for link in some if not (link.stalled or link.settling or link.suspect))
        return min(moving, key=lambda link: link.live + self._added.get(id(link), 0), default=None)

    def _take(self, link: L) -> None:
        if link in self._free:
            self._free.remove(link)
        self._added[id(link)] = self._added.get(id(link), 0) + 1
        self._loads[link.pod] += 1
        self._count += 1
        self._turns[link.pod] = self._count
        self._sticky = link.pod

    # -- which dial

    @property
    def _room(self) -> int:
        policy, links = self._state.policy, self._state.links
        moving = sum(not link.stalled for link in links)
        return min(policy.moving_links - moving, policy.all_links - len(links)) - len(self._coming)

    def _pod_to_dial(self, pods: Sequence[str], *, warm: bool = False) -> str:
        """The one with the fewest connections, those that its dials are for included. "": no more now."""
        state, coming = self._state, len(self._coming)
        possible = [pod for pod in pods if state.may_dial(pod, self._now)]
        most = min(state.policy.dials, state.policy.first_dials * (1 + len(state.links)))
        if not possible or self._room <= 0 or coming >= most:
            return ""
        if state.is_short(self._now) or not (warm or state.files):
            return ""
        return min(possible, key=lambda pod: self._loads[pod] + self._coming.count(pod))

    def _dial(self, pod: str, *, warm: bool = False) -> Dial:
        self._coming.append(pod)
        self._dialled += 1
        return Dial(pod, warm)

    def _starve(self, due: Iterable[PoolRequest]) -> Iterator[Fail]:
        """This machine has no room for a link, and there is none."""
        state = self._state
        if not state.links and not self._coming and (state.is_short(self._now) or not state.files):
            for request in [one for one in due if one in self._left and one.awaited]:
                yield self._fail(request, NO_ROOM, short=True)

    def _fail(self, request: PoolRequest, why: str, *, short: bool = False) -> Fail:
        self._left.remove(request)
        return Fail(request, why, short)
