"""How long to wait after n failures in a row. Pure."""

from kfw.model import Reason, Retry

#: A way that carried bytes and broke is tried again at once, twice: most often the far side is back already.
_QUICK = frozenset({Reason.CHILD_EXITED, Reason.ENDPOINT_GONE})
_QUICK_TRIES = 2


def delay(failures: int, retry: Retry, reason: Reason) -> float:
    """Seconds until the next attempt after the `failures`-th failure in a row (1 is the first)."""
    grown = failures - 1
    if reason in _QUICK:
        if failures <= _QUICK_TRIES:
            return 0.0
        grown -= _QUICK_TRIES
    # Beyond 64 doublings the power would overflow long after max_delay has won.
    return float(min(retry.initial_delay * retry.multiplier ** min(grown, 64), retry.max_delay))


def exhausted(failures: int, retry: Retry) -> bool:
    """True when the failure number `failures` was the last attempt allowed."""
    return 0 < retry.max_attempts < failures
