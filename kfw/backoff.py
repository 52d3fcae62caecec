"""The growing pauses between attempts of whatever is tried again: one ladder for all. Pure."""

from dataclasses import dataclass

#: More doublings than this would overflow long after `longest` has won.
_MOST = 64


@dataclass(frozen=True)
class Backoff:
    """Seconds: `first`, then `multiplier` times as long each time, and never longer than `longest`."""

    first: float
    longest: float
    multiplier: float = 2.0

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row; none after none."""
        if failures < 1:
            return 0.0
        return float(min(self.first * self.multiplier ** min(failures - 1, _MOST), self.longest))
