"""Where the API listens: it can refuse, and it can let clients wait in the kernel's queue as a stopped process does."""

import asyncio
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Connections that wait in the kernel.
BACKLOG = 256
#: Seconds until accepting is tried again when there were too many open files.
_PAUSE = 1.0


class ApiListener:
    """`came` gets each connection, not blocking. Must be used in the event loop."""

    def __init__(self, host: str, came: Callable[[socket.socket], None]) -> None:
        self._host = host
        self._came = came
        self._listener: socket.socket | None = None
        self._port = 0
        self._shut = self._ignored = False

    def open(self, port: int) -> int:
        """Returns the port, which is another one for 0. Raises OSError."""
        listener = _listening(self._host, port)
        self._listener, self._port = listener, listener.getsockname()[1]
        self._heed()
        return self._port

    def close(self) -> None:
        self._shut = False
        self._end()

    @property
    def shut(self) -> bool:
        """Closed for a while: the port refuses. To open it again may raise OSError."""
        return self._shut

    @shut.setter
    def shut(self, now: bool) -> None:
        if now and self._listener:
            self._shut = True
            self._end()
        elif not now and self._shut:
            self._shut = False
            self.open(self._port)

    @property
    def ignored(self) -> bool:
        """The kernel takes connections, and nobody answers them; they are answered when it is over."""
        return self._ignored

    @ignored.setter
    def ignored(self, now: bool) -> None:
        self._ignored = now
        self._heed()

    def _end(self) -> None:
        if self._listener:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _heed(self) -> None:
        if self._listener and self._ignored:
            asyncio.get_running_loop().remove_reader(self._listener)
        elif self._listener:
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as problem:  # too many open files, most likely
            log.warning("cannot accept: %s", problem.strerror)
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            loop.call_later(_PAUSE, self._heed)
            return
        connection.setblocking(False)
        self._came(connection)


def _listening(host: str, port: int) -> socket.socket:
    # with its protocol named: asyncio sets TCP_NODELAY only then
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
