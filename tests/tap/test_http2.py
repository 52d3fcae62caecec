"""HTTP/2 and gRPC, from the side. What is said is said by two real sides, of h2."""

from collections.abc import Callable, Iterator

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tap.hearing import CLIENT, SERVER, heard

Side = h2.connection.H2Connection
Headers = list[tuple[str, str]]
ASK: Headers = [(":method", "GET"), (":path", "/a"), (":scheme", "http"), (":authority", "api")]


class Two:
    """A client and a server that talk to each other; `said`: what a tap between them copies."""

    def __init__(self) -> None:
        self.client = Side(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.server = Side(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.said: list[tuple[str, bytes]] = []
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.flow()

    def flow(self) -> None:
        while out := self.client.data_to_send() or b"":
            self.said.append((CLIENT, out))
            self.server.receive_data(out)
            self._back()
        self._back()

    def _back(self) -> None:
        if back := self.server.data_to_send() or b"":
            self.said.append((SERVER, back))
            self.client.receive_data(back)

    def ask(self, headers: Headers, body: bytes = b"") -> int:
        stream = int(self.client.get_next_available_stream_id())
        self.client.send_headers(stream, headers, end_stream=not body)
        if body:
            self.client.send_data(stream, body, end_stream=True)
        self.flow()
        return stream

    def answer(
        self, stream: int, headers: Headers, body: bytes = b"", trailers: Headers | None = None
    ) -> None:
        self.server.send_headers(stream, headers)
        self.server.send_data(stream, body, end_stream=trailers is None)
        if trailers is not None:
            self.server.send_headers(stream, trailers, end_stream=True)
        self.flow()


@pytest.fixture
def two() -> Iterator[Two]:
    yield Two()


def test_requests_that_run_at_the_same_time_and_end_in_another_order(two: Two) -> None:
    first, second = two.ask(ASK), two.ask([*ASK[:1], (":path", "/b"), *ASK[2:]], b"hello")
    two.answer(second, [(":status", "404"), ("x-a", "b" * 300)], b"none")
    two.answer(first, [(":status", "200"), ("x-a", "b" * 300)], b"hi")
    late, early = heard(two.said)
    assert [(one.path, one.status, one.host, one.failed) for one in (late, early)] == [
        ("/b", 404, "api", True),
        ("/a", 200, "api", False),
    ]
    assert (late.request.size, late.response.size, early.response.size) == (5, 4, 2)
    assert early.response.header("x-a") == "b" * 300


def _message(text: bytes) -> bytes:
    return b"\0" + len(text).to_bytes(4, "big") + text


@given(piece=st.integers(1, 300))
def test_of_gRPC_status_and_messages_are_seen_however_it_is_cut(piece: int) -> None:
    two = Two()
    call = [("content-type", "application/grpc"), ("te", "trailers")]
    stream = two.ask([(":method", "POST"), (":path", "/pkg.Svc/Do"), *ASK[2:], *call], _message(b"a"))
    two.answer(
        stream,
        [(":status", "200"), ("content-type", "application/grpc")],
        b"".join(map(_message, [b"", b"x" * 600, b"yz"])),
        [("grpc-status", "5"), ("grpc-message", "not there")],
    )
    [one] = heard(two.said, piece=piece)
    assert (one.protocol, one.path, one.status) == ("gRPC", "/pkg.Svc/Do", 200)
    assert (one.grpc_status, one.grpc_message, one.failed) == (5, "not there", True)
    assert (one.request.messages, one.response.messages) == (1, 3)


@pytest.mark.parametrize(
    ("end", "note"),
    [
        (lambda two, stream: two.client.reset_stream(stream, 8), "the client reset it, error 8"),
        (lambda two, stream: two.server.reset_stream(stream, 2), "the server reset it, error 2"),
        (lambda two, stream: None, "no answer"),
    ],
)
def test_a_stream_that_is_reset_or_never_answered_has_failed(
    two: Two, end: Callable[[Two, int], None], note: str
) -> None:
    end(two, two.ask(ASK))
    two.flow()
    [one] = heard(two.said)
    assert (one.note, one.failed, one.status) == (note, True, None)


def test_a_promise_keeps_the_tables_of_headers_right(two: Two) -> None:
    stream = two.ask(ASK)
    two.server.push_stream(stream, 2, [*ASK[:1], (":path", "/pushed"), *ASK[2:], ("x-new", "1234567890")])
    two.answer(stream, [(":status", "200"), ("x-new", "1234567890")], b"hi")
    found = heard(two.said)
    assert [(one.path, one.status) for one in found] == [("/a", 200)]
    assert found[0].response.header("x-new") == "1234567890"


def test_headers_longer_than_a_frame_go_on_in_the_next(two: Two) -> None:
    stream = two.ask([*ASK, *((f"x-{n}", "v" * 900) for n in range(40))])
    two.answer(stream, [(":status", "200")], b"")
    [one] = heard(two.said)
    assert (len(one.request.headers), one.status) == (40, 200)


@given(st.binary(max_size=60), st.integers(0, 3))
def test_no_bytes_are_too_odd(odd: bytes, where: int) -> None:
    two = Two()
    two.answer(two.ask(ASK), [(":status", "200")], b"hi")
    said = [*two.said[:where], (SERVER if where % 2 else CLIENT, odd), *two.said[where:]]
    assert all(one.ended is not None for one in heard(said))
