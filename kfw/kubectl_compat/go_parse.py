"""Numbers, truth values and durations as Go's strconv and time read them, with their words. Pure."""

import re

_DURATION = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+")
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"[0-9]+")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def duration(text: str) -> float:
    """Seconds. Raises ValueError in the words of time.ParseDuration."""
    if text.lstrip("+-") == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        unitless = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text)
        raise ValueError(f'time: {"missing unit in" if unitless else "invalid"} duration "{text}"')
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return -total if text.startswith("-") else total


def truth(text: str) -> bool:
    """Raises ValueError in the words of strconv.ParseBool."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def whole(text: str) -> int:
    """Raises ValueError in the words of strconv.ParseInt."""
    if _NUMBER.fullmatch(text.lstrip("+-")[:20]) and text.lstrip("+-").isdecimal():
        return int(text)
    raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')


def port(text: str) -> int:
    """0 to 65535. Raises ValueError in the words of strconv.ParseUint."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if len(text.lstrip("0")) > 5 or int(text) > 65535:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def is_number(text: str) -> bool:
    """Whether strconv.Atoi reads it."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return bool(_NUMBER.fullmatch(digits)) and len(digits.lstrip("0")) < 19
