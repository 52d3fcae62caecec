"""What a server takes from its clients at most: sizes, times, counts, and the memory that all of them hold together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HttpLimits:
    """Sizes in bytes, times in seconds; a time of None has no end.

    `bodies` is for all unfinished ones together, small ones left out: each connection has `free` of its own, so that big
    requests cannot keep small ones away. `replies` is for all that was said and not read yet.
    """

    connections: int = 100
    head: int = 32 * 1024
    body: int = 4 * 1024 * 1024
    bodies: int = 12 * 1024 * 1024
    free: int = 64 * 1024
    replies: int = 24 * 1024 * 1024
    query_fields: int = 32
    #: Until a TLS handshake is done.
    handshake: float = 10.0
    #: Until a request begins.
    idle: float | None = 60.0
    #: From a request's first byte to its last.
    arrive: float | None = 20.0
    #: Until a reader has taken what was sent.
    write: float | None = 10.0


LIMITS = HttpLimits()


class MemoryBudget:
    """Bytes that several owners hold together. One alone always gets what it wants."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[object, int] = {}
        self._total = 0

    def hold(self, owner: object, size: int) -> bool:
        """`owner` holds `size` from now on, instead of what it held. False: no room, and it holds nothing."""
        self.release(owner)
        if size and self._total and self._total + size > self._limit:
            return False
        self._held[owner] = size
        self._total += size
        return True

    def release(self, owner: object) -> None:
        self._total -= self._held.pop(owner, 0)


class Memory:
    """The memory that unfinished requests and unread replies take together."""

    def __init__(self, limits: HttpLimits) -> None:
        self.bodies = MemoryBudget(limits.bodies)
        self.replies = MemoryBudget(limits.replies)

    def release(self, owner: object) -> None:
        self.bodies.release(owner)
        self.replies.release(owner)
