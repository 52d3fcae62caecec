"""How long the stages of a connection's opening took: what `kfw perf` shows by forward. Pure."""

from typing import NamedTuple


class StageTimes(NamedTuple):
    """In seconds; None: it did not come to its end.

    `accept`: until it could be read from. `wait`: for something to dial, with all dials that failed. `dial`: the one that
    did not. `answer`: from then to the first byte of the far side.
    """

    accept: float | None = None
    wait: float | None = None
    dial: float | None = None
    answer: float | None = None

    @classmethod
    def of(
        cls, since: float, opened: float, dialed: float, joined: float, spoke: float | None
    ) -> "StageTimes":
        """By one clock: when it was accepted, could be read from, was last dialed for, was joined, and was answered first.
        0 for what has not come."""
        return cls(
            opened - since if opened else None,
            dialed - opened if joined else None,
            joined - dialed if joined else None,
            max(0.0, spoke - joined) if joined and spoke is not None else None,
        )
