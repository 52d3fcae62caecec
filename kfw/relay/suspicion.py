"""What the connections of one local port say about the way behind it: are they answered? Pure, and told the time.

Nothing is done for each byte: a connection is entered when it begins to wait for the far side, and taken out when that
has said its first byte or the connection has ended.
"""

from enum import IntEnum

#: Seconds without a first byte from the far side until a connection counts as late.
LATE = 0.3
#: As many late ones of which nobody has been answered since, or failures in a row: the way is suspected as a whole.
LATE_ONES, FAILURES = 3, 2
#: A timer may be early by so much.
_EARLY = 0.01


class Hint(IntEnum):
    """How grave: `SOME` connections are late or have failed while others may be well; of `ALL` none was answered."""

    NONE = 0
    SOME = 1
    ALL = 2


class Suspicion:
    """`answers` counts the connections that were answered; `app_speaks_first`: once it did so unasked."""

    def __init__(self) -> None:
        self.answers = 0
        self.app_speaks_first = False
        self._waiting: dict[object, float] = {}  # since when, the oldest first
        self._late: dict[object, float] = {}
        self._answered_at = float("-inf")
        self._failures = 0  # since the last answer

    def start_over(self) -> None:
        """There is another way from now on; who waits by the old one says nothing of it."""
        self._waiting.clear()
        self._late.clear()
        self._failures = 0

    def waits(self, one: object, now: float) -> None:
        """It waits for the far side from now on; `look` is due in `LATE` seconds."""
        self.forget(one)
        self._waiting[one] = now

    def answered(self, one: object, now: float, *, unasked: bool) -> None:
        self.forget(one)
        self.app_speaks_first = self.app_speaks_first or unasked
        self._answered_at = now
        self._failures = 0
        self.answers += 1

    def forget(self, one: object) -> None:
        """It has ended by itself, or does not wait any more."""
        self._waiting.pop(one, None)
        if self._late:
            self._late.pop(one, None)

    def failed(self, one: object) -> Hint:
        """The far side has ended it without an answer, or there was none to connect it to."""
        self.forget(one)
        self._failures += 1
        return Hint.ALL if self._failures >= FAILURES else Hint.NONE

    def look(self, now: float) -> tuple[Hint, float | None]:
        """What those say that are late by now, if one of them was not before, and in how many seconds to look again (None:
        when the next one waits)."""
        new = [one for one, since in self._waiting.items() if now - since > LATE - _EARLY]
        for one in new:
            self._late[one] = self._waiting.pop(one)
        hint = self.now if new else Hint.NONE
        oldest = next(iter(self._waiting.values()), None)
        return hint, None if oldest is None else max(oldest + LATE - now, 0.0)

    @property
    def now(self) -> Hint:
        """What there is to say of those that still wait."""
        unanswered = [since for since in self._late.values() if since >= self._answered_at]
        if self._failures >= FAILURES or (self.answers and len(unanswered) >= LATE_ONES):
            return Hint.ALL  # an app that has never answered anybody may be one that only takes
        return Hint.SOME if self._late else Hint.NONE
