"""Which pods of a target get connections: the ready ones. Pure.

Where there are none: those of nodes that do not report, as the API server says after it was away itself, while all goes
on; then, if that is allowed, those that run."""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Seen(Protocol):
    """What there is to see of a pod or an endpoint."""

    @property
    def ready(self) -> bool: ...
    @property
    def running(self) -> bool:
        """Its phase, or that nothing is known against it."""
        ...

    @property
    def unheard(self) -> bool:
        """Not ready for no other reason than that its node does not report: it may serve as before."""
        ...

    @property
    def terminating(self) -> bool: ...


T = TypeVar("T", bound=Seen)


def usable(pods: Iterable[T], *, unready: bool, terminating: bool = False) -> list[T]:
    """In their order. `unready`: also those that only run; `terminating`: of these also what is told to end. Each only
    where there is nothing better."""
    pods = list(pods)
    best = [pod for pod in pods if pod.ready] or [pod for pod in pods if pod.unheard and not pod.terminating]
    if best or not unready:
        return best
    running = [pod for pod in pods if pod.running]
    staying = [pod for pod in running if not pod.terminating]
    return staying or (running if terminating else [])
