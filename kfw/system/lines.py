"""What a child prints, cut into lines: any bytes, any length, no escape sequences. Pure."""

import re

#: A longer line comes in pieces of this many bytes.
MAX_LINE = 64 * 1024

#: Colours and cursor moves (CSI), titles and links (OSC), other two-byte escapes, and control bytes but the tab (ECMA-48).
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f]"
)


class Lines:
    """Feed bytes, get whole lines. Holds at most MAX_LINE bytes back."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, rest = (self._rest + data).split(b"\n")
        pieces = [piece for line in whole for piece in _pieces(line)]
        *full, self._rest = _pieces(rest)
        return [_text(piece) for piece in pieces + full]

    def flush(self) -> list[str]:
        """The last line, if it did not end with a newline."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _pieces(line: bytes) -> list[bytes]:
    return [line[start : start + MAX_LINE] for start in range(0, max(len(line), 1), MAX_LINE)]


def _text(line: bytes) -> str:
    return _ESCAPES.sub("", line.decode("utf-8", errors="replace"))
