"""An upgraded connection becomes a link; and how long the kernel may wait for its far side."""

import socket
import sys
from contextlib import suppress
from functools import partial

from kfw.kube.dial import UNACKNOWLEDGED
from kfw.kube.upgrade import WEBSOCKET, Upgraded
from kfw.methods.tunnel.framing import InWebSocket, RawSpdy
from kfw.methods.tunnel.link import Link, Owner

#: Milliseconds that the far side may acknowledge nothing. In use: an API server may be silent for as long, and connections
#: go on where they were; new ones do not wait for it. Warm: as an API server has it, as nothing is lost with such a link.
IN_USE, WARM = 60_000, UNACKNOWLEDGED
#: linux/tcp.h, since 6.15: at most so many milliseconds between two retransmissions. Without it connections go on only
#: after a pause as long again as half the silence was.
_TCP_RTO_MAX_MS, _RTO_MAX = 44, 1000


def attach(upgraded: Upgraded, pod: str, owner: Owner) -> Link:
    """A link on the upgraded connection."""
    writer = upgraded.streams[1]
    transport = writer.transport
    encrypted = transport.get_extra_info("ssl_object") is not None
    sock = transport.get_extra_info("socket")
    _retransmit_often(sock)
    be_patient(sock, IN_USE)
    made = Link(pod, upgraded.transport.name, owner)
    in_websocket = upgraded.transport is WEBSOCKET
    made.be_patient = partial(be_patient, sock)
    made.carriage = InWebSocket(transport.write, encrypted=encrypted) if in_websocket else RawSpdy()
    made.keep = writer  # a collected writer would close its transport
    transport.set_protocol(made)
    made.connection_made(transport)
    if upgraded.rest:
        made.data_received(upgraded.rest)
    return made


def be_patient(sock: socket.socket, milliseconds: int) -> None:
    """The kernel's own questions, from kube.dial, go on every second or two and cost nothing here."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):  # it is closed already
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _retransmit_often(sock: socket.socket) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # an older kernel
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_RTO_MAX_MS, _RTO_MAX)
