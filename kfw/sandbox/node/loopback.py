"""A TCP connection of this process with itself: the way from a tunnel to a pod, with real half-closes and resets."""

import socket

_ANYWHERE = ("127.0.0.1", 0)


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends, not blocking. Raises OSError, for example when there are too many open files."""
    with socket.socket() as listener:
        listener.bind(_ANYWHERE)
        listener.listen(8)
        near = socket.socket()
        try:
            near.connect(listener.getsockname())
            far = _accepted(listener, near)
        except OSError:
            near.close()
            raise
    for end in (near, far):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def _accepted(listener: socket.socket, near: socket.socket) -> socket.socket:
    """The port is open to all of this machine for a moment; only our own end counts."""
    while True:
        far, peer = listener.accept()
        if peer == near.getsockname():
            return far
        far.close()
