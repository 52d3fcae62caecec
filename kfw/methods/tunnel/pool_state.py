"""What is so with the connections, links, pods and dials of one forward, and what changes it. Pure.

pool.py makes plans of it; driver.py carries them out and tells it what came of them.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from kfw.errors import KfwError
from kfw.methods.tunnel.policy import Policy
from kfw.model import Endpoint

NEVER = float("-inf")


class LinkView(Protocol):
    """What there is to see of a link. `suspect`: it is late with an answer; `settling`: a stream has left it in doubt;
    `stalled`: it stands still for a client that does not read; `free`: it has no stream, and nothing speaks against one."""

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


L = TypeVar("L", bound=LinkView)


@dataclass(eq=False)
class PoolRequest:
    """One connection, from its first try to its last. `until`: so long it may be tried; `once`: by each pod once.

    `awaited`: somebody waits for its first link; else the relay has it already, and it is tried again.
    """

    began: float
    until: float
    once: bool = False
    awaited: bool = True
    since: float = 0.0  # when it began to wait
    not_before: float = 0.0
    tried: set[str] = field(default_factory=set)  # pods that refused it in this round
    rounds: int = 0  # over all of them
    refusal: str = ""  # the last one, in words
    listens_nowhere: bool = True  # of these each refused because nothing listens on the port
    refused_at: float | None = None  # since when all pods have refused it for that reason


@dataclass(eq=False)
class PendingDial:
    """`asked`: somebody wants to know what becomes of it. `since`: inf as long as it waits for its turn."""

    pod: str
    since: float
    asked: bool = False


class Failure(NamedTuple):
    at: float
    error: KfwError


class RefusedBy(NamedTuple):
    """`again`: it waits for another try. `by_all`: every pod has refused it, because nothing listens there."""

    again: bool
    by_all: bool


@dataclass
class PoolState(Generic[L]):
    """Of one forward. Times are the loop's, in seconds."""

    policy: Policy
    hold_refused: float = 2.0  # seconds that a connection is tried which every pod refuses as nothing listens
    sticky: bool = False  # connections go to the same pod as long as it takes them

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    links: dict[L, None] = field(default_factory=dict)
    waiting: dict[PoolRequest, None] = field(default_factory=dict)  # in turn
    dials: list[PendingDial] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)  # the last of each pod
    usual_dial: float = 0.0  # seconds
    short_at: float = NEVER  # this machine had no room for a dial
    used_at: float = NEVER
    sticky_pod: str = (
        ""  # the one that got the last connection; where they are sticky, the one that gets the next
    )
    turns: dict[str, int] = field(default_factory=dict)  # the number of the last connection to each pod
    count: int = 0

    files: bool = True  # there is one for a dial that somebody waits for
    idle_room: int = 0  # for so many links that nobody waits for
    warm: bool = False  # links for who comes next are wanted now
    closed: bool = False

    # -- what is so

    @property
    def first_pod(self) -> str:
        return next(iter(self.endpoints), "")

    def is_slow(self, dial: PendingDial, now: float) -> bool:
        return now - dial.since >= max(self.policy.slow_after, self.policy.slow_times * self.usual_dial)

    def coming(self, now: float) -> list[str]:
        """The pods of dials of which a link is to be expected soon."""
        return [dial.pod for dial in self.dials if not self.is_slow(dial, now)]

    def has_failed(self, pod: str, now: float) -> bool:
        failure = self.failures.get(pod)
        return failure is not None and now - failure.at < self.policy.passed_over_for

    def passed_over(self, now: float) -> set[str]:
        slow = {dial.pod for dial in self.dials if self.is_slow(dial, now)}
        return slow | {pod for pod in self.failures if self.has_failed(pod, now)}

    def may_dial(self, pod: str, now: float) -> bool:
        """One that has failed just now would only fail again, as fast as the network says so."""
        slow = sum(dial.pod == pod and self.is_slow(dial, now) for dial in self.dials)
        return not self.has_failed(pod, now) and slow < self.policy.slow_dials

    def why_not(self, pods: Collection[str], now: float) -> KfwError | None:
        """The error of the first, if a dial to each has failed just now."""
        if not pods or not all(self.has_failed(pod, now) for pod in pods):
            return None
        return self.failures[next(iter(pods))].error

    def is_short(self, now: float) -> bool:
        return now - self.short_at < self.policy.short_for

    def is_bare(self, now: float) -> bool:
        """There is no link, and none is to be expected soon."""
        return not self.links and not self.coming(now)

    def was_tried_everywhere(self, request: PoolRequest) -> bool:
        return request.tried.issuperset(self.endpoints)

    def is_due(self, request: PoolRequest, now: float) -> bool:
        """A pod that has not refused it yet is tried at once, the others after a pause."""
        return request.not_before <= now or not self.was_tried_everywhere(request)

    def deadline(self, request: PoolRequest) -> float:
        """That nothing listens is an answer, sooner than that there is no pod; but first each pod is asked. And dials that
        hang one after the other may go on for ever."""
        if request.awaited:
            return max(request.until, request.since + self.policy.dial_chance)
        if not self.was_tried_everywhere(request):
            return max(request.until, request.began + self.policy.ask_all)
        if request.refused_at is None:
            return request.until
        return min(request.until, request.refused_at + self.hold_refused)

    # -- what happens

    def on_target(self, endpoints: Iterable[Endpoint]) -> None:
        """These pods are ready now."""
        self.endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        if self.sticky_pod not in self.endpoints:
            self.sticky_pod = self.first_pod
        self.failures = {pod: one for pod, one in self.failures.items() if pod in self.endpoints}
        if not self.endpoints:
            for request in self.waiting:
                request.refused_at = None  # nobody is there to refuse it any more
        self.warm = True

    def wait(self, request: PoolRequest, now: float, *, not_before: float = 0.0) -> None:
        request.since, request.not_before = now, not_before
        if not self.endpoints:
            request.refused_at = None
        self.waiting[request] = None

    def forget(self, request: PoolRequest) -> None:
        self.waiting.pop(request, None)

    def on_assigned(self, request: PoolRequest) -> None:
        """What it opens may end at once, and wait again."""
        self.waiting.pop(request, None)
        if self.was_tried_everywhere(request):  # a new round
            request.tried.clear()
            request.listens_nowhere = True

    def on_opened(self, request: PoolRequest, pod: str) -> None:
        request.awaited = False
        self.count += 1
        self.turns[pod] = self.count
        self.sticky_pod = pod

    def on_refused(
        self, request: PoolRequest, pod: str, words: str, now: float, *, nothing_listens: bool
    ) -> RefusedBy:
        """The app got nothing of it."""
        request.refusal = words
        request.tried.add(pod)
        request.listens_nowhere = request.listens_nowhere and nothing_listens
        pause, by_all, everywhere = 0.0, False, self.was_tried_everywhere(request)
        if everywhere:
            by_all = self._finish_round(request, now)
            request.rounds += 1
            pause = self.policy.rounds.after(request.rounds)
        if (everywhere and request.once) or self.closed or now >= self.deadline(request):
            return RefusedBy(False, by_all)
        self.wait(request, now, not_before=now + pause)
        return RefusedBy(True, by_all)

    def _finish_round(self, request: PoolRequest, now: float) -> bool:
        """Each pod has refused it. True: because nothing listens."""
        if not (request.listens_nowhere and self.endpoints):
            request.refused_at = None
            return False
        request.refused_at = now if request.refused_at is None else request.refused_at
        return True

    def on_returned(self, request: PoolRequest, now: float) -> bool:
        """Its link has not even looked at it. False: its time is over."""
        if self.closed or now >= request.until:
            return False
        self.wait(request, now)
        return True

    def start_dial(self, pod: str, now: float) -> PendingDial:
        dial = PendingDial(pod, now)
        self.dials.append(dial)
        return dial

    def join_dial(self, pod: str, now: float) -> PendingDial | None:
        """One that runs, if it does not take long."""
        return next((one for one in self.dials if one.pod == pod and not self.is_slow(one, now)), None)

    def on_made(self, dial: PendingDial, link: L, now: float, *, closed: bool) -> None:
        """`closed`: it broke before anybody had it."""
        self.dials.remove(dial)
        self.failures.pop(dial.pod, None)
        self.usual_dial += (now - dial.since - self.usual_dial) / 4
        if not closed:
            self.links[link] = None

    def on_dial_ended(self, dial: PendingDial) -> None:
        """It has made no link."""
        self.dials.remove(dial)

    def on_shortage(self, now: float) -> None:
        """No verdict on the pod; who waits is tried again."""
        self.short_at = now

    def on_failure(self, pod: str, error: KfwError, now: float) -> bool:
        """No link to that pod, or one that was of no use. True: there is none, and none can be made."""
        self.failures[pod] = Failure(now, error)
        return not self.links and self.why_not(self.endpoints, now) is not None

    def on_gone(self, link: L) -> None:
        self.links.pop(link, None)
        self.warm = True
