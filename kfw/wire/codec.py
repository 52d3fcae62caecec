"""What the codecs share: which side we are, the one error, and a buffer that knows how much it waits for."""

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

from kfw.errors import KfwError

#: Bytes to write. A memoryview is always of immutable bytes, so a transport may keep it.
Chunk: TypeAlias = bytes | memoryview


class Role(Enum):
    CLIENT = "client"
    SERVER = "server"


class WireError(KfwError):
    """The far side sent what its protocol forbids: the connection is dead; `receive` goes on saying so.

    `events`: what came whole before it in the same chunk, not yet handed out.
    """

    events: Sequence[object] = ()


class PartialBytes(bytearray):
    """The start of something that is not whole yet. It never grows beyond the size it is asked to reach."""

    def fill(self, data: bytes, at: int, size: int) -> int:
        """Take bytes of `data` from `at` on until this holds `size`. Returns where in `data` to go on."""
        end = min(len(data), at + max(0, size - len(self)))
        self += data[at:end]
        return end
