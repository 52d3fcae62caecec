"""What has come for a client that takes no more for now."""

from collections.abc import Callable


class ReadBuffer:
    """`hand_over` may pause it again."""

    def __init__(self, hand_over: Callable[[bytes], None]) -> None:
        self.size = 0  # bytes
        self.paused = False
        self._hand_over = hand_over
        self._waiting: list[bytes] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, data: bytes) -> None:
        if self.paused:
            self._waiting.append(data)
            self.size += len(data)
        else:
            self._hand_over(data)

    def resume(self) -> None:
        """Hand over what waits, in its order."""
        self.paused = False
        waiting, self._waiting, self.size = self._waiting, [], 0
        for data in waiting:
            self.add(data)
