"""Lines for whoever reads this command's output, which never waits for a reader.

kubectl's connections stop when its stdout is a pipe that nobody reads any more, and the first one ends it when the pipe
is closed. Here a line that cannot be written now is left out.
"""

import os
import select
from contextlib import suppress
from dataclasses import dataclass

from kfw.printable import printable

#: Below PIPE_BUF a write to a pipe that has room does not block (pipe(7)).
_LONGEST = 4000


class NonBlockingWriter:
    """`number` of an open file; negative: nobody is there at all."""

    def __init__(self, number: int) -> None:
        self._number = number

    def line(self, text: str) -> None:
        data = printable(text).encode(errors="replace")[:_LONGEST] + b"\n"
        with suppress(OSError):  # its reader has left
            if self._number >= 0 and select.select([], [self._number], [], 0)[1]:
                os.write(self._number, data)


@dataclass(frozen=True)
class Console:
    """`out` takes kubectl's lines, `err` errors and what kubectl knows nothing of."""

    out: NonBlockingWriter
    err: NonBlockingWriter
