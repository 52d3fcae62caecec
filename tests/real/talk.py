"""Talking to the test app and to kfw's ports the way a client would."""

import errno
import json
import os
import random
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
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


def read(connection: socket.socket, size: int) -> bytes:
    """So many bytes, fewer only at the end. Raises OSError."""
    got = bytearray()
    while len(got) < size and (data := connection.recv(size - len(got))):
        got += data
    return bytes(got)


def answered(connection: socket.socket, data: bytes) -> bool:
    """By an echo. Raises OSError."""
    connection.sendall(data)
    return read(connection, len(data)) == data


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now on either loopback address, all different.

    Below those that the kernel gives to outgoing connections (Linux: from 32768): one of these may be taken again before
    the test comes to use it.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(*_range())
        if port not in found and all(_is_free(host, port) for host in ("127.0.0.1", "::1")):
            found.append(port)
    return found


def _range() -> tuple[int, int]:
    """Of this worker of pytest-xdist alone: another one would take a port before the test comes to use it."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = 20_000 // workers
    return 10_000 + worker * share, 10_000 + (worker + 1) * share


def _is_free(host: str, port: int) -> bool:
    """Also where the machine has no such address."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        try:
            one.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRNOTAVAIL
    return True


@contextmanager
def listener(port: int = 0) -> Iterator[int]:
    """Somebody else who has a port."""
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]


@contextmanager
def asking(url: str) -> Iterator[None]:
    """It is got again and again, each time over a connection of its own."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            get(url, timeout=60)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)
