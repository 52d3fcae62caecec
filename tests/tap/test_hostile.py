"""What clients and servers may say that no client and no server should: a tap goes on, and what it has seen can be shown."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kfw.commands.tap import as_json, line
from kfw.tap.exchange import Exchange
from kfw.tap.har import har
from kfw.tap.http1 import _MOST_HELD
from tests.tap.hearing import CLIENT, SERVER, Said, heard
from tests.tap.test_http1 import LONG
from tests.tap.test_http2 import ASK, Headers, Two

Change = Callable[[bytearray], None]


def shown(found: list[Exchange]) -> str:
    """In every form that there is."""
    lines = [line(one, colour=False) for one in found]
    lines += [json.dumps(as_json(one, bodies=True), allow_nan=False) for one in found]
    return "\n".join([*lines, json.dumps(har(found, "localhost:1", bodies=True), allow_nan=False)])


def two_sides(*headers: Headers, status: str = "200") -> Said:
    """An HTTP/2 connection with a request for each of these, gRPC and not."""
    two = Two()
    for one in headers:
        stream = two.ask([*ASK, *one], b"\0\0\0\0\2hi")
        two.answer(
            stream, [(":status", "200"), *one], b"\0\0\0\0\1x", [("grpc-status", "0"), ("grpc-message", "y")]
        )
    return two.said


CONVERSATIONS: dict[str, Said] = {
    "http1": LONG,
    "http2": list(two_sides([("content-type", "application/grpc")], [("x", "y" * 300)], [])),
}


@settings(deadline=None)
@given(st.sampled_from(sorted(CONVERSATIONS)), st.integers(1, 300), st.data())
def test_however_a_conversation_is_spoilt_it_is_read_to_its_end(
    name: str, piece: int, data: st.DataObject
) -> None:
    """Bytes are changed, left out and put in, on either side."""
    said = [(who, bytearray(part)) for who, part in CONVERSATIONS[name]]
    for _ in range(data.draw(st.integers(1, 5))):
        _, part = data.draw(st.sampled_from(said))
        at = data.draw(st.integers(0, len(part)))
        part[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    shown(heard([(who, bytes(part)) for who, part in said], piece=piece))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), st.binary(max_size=200)), max_size=6))
def test_what_is_no_protocol_at_all_is_read_to_its_end(said: list[tuple[str, bytes]]) -> None:
    shown(heard([(CLIENT, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), *said]))
    shown(heard([(CLIENT, two_sides([])[0][1]), *said]))  # type: ignore[index]
    shown(heard(said))


#: Values of headers, and targets, that readers of URLs, numbers and encodings stumble over.
ODD = (
    *("http://[", "http://[::1/x?a=b", "//[", "/%zz?%=%", "/?" + "&" * 5000, "*", "http://x:99999999999999/"),
    *("²", "-1", "1e9", "9" * 5000, "NaN", "\x85", "äöü", "\u202e", "\x1b[2J", "a\tb", " "),
)


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_are_shown_as_http1(odd: str) -> None:
    raw = odd.encode()
    for ask in (
        b"GET " + raw.replace(b" ", b"") + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: " + raw + b"\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: " + raw + b"\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Type: " + raw + b"\r\n\r\n",
    ):
        for answer in (
            b"HTTP/1.1 200 OK\r\nContent-Length: " + raw + b"\r\n\r\nhi",
            b"HTTP/1.1 " + raw + b" OK\r\n\r\n",
            b"HTTP/1.1 302 OK\r\nLocation: " + raw + b"\r\nContent-Encoding: gzip\r\n\r\nhi",
            b"HTTP/1.1 101 OK\r\nConnection: upgrade\r\nUpgrade: " + raw + b"\r\n\r\nhi",
        ):
            assert shown(heard([(CLIENT, ask), (SERVER, answer), (CLIENT, b"more")]))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", [":path", ":authority", ":method", ":status", "grpc-status", "content-type"])
def test_odd_values_are_shown_as_http2(odd: str, name: str) -> None:
    """As frames with these headers, whatever a real side would say of them."""
    fields = {":method": "GET", ":path": "/a", ":authority": "x", ":status": "200", "content-type": ""}
    [one] = heard(
        [
            (CLIENT, Two().said[0][1] + _headers_frame({**fields, name: odd}, (":status", "grpc-status"))),
            (SERVER, _headers_frame({**fields, name: odd}, (":method", ":path", ":authority"))),
        ]
    )
    assert shown([one])
    if name == ":status":
        assert one.status is None or (odd.isascii() and one.status == int(odd))


def _headers_frame(fields: dict[str, str], left_out: tuple[str, ...]) -> bytes:
    import hpack
    from hyperframe.frame import HeadersFrame

    frame = HeadersFrame(1)
    frame.data = hpack.Encoder().encode([one for one in fields.items() if one[0] not in left_out])
    frame.flags |= {"END_HEADERS", "END_STREAM"}
    return bytes(frame.serialize())


def _endless_headers() -> Any:
    from hyperframe.frame import ContinuationFrame, HeadersFrame

    yield CLIENT, Two().said[0][1] + HeadersFrame(1, b"x").serialize()
    for _ in range(200):
        yield CLIENT, ContinuationFrame(1, b"x" * 16_000).serialize()


#: What goes on for ever, and as much of it as must be enough.
ENDLESS: dict[str, Callable[[], Said]] = {
    "headers of HTTP/2": _endless_headers,
    "a head of HTTP/1": lambda: [(CLIENT, b"GET / HTTP/1.1\r\nX: "), *[(CLIENT, b"y" * 65536)] * 40],
    "requests without an answer": lambda: [(CLIENT, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 500)] * 40,
    "what follows a change of protocol that nobody grants": lambda: [
        (CLIENT, b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: y\r\n\r\n"),
        *[(CLIENT, b"z" * 65536)] * (_MOST_HELD // 65536 + 2),
    ],
    "a frame of 16 MB": lambda: [(CLIENT, Two().said[0][1] + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01")],
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_given_up_and_the_connection_is_counted_on(name: str) -> None:
    said = list(ENDLESS[name]())
    found = heard([*said, (CLIENT, b"and more"), (SERVER, b"words")])
    assert found[-1].protocol == "TCP"
    assert found[-1].note == "from here on it is not HTTP"
    assert found[-1].request.size == sum(len(part) for _, part in said) + len(b"and more")
