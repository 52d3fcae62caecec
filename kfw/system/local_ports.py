"""Local TCP ports: bind once and keep. Nothing here asks first and binds later, or takes a port by force."""

import errno
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from kfw.errors import KfwError, NotPermitted, PortInUse, words_of
from kfw.system.open_files import OPEN_FILES, Use, is_shortage, open_files_limit, raise_it
from kfw.system.port_owner import holder

__all__ = ["address_to_connect", "alternatives", "bind", "holder", "keep_or_close", "listening"]

#: As many connections may wait for accept as Linux allows by default; a smaller somaxconn cuts it silently.
BACKLOG = 4096
#: Alternatives to a busy port lie within this distance.
REACH = 99
#: Port 0: how often a number that is free on one address may turn out busy on another.
DRAWS = 50

_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


#: Ports that are promised, and to whom: a child will bind them, or is about to again.
Claims = Mapping[int, str]


def address_to_connect(listening: str) -> str:
    """Where this machine reaches what listens on that address; "" and those that stand for all are none to connect to."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(listening, listening)


class Bind(Protocol):
    """What `bind` is."""

    def __call__(
        self,
        addresses: Sequence[str],
        port: int,
        *,
        on_port_in_use: str = "error",
        claims: Claims | None = None,
    ) -> tuple[list[socket.socket], int]: ...


class _Refused(Exception):
    """The operating system's no, not yet in words: finding a port's holder costs a walk through /proc."""

    def __init__(self, error: OSError, address: str, port: int, owner: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.address = address
        self.port = port
        self.owner = owner  # "": to be looked for

    @property
    def busy(self) -> bool:
        return self.error.errno == errno.EADDRINUSE


def bind(
    addresses: Sequence[str], port: int, *, on_port_in_use: str = "error", claims: Claims | None = None
) -> tuple[list[socket.socket], int]:
    """Listening sockets, the same port on every address, and that port; 0 is any that is free on all of them.

    A machine without ::1 listens on the other addresses. `on_port_in_use="next"` takes the first free one of
    `alternatives(port)` instead of a busy port; what is claimed is busy. Raises PortInUse, NotPermitted (a low port)
    or KfwError.
    """
    claims = claims or {}
    try:
        sockets = _bind_any(addresses, claims) if port == 0 else _bind_all(addresses, port, claims)
    except _Refused as refused:
        if not refused.busy or on_port_in_use != "next" or port == 0:
            raise _in_words(refused) from refused.error
        sockets = _bind_next(addresses, port, claims, refused)
    if not sockets:
        raise _no_address(addresses)
    return sockets, sockets[0].getsockname()[1]


def keep_or_close(sockets: Sequence[socket.socket], port: int) -> None:
    """Ports that stay must leave files for their connections. Raises KfwError, and they are closed."""
    if all(OPEN_FILES.allows(sock.fileno(), Use.LISTEN) for sock in sockets):
        return
    for sock in sockets:
        sock.close()
    raise _no_room(port, OPEN_FILES.refuse())


def alternatives(port: int) -> Iterator[int]:
    """p+1, p-1, p+2, p-2 ... within 99, never below 1024 and never above 65535."""
    for distance in range(1, REACH + 1):
        for candidate in (port + distance, port - distance):
            if 1024 <= candidate <= 65535:
                yield candidate


def _bind_next(addresses: Sequence[str], port: int, claims: Claims, first: _Refused) -> list[socket.socket]:
    for candidate in alternatives(port):
        try:
            return _bind_all(addresses, candidate, claims)
        except _Refused as refused:
            if not refused.busy:
                raise _in_words(refused) from refused.error
    what = f"{_in_words(first).what}, and no port of 1024 or higher within {REACH} of it is free"
    raise PortInUse(what, "choose another localPort") from first.error


def _bind_any(addresses: Sequence[str], claims: Claims) -> list[socket.socket]:
    """The first address that exists draws the number; the others must have it free, too."""
    for draw in range(1, DRAWS + 1):
        try:
            return _bind_all(addresses, 0, claims)
        except _Refused as refused:
            if not refused.busy or draw == DRAWS:
                raise
    raise AssertionError("the last draw returns or raises")


def _bind_all(addresses: Sequence[str], port: int, claims: Claims) -> list[socket.socket]:
    """All or none. Port 0 is what the first of them got."""
    bound: list[socket.socket] = []
    try:
        for address in addresses:
            if sock := _listen(address, port):
                bound.append(sock)
                port = sock.getsockname()[1]
            if owner := claims.get(port):
                raise _Refused(OSError(errno.EADDRINUSE, "claimed"), address, port, owner)
    except _Refused:
        for sock in bound:
            sock.close()
        raise
    return bound


def _listen(address: str, port: int) -> socket.socket | None:
    """None: this machine does not have ::1 (IPv6 is off), which is nobody's fault."""
    try:
        return listening(address, port)
    except OSError as error:
        if error.errno in _ABSENT and address == "::1":
            return None
        raise _Refused(error, address, port) from error


def listening(address: str, port: int) -> socket.socket:
    """One address alone. Raises OSError.

    Connections in TIME_WAIT must not keep the port from us: that is what SO_REUSEADDR is for.

    With it Linux still refuses a port on which somebody listens, also on 0.0.0.0. BSD and macOS would let us
    in beside a listener on 0.0.0.0, so there we ask for it only when nobody is seen to listen.
    """
    if sys.platform == "linux":
        return _listening(address, port, reuse=True)
    try:
        return _listening(address, port, reuse=False)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or holder(port) is not None:
            raise
        return _listening(address, port, reuse=True)


def _listening(address: str, port: int, *, reuse: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With the protocol named, what is accepted has it, too: asyncio sets TCP_NODELAY only then.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if reuse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # what is accepted inherits it
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _in_words(refused: _Refused) -> KfwError:
    if is_shortage(refused.error):
        return _no_room(refused.port, refused.error)
    match refused.error.errno:
        case errno.EADDRINUSE:
            who = refused.owner or holder(refused.port, refused.address) or "another program"
            fix = "free it, choose another localPort, or set onPortInUse: next"
            return PortInUse(f"cannot listen on {refused.port}: {who} has it", fix)
        case errno.EACCES:
            what = f"cannot listen on {refused.port}: low ports are reserved for root"
            return NotPermitted(what, _low_port_fix(refused.port))
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return _no_address([refused.address])
        case _:
            why = words_of(refused.error)
            return KfwError(f"cannot listen on {refused.address} port {refused.port}: {why}")


def _no_room(port: int, error: OSError) -> KfwError:
    limit = open_files_limit()
    return KfwError(f"cannot listen on {port}: {words_of(error)} (the limit is {limit})", raise_it(limit))


def _low_port_fix(port: int) -> str:
    other = "choose a localPort of 1024 or higher"
    if sys.platform != "linux":
        return other
    return f"sudo sysctl net.ipv4.ip_unprivileged_port_start={port}, or {other}"


def _no_address(addresses: Sequence[str]) -> KfwError:
    what = f"cannot listen on {' or '.join(addresses)}: this machine has no such address"
    return KfwError(what, "name an address of this machine, for example 127.0.0.1", reason="bad-config")
