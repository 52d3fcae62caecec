"""How many replicas each replica set of a deployment shall have during a rolling update. Pure; the rules are those of
the deployment controller: first up as far as maxSurge allows, then down as far as maxUnavailable allows."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One replica set: `wanted` as its spec says, `available` as its status says."""

    name: str
    wanted: int
    available: int


@dataclass(frozen=True)
class Limits:
    """`surge` more than desired may exist, `unavailable` of the desired may be missing."""

    surge: int
    unavailable: int

    @classmethod
    def of(cls, desired: int, surge: int | str, unavailable: int | str) -> "Limits":
        """From numbers or percentages: surge is rounded up, unavailable down; not both can be 0."""
        up = _count(surge, desired, round_up=True)
        down = _count(unavailable, desired, round_up=False)
        return cls(up, down or (0 if up else 1))


def _count(value: int | str, desired: int, *, round_up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * desired / 100
    return math.ceil(share) if round_up else math.floor(share)


def next_step(desired: int, limits: Limits, new: Part, old: list[Part]) -> dict[str, int]:
    """Replica sets to be changed now, by name; `old` the oldest first. {} when there is nothing to do, or to wait."""
    total = new.wanted + sum(part.wanted for part in old)
    if new.wanted > desired:
        return {new.name: desired}
    room = desired + limits.surge - total
    if new.wanted < desired and room > 0:
        return {new.name: min(desired, new.wanted + room)}
    return _down(desired, limits, new, old, total)


def _down(desired: int, limits: Limits, new: Part, old: list[Part], total: int) -> dict[str, int]:
    least = desired - limits.unavailable
    spare = total - least - (new.wanted - min(new.wanted, new.available))
    left: dict[str, int] = {part.name: part.wanted for part in old}
    for part in old:  # first what is not available anyway
        gone = max(0, min(part.wanted - part.available, spare))
        left[part.name] -= gone
        spare -= gone
    available = new.available + sum(part.available for part in old)
    spare = min(spare, available - least)
    for part in old:
        gone = max(0, min(left[part.name], spare))
        left[part.name] -= gone
        spare -= gone
    return {part.name: left[part.name] for part in old if left[part.name] != part.wanted}
