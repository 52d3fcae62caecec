"""Local ports as kubectl binds them: for `localhost` one of its two addresses is enough, of others each is needed."""

import errno
import os
import socket
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from kfw.kubectl_compat.messages import KubectlError
from kfw.system.local_ports import Claims, holder, listening

_LOCALHOST = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class ListenAddress:
    host: str
    needed: bool

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def at(self, port: int) -> str:
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


@dataclass(frozen=True)
class Bound:
    """`port` is the real one. `failures` are Go's words, `taken` kfw's.

    Not `ok`, and yet some sockets: kubectl says that it failed, and forwards from these if another port did not fail.
    """

    port: int
    ok: bool = True
    sockets: list[socket.socket] = field(default_factory=list)
    at: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def hand_out(
        self,
        addresses: Sequence[str],
        port: int,
        *,
        on_port_in_use: str = "error",
        claims: Claims | None = None,
    ) -> tuple[list[socket.socket], int]:
        """As system.ports.bind, which all-or-none rule is not kubectl's: what was bound already."""
        return self.sockets, self.port


def addresses(names: Sequence[str]) -> list[ListenAddress]:
    """In the order in which kubectl binds them. Raises KubectlError."""
    if not names:
        raise KubectlError("error: you must specify at least 1 address")
    found: dict[str, ListenAddress] = {}
    for name in names:
        if name == "localhost":
            for host in _LOCALHOST:
                found.setdefault(host, ListenAddress(host, needed=False))
        else:
            found[name] = ListenAddress(_checked(name), needed=True)
    return [found[name] for name in sorted(found)]


def listen(wanted: Sequence[ListenAddress], port: int) -> Bound:
    """Port 0: the first address draws it for the others."""
    bound = Bound(port)
    failed: list[ListenAddress] = []
    for address in wanted:
        try:
            sock = listening(address.host, port)
        except OSError as error:
            failed.append(address)
            bound.failures.append(f"unable to create listener: Error {_in_go_words(address, port, error)}")
            bound.taken.extend(_holder(address, port, error))
        else:
            port = sock.getsockname()[1]
            bound.sockets.append(sock)
            bound.at.append(address.at(port))
    return replace(bound, port=port, ok=_enough(wanted, failed))


def _enough(wanted: Iterable[ListenAddress], failed: Collection[ListenAddress]) -> bool:
    optional = [address for address in wanted if not address.needed]
    some = not optional or any(address not in failed for address in optional)
    return some and not any(address.needed for address in failed)


def _checked(name: str) -> str:
    try:
        ip_address(name)
    except ValueError as error:
        raise KubectlError(f"error: {name} is not a valid IP") from error
    return name


def _in_go_words(address: ListenAddress, port: int, error: OSError) -> str:
    kind = "tcp6" if address.family == socket.AF_INET6 else "tcp4"
    words = os.strerror(error.errno or 0)
    return f"listen {kind} {address.at(port)}: bind: {words[:1].lower()}{words[1:]}"


def _holder(address: ListenAddress, port: int, error: OSError) -> Iterable[str]:
    if error.errno == errno.EADDRINUSE and (who := holder(port, address.host)):
        yield f"{who} has {address.at(port)}"
