"""What a child writes on one of its outputs: read as it comes, bounded, and not waited for after the child has ended.

A pipe, as the child would have it anywhere else (a memory file lets `echo >/dev/stderr` overwrite what was said before,
and grows without end). An agent that the child leaves behind may hold the other end open for days: nobody waits for it,
but somebody reads, so that it does not die of a broken pipe.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from types import TracebackType

_PIECE = 64 << 10
#: So many pipes of agents are read on; the oldest is closed for another.
_AGENTS = 8
_read_on: "deque[Output]" = deque()


class Output:
    """`data`: the last `keep` bytes of it. `too_much` is done when more than `limit` bytes came.

    `told` is called with `data` whenever more has come. A context manager: it must be entered and left.
    """

    def __init__(self, keep: int, limit: int, told: Callable[[bytes], None] | None = None) -> None:
        """Raises OSError (EMFILE)."""
        self.data = b""
        self._loop = asyncio.get_running_loop()
        self.too_much: asyncio.Future[None] = self._loop.create_future()
        self._keep = keep
        self._left = limit
        self._told = told
        self._ours, self.theirs = os.pipe()
        os.set_blocking(self._ours, False)
        self._open = True
        self._given = False
        self._finished = False
        self._loop.add_reader(self._ours, self._on_readable)

    def __enter__(self) -> "Output":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.given()
        if not self._finished:
            self.close()

    def given(self) -> None:
        """The child has its end, or there will be none."""
        if not self._given:
            self._given = True
            os.close(self.theirs)

    def finish(self, *, left_behind: bool) -> None:
        """The child has ended: take what it wrote last. `left_behind`: an agent of it may write on, and shall."""
        self._finished = True
        while self._open and self._left > 0 and self._read():
            pass
        self._told = None
        self._keep = 0
        if self._open and left_behind:
            _read_on.append(self)
            if len(_read_on) > _AGENTS:
                _read_on[0].close()
        else:
            self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._ours)
            os.close(self._ours)
        if self in _read_on:
            _read_on.remove(self)

    def _on_readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """False: there is nothing to read now, or never again."""
        try:
            piece = os.read(self._ours, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self.close()
            return False
        if not self._keep:
            return True  # an agent's
        self._left -= len(piece)
        self.data = (self.data + piece)[-self._keep :]
        if self._left < 0 and not self.too_much.done():
            self.too_much.set_result(None)
        if self._told:
            self._told(self.data)
        return True
