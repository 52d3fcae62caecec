"""The local ports that forwards were moved to because another program had theirs (`onPortInUse: next`): each keeps its own
over stops, crashes and restarts as long as it is free, so that what is typed elsewhere goes on to be right."""

from collections.abc import Callable, Iterable

import msgspec

from kfw.model import Forward

#: So many are remembered; then the oldest are forgotten.
MOST = 4096


class MovedPort(msgspec.Struct, frozen=True):
    """Of the forward `name` of `source`: on `port`, as `wanted`, its localPort, was taken."""

    source: str
    name: str
    wanted: int
    port: int


class MovedPorts:
    """`on_change`: called when there is something else to remember."""

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._moved: dict[tuple[str, str], MovedPort] = {}

    def of(self, forward: Forward) -> int | None:
        """Where it was last; None: it was never moved, or wants another port by now."""
        known = self._moved.get(_key(forward))
        fits = known is not None and known.wanted == forward.local_port and forward.on_port_in_use == "next"
        return known.port if known and fits else None

    def put(self, forward: Forward, port: int) -> None:
        """It listens on `port` now."""
        moved = MovedPort(forward.source, forward.name, forward.local_port, port)
        key, is_moved = _key(forward), forward.local_port not in (0, port)
        if self._moved.get(key) == (moved if is_moved else None):
            return
        self._moved.pop(key, None)
        if is_moved:
            self._moved[key] = moved
            while len(self._moved) > MOST:
                del self._moved[next(iter(self._moved))]
        self.on_change()

    def forget(self, forwards: Iterable[Forward]) -> None:
        """The next time they begin at their own port."""
        for forward in forwards:
            self._moved.pop(_key(forward), None)

    def all(self) -> list[MovedPort]:
        return list(self._moved.values())

    def remember(self, moved: Iterable[MovedPort]) -> None:
        """What was kept on disk, or is handed over."""
        self._moved |= {(one.source, one.name): one for one in moved}


def _key(forward: Forward) -> tuple[str, str]:
    return forward.source, forward.name
