"""Talking to the test app and to kfw's ports the way a client would."""

import json
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_UNTRUSTED = ssl._create_unverified_context()


def get(url: str, *, timeout: float = 10) -> Any:
    """The body: the test app answers any path with JSON (pod, path, remote). Raises OSError."""
    with urllib.request.urlopen(
        url, timeout=timeout, context=_UNTRUSTED if url.startswith("https") else None
    ) as reply:
        return json.loads(reply.read())


def pod_behind(port: int, *, timeout: float = 10) -> str:
    return str(get(f"http://127.0.0.1:{port}/", timeout=timeout)["pod"])


def exchange(port: int, data: bytes, *, half_close: bool = True, timeout: float = 30) -> bytes:
    """Send `data`, shut down the sending side, and read to the end. Raises OSError."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def listener(port: int = 0) -> Iterator[int]:
    """Somebody else who has a port."""
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]
