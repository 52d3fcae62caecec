"""A connection on which nothing is said."""

import socket
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Idle:
    connection: socket.socket
    opened: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds."""
        return time.monotonic() - self.opened
