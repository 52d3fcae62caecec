"""How a connection ends, as the far side tells it: by two streams, each with an end of its own, in any order. Pure.

A graceful end is a FIN on each. A failure is a text on the error stream; its FIN, or (newer kubelets) RST_STREAM on
both streams, comes after it. The data stream's FIN may overtake the text: with a refused port by 0.9 ms
(design/peers.md, section 4), so nothing is known before the error stream has ended, too.
"""

from enum import Enum

from kfw.wire.portforward import MAX_TEXT


class Outcome(Enum):
    OPEN = "open"
    CLOSED = "closed"  # the app has said all, and nothing can be said to it any more
    FAILED = "failed"  # `text` says why
    RESET = "reset"  # without a word


class CloseTracker:
    def __init__(self) -> None:
        self._text = bytearray()
        self._data_closed = False
        self._data_reset = False
        self._error_over = False

    @property
    def begun(self) -> bool:
        """Nobody reads what would be sent now."""
        return self._data_closed or self._data_reset or bool(self._text)

    @property
    def outcome(self) -> Outcome:
        if self._text and (self._error_over or self._data_reset):
            return Outcome.FAILED
        if not self._error_over:
            return Outcome.OPEN
        if self._data_reset:
            return Outcome.RESET
        return Outcome.CLOSED if self._data_closed else Outcome.OPEN

    @property
    def text(self) -> str:
        return self._text.decode("utf-8", "replace")

    def data_closed(self) -> None:
        self._data_closed = True

    def data_reset(self) -> None:
        self._data_reset = True

    def error_said(self, text: bytes) -> None:
        self._text += text[: MAX_TEXT - len(self._text)]

    def error_over(self) -> None:
        """By FIN, by RST_STREAM, or because it is long overdue."""
        self._error_over = True
