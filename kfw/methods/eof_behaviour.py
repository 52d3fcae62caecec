"""What is known of how a far side ends a connection whose client has said all. Pure.

Most apps close then, and a container runtime does it for them; from one that has done so once it is expected again. Of one
that never did, silence says nothing.
"""

from collections import deque

#: Seconds after which an end is not the answer to ours any more.
LONGEST = 10.0
#: As many answers are remembered: a machine that is busy now and then is late now and then.
REMEMBERED = 8
#: An answer may take that much longer than one usually does, but it has so many seconds at least. One that is late all the
#: same is not a verdict while clients are answered, see `hints.is_contradicted`.
FACTOR, SPARE, LEAST = 1.25, 0.1, 1.0
#: From so many answers on it is known how much they differ: all but one took no longer than the next one has.
ENOUGH = 5


class EofBehaviour:
    """Of one forward by one method; they outlive the way, as the app stays the same."""

    def __init__(self) -> None:
        self._answers: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def known(self) -> bool:
        return bool(self._answers)

    @property
    def patience(self) -> float:
        """Seconds to wait for the end."""
        if not self._answers:
            return LEAST
        ordered = sorted(self._answers)
        longest = ordered[len(ordered) // 2] * FACTOR
        if len(ordered) >= ENOUGH:
            longest = min(longest, ordered[-2])
        return max(longest + SPARE, LEAST)

    def answered(self, seconds: float) -> None:
        if seconds <= LONGEST:
            self._answers.append(seconds)

    def forget(self) -> None:
        """Another app may be there now."""
        self._answers.clear()
