"""How old something is, as kubectl's tables say it (k8s.io/apimachinery, util/duration). Pure."""

from kfw.sandbox.objects import seconds_of

MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY

#: Below this many seconds: a large unit, and a small one that is left out when it is zero ("" where none is shown).
_STEPS = (
    (2 * MINUTE, 1, "s", 0, ""),
    (10 * MINUTE, MINUTE, "m", 1, "s"),
    (3 * HOUR, MINUTE, "m", 0, ""),
    (8 * HOUR, HOUR, "h", MINUTE, "m"),
    (2 * DAY, HOUR, "h", 0, ""),
    (8 * DAY, DAY, "d", HOUR, "h"),
    (2 * YEAR, DAY, "d", 0, ""),
    (8 * YEAR, YEAR, "y", DAY, "d"),
)


def duration(seconds: float) -> str:
    """`45s`, `3m7s`, `95m`, `4h5m`, `2d3h`, `400d`; a clock that went back is `0s`."""
    whole = max(0, int(seconds))
    for bound, large, large_sign, small, small_sign in _STEPS:
        if whole < bound:
            count, rest = divmod(whole, large)
            part = rest // small if small else 0
            return f"{count}{large_sign}" + (f"{part}{small_sign}" if part else "")
    return f"{whole // YEAR}y"


def age(timestamp: str | None, now: float) -> str:
    return duration(now - seconds_of(timestamp)) if timestamp else "<unknown>"
