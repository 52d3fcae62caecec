"""What a client does to a port of the test app, and how long it takes: opens, round trips, streams."""

import functools
import hashlib
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median

Address = tuple[str, int]

MIB = 1 << 20
AT_ONCE = 16
PATIENCE = 20.0  # seconds, for each step
BLOCK = bytes(MIB)
_PING = b"x" * 64


def open_and_echo(at: Address) -> float:
    """Seconds from connect to the echo's first byte."""
    began = time.perf_counter()
    with socket.create_connection(at, PATIENCE) as client:
        client.sendall(_PING)
        assert client.recv(64), "no echo"
        return time.perf_counter() - began


def opens(at: Address, count: int) -> float:
    """New connections per second, each with an echo, AT_ONCE at a time."""
    began = time.perf_counter()
    for _ in range(0, count, AT_ONCE):
        with ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(at, PATIENCE)) for _ in range(AT_ONCE)]
            for client in clients:
                client.sendall(_PING)
            for client in clients:
                assert client.recv(64), "no echo"
    return count / (time.perf_counter() - began)


def echo(at: Address, count: int) -> float:
    """Seconds of the round trip on a connection that is open, median."""
    took = []
    with socket.create_connection(at, PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            client.sendall(_PING)
            assert client.recv(64), "no echo"
            took.append(time.perf_counter() - began)
    return median(took)


def download(at: Address, size: int, streams: int = 1) -> float:
    """Seconds until all of them together have got `size` bytes (port 9002)."""
    return _together(streams, lambda: _download(at, size // streams))


def upload(at: Address, size: int, streams: int = 1) -> float:
    """Seconds until the app has answered each stream with the right checksum (port 8080)."""
    _digest(size // streams)
    return _together(streams, lambda: _upload(at, size // streams))


def _together(streams: int, carry: Callable[[], None]) -> float:
    with ThreadPoolExecutor(streams) as pool:
        began = time.perf_counter()
        for one in [pool.submit(carry) for _ in range(streams)]:
            one.result()
        return time.perf_counter() - began


def _download(at: Address, size: int) -> None:
    left, buffer = size, bytearray(MIB)
    with socket.create_connection(at, PATIENCE) as client:
        client.sendall(b"%d\n" % size)
        while left:
            got = client.recv_into(buffer, min(left, MIB), socket.MSG_TRUNC)  # not copied
            assert got, f"the download ended {left} bytes early"
            left -= got


def _upload(at: Address, size: int) -> None:
    with socket.create_connection(at, PATIENCE) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            client.sendall(BLOCK)
        answer = client.recv(65536)
    assert _digest(size) in answer, f"wrong bytes arrived: {answer!r}"


@functools.cache
def _digest(size: int) -> bytes:
    digest = hashlib.sha256()
    for _ in range(size // MIB):
        digest.update(BLOCK)
    return digest.hexdigest().encode()
