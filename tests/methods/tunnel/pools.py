"""States of a pool, made by hand, and what is planned for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from kfw.errors import KfwError
from kfw.methods.tunnel.policy import Policy
from kfw.methods.tunnel.pool import Assign, Dial, Fail, plan
from kfw.methods.tunnel.pool_state import PoolRequest, PoolState
from kfw.model import Endpoint

POLICY = Policy()
READY = ["a", "b", "c"]
NOW = 1000.0
DOWN = KfwError("the node does not answer", reason="cluster-unreachable")


@dataclass(eq=False)
class SomeLink:
    pod: str
    live: int = 0
    usable: bool = True
    settling: bool = False
    suspect: bool = False
    stalled: bool = False
    idle_since: float = NOW

    @property
    def free(self) -> bool:
        return self.usable and not (self.live or self.settling or self.suspect)


def pool(pods: Iterable[str], *links: SomeLink, **more: object) -> PoolState[SomeLink]:
    made = PoolState[SomeLink](POLICY, **more)  # type: ignore[arg-type]
    made.on_target(Endpoint("pod", pod, "10.0.0.1", 8080) for pod in pods)
    made.links = dict.fromkeys(links)
    made.warm, made.idle_room = False, POLICY.idle_links
    return made


def waits(state: PoolState[SomeLink], *, since: float = NOW, **more: object) -> PoolRequest:
    """A connection that began to wait then."""
    request = PoolRequest(since, since + 15.0, **more)  # type: ignore[arg-type]
    state.wait(request, since)
    return request


def is_tried_again(state: PoolState[SomeLink], *, since: float = NOW, **more: object) -> PoolRequest:
    """The relay has it already."""
    return waits(state, since=since, awaited=False, **more)


def links_of(state: PoolState[SomeLink], now: float = NOW) -> list[SomeLink]:
    """Which links are given, in turn."""
    return [action.link for action in plan(state, now) if isinstance(action, Assign)]


def dials_of(state: PoolState[SomeLink], now: float = NOW) -> list[str]:
    return [action.pod for action in plan(state, now) if isinstance(action, Dial)]


def fails_of(state: PoolState[SomeLink], now: float = NOW) -> list[tuple[PoolRequest, str]]:
    return [(action.request, action.why) for action in plan(state, now) if isinstance(action, Fail)]


def wants_warm(*pods: str, links: Iterable[SomeLink] = (), used: float = NOW) -> PoolState[SomeLink]:
    state = pool(pods, *links)
    state.warm, state.used_at = True, used
    return state
