"""How long to wait: after n failures in a row, and between health checks. Pure."""

from kfw.backoff import Backoff
from kfw.model import Health, Retry
from kfw.reasons import Attempts, Reason

#: What carried bytes and broke is tried again at once, so many times: most often the far side is back already.
_QUICK_TRIES = 2
#: Seconds. An app that refuses may listen a moment later, and nothing but a new attempt tells; at most so long while a
#: client waits.
_REFUSED, _REFUSED_AWAITED = Backoff(0.25, 5.0), 0.5


def delay(failures: int, retry: Retry, reason: Reason, *, awaited: bool = False) -> float:
    """Seconds until the next attempt after the `failures`-th failure in a row (1 is the first); `awaited` by clients."""
    usual = Backoff(retry.initial_delay, retry.max_delay, retry.multiplier)
    match reason.traits.attempts:
        case Attempts.SOON:
            longest = _REFUSED_AWAITED if awaited else retry.max_delay
            return min(_REFUSED.after(failures), longest, retry.max_delay)
        case Attempts.QUICK:
            return usual.after(failures - _QUICK_TRIES)
    return usual.after(failures)


def exhausted(failures: int, retry: Retry) -> bool:
    """True when the failure number `failures` was the last attempt allowed."""
    return 0 < retry.max_attempts < failures


#: Seconds between health checks while one has failed.
ILL_INTERVAL = 2.0
#: After a good check only every n-th is made: a check is a connection to somebody's app, and the cluster's watch and
#: the first connection that fails say sooner what is wrong.
CALM = 4


def next_check(health: Health, good: int, *, failing: bool) -> float:
    """Seconds until the next health check, after `good` ones in a row; `failing`: one failed and too few were good since."""
    if failing:
        return min(health.interval, ILL_INTERVAL)
    return health.interval * (CALM if good else 1)
