"""Connecting to a node through what docker publishes: the node's own port, or the forwarder container."""

import asyncio
import errno
import socket
from collections.abc import Mapping

from kfw.methods.forwarder.lines import CONNECTED, preface
from kfw.methods.nodeport import Connect
from kfw.model import Endpoint
from kfw.relay.tcp import connect

_LOCAL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def to_published(ports: Mapping[Endpoint, tuple[str, int]]) -> Connect:
    """`ports`: where docker publishes each node's port on this machine."""

    async def connect_to(node: Endpoint, timeout: float) -> socket.socket:
        address, port = ports[node]
        return await connect(_LOCAL.get(address, address), port, timeout)

    return connect_to


def through_container(port: int) -> Connect:
    """`port`: the container's on 127.0.0.1."""

    async def connect_to(node: Endpoint, timeout: float) -> socket.socket:
        sock = await connect("127.0.0.1", port, timeout)
        try:
            await shake_hands(sock, preface(node.name, node.port), timeout)
        except BaseException:
            sock.close()
            raise
        return sock

    return connect_to


async def shake_hands(sock: socket.socket, greeting: bytes, timeout: float) -> None:
    """Raises OSError unless the container says that it is connected; it ends at once where it is refused."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            await loop.sock_sendall(sock, greeting)
            answer = await loop.sock_recv(sock, len(CONNECTED))
    except TimeoutError:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {timeout:g} s") from None
    if answer != CONNECTED:
        raise ConnectionRefusedError("the forwarder container cannot connect to it")
