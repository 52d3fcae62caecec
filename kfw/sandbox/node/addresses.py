"""The loopback addresses that stand for nodes, so that several sandboxes on one machine keep apart."""

import hashlib
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NODES = ("sandbox-control-plane", "sandbox-worker")
#: Where a kubelet listens. The sandbox holds that port of its nodes, so that no other sandbox takes the address.
KUBELET_PORT = 10250


@dataclass(frozen=True)
class Nodes:
    """Addresses by node name, and the sockets that hold them while the sandbox runs."""

    addresses: dict[str, str]
    held: tuple[socket.socket, ...]

    def release(self) -> None:
        for one in self.held:
            one.close()


def claim(directory: Path) -> Nodes:
    """The same addresses for the same directory, if they are free; on systems with one loopback address that one for all."""
    if not sys.platform.startswith("linux"):
        return Nodes(dict.fromkeys(NODES, "127.0.0.1"), ())
    for prefix in _prefixes(directory):
        addresses = [f"{prefix}.{number}" for number in range(2, 2 + len(NODES))]
        held = [one for one in map(_hold, addresses) if one is not None]
        if len(held) == len(NODES):
            return Nodes(dict(zip(NODES, addresses, strict=True)), tuple(held))
        for one in held:
            one.close()
    raise OSError("no loopback addresses are free for the sandbox's nodes")


def _prefixes(directory: Path) -> Iterator[str]:
    number = int.from_bytes(hashlib.sha256(str(directory.resolve()).encode()).digest()[:4], "big")
    for step in range(64):
        place = (number + step * 7919) % (100 * 256)
        yield f"127.{100 + place // 256}.{place % 256}"


def _hold(address: str) -> socket.socket | None:
    """Bound and not listening: nobody else can bind it, and connections are refused."""
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        one.bind((address, KUBELET_PORT))
    except OSError:
        one.close()
        return None
    return one
