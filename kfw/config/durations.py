"""Durations as people write them: `500ms`, `1s`, `1m30s`, `2h`, or seconds as a number. Pure."""

import re
from functools import lru_cache

LONGEST = 366 * 24 * 3600.0

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?|\.[0-9]+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|s|m|h)")

#: The same as a pattern for editors and other readers of the JSON Schema.
PATTERN = r"^([0-9]+(\.[0-9]+)?|\.[0-9]+|(([0-9]+(\.[0-9]+)?|\.[0-9]+)(ms|s|m|h))+)$"


@lru_cache(maxsize=256)
def seconds(text: str) -> float:
    """Raises ValueError, whose words are for people, if `text` is not a duration, or longer than a year."""
    if len(text) > 50:
        raise ValueError("is not a duration")
    if _NUMBER.fullmatch(text):
        total = float(text)
    else:
        parts = list(_PART.finditer(text))
        if not parts or "".join(part[0] for part in parts) != text:
            raise ValueError("is not a duration")
        total = sum(float(part[1]) * _SECONDS[part[2]] for part in parts)
    if total > LONGEST:
        raise ValueError("is longer than a year")
    return round(total, 6)


def text_of(duration: float) -> str:
    """The shortest way to write it: 90 -> 1m30s, 0.5 -> 500ms. `seconds` reads it back to the microsecond."""
    micros = round(duration * 1_000_000)
    if micros == 0:
        return "0s"
    if micros % 1_000_000:
        return (
            f"{micros / 1000:g}ms"
            if micros < 1_000_000 and micros % 1000 == 0
            else f"{micros / 1e6:.6f}".rstrip("0") + "s"
        )
    whole = micros // 1_000_000
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)
