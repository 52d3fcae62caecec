"""TCP's keepalive: how the kernel notices a far side that has vanished, without processor time of ours."""

import socket
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class KeepAlive:
    """Seconds of idleness until the kernel asks the peer, between questions, and how many go unanswered."""

    idle: int
    interval: int
    count: int
    #: Milliseconds that data, or a question, may stay unacknowledged; Linux only. None: as the kernel has it.
    unacknowledged: int | None = None


#: Clients and pods: a far side that vanished (node gone, laptop moved) is noticed after idle + count x interval, 60 s.
OF_CLIENTS: Final = KeepAlive(30, 10, 3)
#: API servers: 4 s in all, by either.
UNACKNOWLEDGED: Final = 4000
OF_API_SERVERS: Final = KeepAlive(2, 1, 2, UNACKNOWLEDGED)


def keep_alive(sock: socket.socket, how: KeepAlive = OF_CLIENTS) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE": how.idle,  # macOS's name
        "TCP_KEEPINTVL": how.interval,
        "TCP_KEEPCNT": how.count,
        "TCP_USER_TIMEOUT": how.unacknowledged,
    }
    for option, value in options.items():
        if value is not None and hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
