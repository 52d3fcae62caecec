"""What the daemon before this one has handed over: listening sockets, by forward. Without one before it, nothing."""

import os
import socket
from collections.abc import Mapping, Sequence

from kfw.names import RowId
from kfw.relay.listener import Listener


class Inheritance:
    """Until `accept` the one before accepts on the sockets, so that nothing is lost if this process does not come so far.

    `files`: descriptors, which are ours from now on; None: there was nobody, and all is accepted at once.
    """

    def __init__(self, files: Mapping[RowId, Sequence[int]] | None = None) -> None:
        self._sockets = {
            row: [_socket_of(file) for file in numbers] for row, numbers in (files or {}).items() if numbers
        }
        self._waiting: list[Listener] | None = None if files is None else []

    def take(self, row: RowId) -> list[socket.socket]:
        """Those of this forward, once; none when it had none."""
        return self._sockets.pop(row, [])

    def start(self, listener: Listener) -> None:
        """Now, or with `accept`."""
        if self._waiting is None:
            listener.start()
        else:
            self._waiting.append(listener)

    def accept(self) -> None:
        """This process is the one that serves now. What nobody took is closed."""
        waiting, self._waiting = self._waiting or [], None
        for listener in waiting:
            listener.start()
        self.close()

    def close(self) -> None:
        for left in [one for sockets in self._sockets.values() for one in sockets]:
            left.close()
        self._sockets.clear()


def _socket_of(file: int) -> socket.socket:
    os.set_inheritable(file, False)
    sock = socket.socket(fileno=file)
    sock.setblocking(False)
    return sock
