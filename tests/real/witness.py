"""Somebody who reads a stream while other things happen, and must get every piece of it in its order."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import grpc
from google.protobuf import wrappers_pb2

from tests.real.running import until

#: What the test app's streams of bytes repeat.
_PATTERN = bytes(range(251))


@contextmanager
def witness(pieces: Iterator[object]) -> Iterator[Callable[[], int]]:
    """Gives how many have come. When this ends the stream must still go on."""
    over = threading.Event()
    wrong: list[BaseException] = []
    seen = 0

    def read() -> None:
        nonlocal seen
        try:
            for _ in pieces:
                seen += 1
                if over.is_set():
                    return
            raise EOFError("the stream has ended")
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            wrong.append(error)

    def has_gone_on(before: int) -> bool:
        if wrong:
            raise wrong[0]
        return seen > before

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        until(lambda: has_gone_on(0), 30, lambda: "the stream begins")
        yield lambda: seen
        now = seen
        until(lambda: has_gone_on(now), 30, lambda: "the stream goes on")
    finally:
        over.set()
        thread.join(60)


def endless_bytes(port: int) -> Iterator[int]:
    """Of the app's HTTP, some 2 MB a second. Raises AssertionError where one is missing or wrong."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/bytes?n=-1")
        reply = connection.getresponse()
        at = 0
        while data := reply.read1(65536):
            shift = at % len(_PATTERN)
            assert data == (_PATTERN * (len(data) // len(_PATTERN) + 2))[shift : shift + len(data)]
            at += len(data)
            yield at
            time.sleep(0.02)


def counted_numbers(port: int) -> Iterator[int]:
    """Of the app's gRPC, some 100 a second. Raises AssertionError where one is missing or wrong, RpcError."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=(("grpc.enable_http_proxy", 0),)) as channel:
        count = channel.unary_stream(
            "/demo.Greeter/Count",
            request_serializer=wrappers_pb2.Int64Value.SerializeToString,
            response_deserializer=wrappers_pb2.Int64Value.FromString,
        )
        for number, answer in enumerate(count(wrappers_pb2.Int64Value(value=10**9))):
            assert answer.value == number
            yield number
