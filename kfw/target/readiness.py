"""Which pods of a target get connections: the ready ones; where there are none, and it is allowed, those that run. Pure."""

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
    def terminating(self) -> bool: ...


T = TypeVar("T", bound=Seen)


def usable(pods: Iterable[T], *, unready: bool, terminating: bool = False) -> list[T]:
    """In their order. `unready`: also those that only run; `terminating`: of these also what is told to end. Each only
    where there is nothing better."""
    pods = list(pods)
    ready = [pod for pod in pods if pod.ready]
    if ready or not unready:
        return ready
    running = [pod for pod in pods if pod.running]
    staying = [pod for pod in running if not pod.terminating]
    return staying or (running if terminating else [])
