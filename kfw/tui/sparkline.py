"""Rates as a line of blocks, and in words. Pure."""

from collections.abc import Sequence

from kfw.view import size

_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """The last `width` values, the newest at the right; the highest of them is a full block and 0 is a space."""
    shown = list(values)[-width:] if width > 0 else []
    highest = max(shown, default=0.0)
    return "".join(_block(value, highest) for value in shown).rjust(width)


def _block(value: float, highest: float) -> str:
    if value <= 0:
        return " "
    return _BLOCKS[min(int(value / highest * len(_BLOCKS)), len(_BLOCKS) - 1)]


def rate(bytes_per_second: float) -> str:
    """`38.2 MB/s`, and nothing for less than a byte."""
    return f"{size(int(bytes_per_second))}/s" if bytes_per_second >= 1 else ""
