"""HTTP/1, from the side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tap.hearing import CLIENT, SERVER, heard

GET = b"GET /a HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_a_request_and_its_answer() -> None:
    [one] = heard([(CLIENT, GET), (SERVER, OK)])
    assert (one.protocol, one.method, one.path, one.host) == ("HTTP/1.1", "GET", "/a", "api")
    assert (one.status, bytes(one.response.body), one.failed) == (200, b"hi", False)
    assert (one.began, one.first_byte, one.ended) == (1.0, 2.0, 2.0)
    assert (one.connection, one.client, one.note) == (1, "127.0.0.1:5", "")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\n\r\nhello"
HEAD = b"HEAD /c HTTP/1.1\r\nHost: api\r\n\r\n"
NO_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LONG = [
    (CLIENT, GET + POST + HEAD), (SERVER, OK + CONTINUE + CHUNKED), (SERVER, NO_BODY), (CLIENT, GET), (SERVER, OK),
]  # fmt: skip


@given(piece=st.integers(1, 200))
def test_however_it_is_cut_the_same_requests_are_seen_also_sent_ahead(piece: int) -> None:
    found = heard(LONG, piece=piece)
    assert [(one.method, one.path, one.status, one.request.size, one.response.size) for one in found] == [
        ("GET", "/a", 200, 0, 2),
        ("POST", "/b", 200, 5, 7),
        ("HEAD", "/c", 200, 0, 0),
        ("GET", "/a", 200, 0, 2),
    ]
    assert not any(one.failed or one.note for one in found)


def test_a_body_that_ends_with_its_connection_is_whole() -> None:
    [one] = heard([(CLIENT, GET.replace(b"1.1", b"1.0")), (SERVER, b"HTTP/1.0 200 OK\r\n\r\nall of it")])
    assert (one.protocol, bytes(one.response.body), one.failed) == ("HTTP/1.0", b"all of it", False)


@pytest.mark.parametrize(
    ("said", "why", "note", "status"),
    [
        ([(CLIENT, GET)], "", "no answer", None),
        ([(CLIENT, GET)], "the pod reset the connection", "the pod reset the connection", None),
        ([(CLIENT, GET), (SERVER, OK[:-1])], "", "the answer was cut off", 200),
        ([(CLIENT, POST[:-2])], "", "no answer", None),
    ],
)
def test_what_is_never_answered_whole_has_failed(
    said: list[tuple[str, bytes]], why: str, note: str, status: int | None
) -> None:
    [one] = heard(said, why=why)
    assert (one.note, one.status, one.failed) == (note, status, True)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_behind_a_web_socket_only_bytes_are_counted(piece: int) -> None:
    ask = b"GET /ws HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    answer = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    frames = bytes(range(256))
    [one] = heard([(CLIENT, ask), (SERVER, answer), (CLIENT, frames), (SERVER, frames * 2)], piece=piece)
    assert (one.status, one.note) == (101, "websocket")
    assert (one.request.size, one.response.size, one.failed) == (256, 512, False)


def test_an_upgrade_that_is_not_taken_up_goes_on_as_http() -> None:
    ask = b"GET /a HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    found = heard([(CLIENT, ask + GET), (SERVER, OK), (SERVER, OK)])
    assert [(one.status, one.failed) for one in found] == [(200, False), (200, False)]


def test_a_tunnel_of_CONNECT_is_bytes() -> None:
    ask = b"CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n"
    [one] = heard([(CLIENT, ask), (SERVER, b"HTTP/1.1 200 OK\r\n\r\n"), (CLIENT, b"\0\1"), (SERVER, b"\2")])
    assert (one.method, one.status, one.request.size, one.response.size) == ("CONNECT", 200, 2, 1)


def test_what_goes_on_as_something_else_is_said_and_counted() -> None:
    first, rest = heard([(CLIENT, GET), (SERVER, b"\0\0 no http")])
    assert (first.note, first.failed) == ("from here on it is not HTTP", True)
    assert (rest.protocol, rest.request.size, rest.response.size) == ("TCP", len(GET), 10)


@given(
    st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.binary(max_size=40)), max_size=6),
    st.sampled_from([b"", GET, GET + POST]),
)
def test_no_bytes_are_too_odd(said: list[tuple[str, bytes]], before: bytes) -> None:
    found = heard([(CLIENT, before), *said])
    assert all(one.ended is not None for one in found)


def test_as_much_of_a_body_is_kept_as_was_asked_for() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(5000)
    [one] = heard([(CLIENT, GET), (SERVER, long)], keep=10)
    assert (one.response.size, len(one.response.body)) == (5000, 10)


def test_after_a_change_of_protocol_that_was_not_granted_requests_are_seen_as_before() -> None:
    """curl --http2 and Java's client ask for one with each first request."""
    asks = b"GET /a HTTP/1.1\r\nHost: api\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    found = heard([(CLIENT, asks), (SERVER, OK), (CLIENT, POST), (SERVER, OK)])
    assert [(one.method, one.status, one.failed) for one in found] == [
        ("GET", 200, False),
        ("POST", 200, False),
    ]
