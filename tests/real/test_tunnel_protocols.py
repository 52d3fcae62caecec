"""What is spoken over one long connection, by the tunnel: WebSocket, server-sent events, TLS, HTTP/2, gRPC."""

import json
import queue
import random
import socket
import ssl
import time
from collections.abc import Iterator

import grpc  # type: ignore[import-untyped]  # its types are one more package
import pytest

from tests.real import talk
from tests.real.protocols import WebSocket, http2_gets, int_value, numbers, string_value, text_of
from tests.real.tunnels import Tunnels

#: Seconds that a whole conversation may take.
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def _nothing_else_is_moved(tunnels: Tunnels) -> Iterator[None]:
    with tunnels.untouched():
        yield


def test_websocket_1000_messages_in_their_order_while_others_are_sent(tunnels: Tunnels) -> None:
    texts = [f"{number} " + "x" * random.randrange(20_000) for number in range(1000)]
    with tunnels.connect("http") as connection:
        echo = WebSocket(connection, "/ws")
        for number, text in enumerate(texts):  # ten are on their way at any time
            echo.send(text)
            if number >= 10:
                assert echo.receive(len(texts[number - 10])) == texts[number - 10]
        assert [echo.receive(len(text)) for text in texts[-10:]] == texts[-10:]


def test_server_sent_events_come_one_by_one_as_they_are_sent(tunnels: Tunnels) -> None:
    """The app sends one each 20 ms: whoever keeps them back shows it in the time of the first."""
    with tunnels.connect("http") as connection:
        began = time.monotonic()
        connection.sendall(b"GET /sse?n=100&ms=20 HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as lines:
            came = [(line.split()[-1], time.monotonic()) for line in lines if line.startswith(b"data: ")]
    assert [int(number) for number, _ in came] == list(range(100))
    first, last = (moment - began for _, moment in (came[0], came[-1]))
    assert last >= 99 * 0.02
    assert first < last - 1


def test_tls_and_its_many_small_requests_on_a_connection_that_is_kept(tunnels: Tunnels) -> None:
    with _secured(tunnels, "http/1.1") as connection:
        for _ in range(100):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: app\r\n\r\n")
            assert connection.recv(65536).endswith(b"ok\n")
    assert talk.get(tunnels.url("https"))["pod"].startswith("web-")


def test_http2_100_requests_at_once_on_one_connection(tunnels: Tunnels) -> None:
    with _secured(tunnels, "h2") as connection:
        assert connection.selected_alpn_protocol() == "h2"
        bodies = http2_gets(connection, "/of-http2", 100)
    answers = [json.loads(body) for body in bodies.values()]
    assert len(answers) == 100
    assert {(answer["path"], answer["proto"]) for answer in answers} == {("/of-http2", "HTTP/2.0")}


def _secured(tunnels: Tunnels, protocol: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the app signs for itself
    context.set_alpn_protocols([protocol])
    plain: socket.socket = tunnels.connect("https")
    return context.wrap_socket(plain)


@pytest.fixture
def channel(tunnels: Tunnels) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{tunnels.ports['grpc']}") as made:
        yield made


def test_grpc_unary_calls_share_a_connection(channel: grpc.Channel) -> None:
    hello = channel.unary_unary(
        "/demo.Greeter/Hello", request_serializer=string_value, response_deserializer=text_of
    )
    calls = [hello.future(f"client {number}", timeout=PATIENCE) for number in range(100)]
    said = [call.result() for call in calls]
    assert all(text.startswith(f"hello client {number} from grpc-") for number, text in enumerate(said)), said


def test_grpc_a_server_streams(channel: grpc.Channel) -> None:
    count = channel.unary_stream("/demo.Greeter/Count", request_serializer=int_value)
    assert list(count(200, timeout=PATIENCE)) == numbers(200)


def test_grpc_both_sides_stream_and_each_waits_for_the_other(channel: grpc.Channel) -> None:
    chat = channel.stream_stream(
        "/demo.Greeter/Chat", request_serializer=string_value, response_deserializer=text_of
    )
    mine: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    theirs = chat(iter(mine.get, None), timeout=PATIENCE)
    for number in range(200):
        mine.put(f"word {number}")
        assert next(theirs) == f"word {number}"
    mine.put(None)
    assert list(theirs) == []  # its end is an end, not an error
