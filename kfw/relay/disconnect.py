"""Has the client of a connection left, or only shut its writing side? TCP sends the same FIN for both; Linux knows."""

import asyncio
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

# linux/sock_diag.h and linux/inet_diag.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = b"\xff" * 8
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, pid
_QUERY = struct.Struct("=BBBxI")  # family, protocol, extensions, states
_INODE_AT = _HEADER.size + 68  # idiag_inode, the last of struct inet_diag_msg

#: Seconds until the first look: a client that closes is still being taken apart when its last word arrives.
FIRST_LOOK = 0.05
#: Seconds between looks.
NEXT_LOOK = 1.0

Name = tuple[str, int]


class DisconnectWatcher:
    """Looks now and then whether a client is still there. `silent`: it has said nothing at all."""

    __slots__ = ("_on_left", "_silent", "_sock", "_timer")

    def __init__(self, sock: socket.socket, *, silent: bool) -> None:
        self._sock = sock
        self._silent = silent
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, on_left: Callable[[], None]) -> None:
        self._on_left = on_left
        self._timer = asyncio.get_running_loop().call_later(FIRST_LOOK, self._look)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """Where it cannot be known, one that said something and nothing more may be waiting for the answer."""
        left = departed(self._sock)
        if left or (left is None and self._silent):
            self._on_left()
        else:
            self._timer = asyncio.get_running_loop().call_later(NEXT_LOOK, self._look)


def departed(sock: socket.socket) -> bool | None:
    """True: no process has the other end of this accepted connection any more. None: it cannot be known here.

    Asks sock_diag(7) for that very socket; one that was closed lives on without an inode, or not at all. Of a connection
    that was reset while nobody read from it, our own end knows no peer any more.
    """
    if sys.platform != "linux" or sock.fileno() < 0:
        return None
    try:
        ours, theirs = sock.getsockname()[:2], sock.getpeername()[:2]
    except OSError as error:
        return True if error.errno == errno.ENOTCONN else None
    try:
        if theirs[0] != ours[0] and not ip_address(theirs[0]).is_loopback:
            return None  # another machine, or another container
        return _inode(sock.family, theirs, ours) == 0
    except OSError:
        return None


class _Kernel:
    """One netlink socket of this process, opened while there is room: who has left must be found when there is none."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sequence = 0

    def open(self) -> None:
        """Raises OSError."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
            self._socket.settimeout(0)  # the kernel has answered when send returns

    def ask(self, family: int, local: Name, remote: Name) -> bytes:
        """Raises OSError; then the next question goes by another socket, if there is room for one."""
        self.open()
        assert self._socket is not None
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        try:
            self._socket.send(_request(family, local, remote, self._sequence))
            while True:
                answer = self._socket.recv(4096)
                if _HEADER.unpack_from(answer)[3] == self._sequence:  # else to a question that was given up
                    return answer
        except BlockingIOError:
            raise
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


_KERNEL = _Kernel()


def be_ready() -> None:
    """Before there is a shortage. Where the system cannot tell of sockets, nothing is lost that was there before."""
    if sys.platform == "linux":
        with suppress(OSError):
            _KERNEL.open()


def _inode(family: int, local: Name, remote: Name) -> int:
    """0: there is no such socket, or it belongs to nobody. Raises OSError if the kernel does not tell."""
    answer = _KERNEL.ask(family, local, remote)
    kind = _HEADER.unpack_from(answer)[1]
    if kind != _NLMSG_ERROR:
        return int(struct.unpack_from("=I", answer, _INODE_AT)[0])
    code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
    if code == errno.ENOENT:
        return 0
    raise OSError(code, os.strerror(code))


def _request(family: int, local: Name, remote: Name, sequence: int) -> bytes:
    """struct inet_diag_req_v2 with one exact struct inet_diag_sockid."""
    ports = struct.pack("!HH", local[1], remote[1])
    ends = b"".join(socket.inet_pton(family, host).ljust(16, b"\0") for host, _ in (local, remote))
    body = _QUERY.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES) + ports + ends + bytes(4) + _NO_COOKIE
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, sequence, 0) + body
