"""Frames that moby/spdystream 0.5.1 wrote, and frames of kfw that it has read. How both were made: vectors/spdystream.go."""

import json
from pathlib import Path

from kfw.wire.codec import Role
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import Data, Event, Goaway, Headers, Ping, Rst, SynStream
from tests.wire.splits import byte_by_byte, feed, joined
from tests.wire.vectors.make_kfw import frames

VECTORS = Path(__file__).parent / "vectors"

SEEN: list[Event] = [
    SynStream(1, {"streamtype": "error", "port": "8080", "requestid": "0"}, fin=True),
    SynStream(3, {"streamtype": "data", "port": "8080", "requestid": "0"}),
    Data(3, b"GET / HTTP/1.0\r\n\r\n"),
    SynStream(
        5, {"accept": "one\0two", "status": "200 OK", "x": "a header that is much longer than others " * 200}
    ),
    SynStream(7, {}, unidirectional=True),
    Headers(5, {"late": "yes"}),
    Ping(1),
    Data(3, b"", fin=True),
    Rst(5, 5),
    Goaway(0, 0),
]


def written() -> list[bytes]:
    return [bytes.fromhex(text) for text in json.loads((VECTORS / "spdystream.json").read_text())]


def test_spdystreams_frames_are_read_one_by_one() -> None:
    assert feed(SpdyConnection(Role.SERVER).receive, written()) == SEEN


def test_spdystreams_frames_are_read_at_once_and_byte_by_byte() -> None:
    wire = b"".join(written())
    assert SpdyConnection(Role.SERVER).receive(wire) == SEEN
    assert joined(feed(SpdyConnection(Role.SERVER).receive, byte_by_byte(wire))) == SEEN


def test_kfws_frames_are_still_those_that_spdystream_has_read() -> None:
    """If this fails because the frames changed on purpose, let spdystream read them again and look at what it says."""
    assert frames().hex() == (VECTORS / "kfw.hex").read_text().strip()


def test_spdystream_read_what_kfw_meant() -> None:
    assert (VECTORS / "kfw.read.txt").read_text().splitlines() == [
        "SYN_STREAM 1 flags 1 map[Port:[8080] Requestid:[0] Streamtype:[error]]",
        "SYN_STREAM 3 flags 0 map[Port:[8080] Requestid:[0] Streamtype:[data]]",
        "DATA 3 flags 0 18 bytes",
        "DATA 3 flags 1 0 bytes",
        "SYN_STREAM 5 flags 1 map[Port:[5432] Requestid:[1] Streamtype:[error]]",
        "SYN_STREAM 7 flags 0 map[Port:[5432] Requestid:[1] Streamtype:[data]]",
        "DATA 7 flags 0 300 bytes",
        "RST_STREAM 7 5",
        "PING 1",
        "GOAWAY 0 0",
        "EOF",
    ]
