"""A corpus of what a far side may get wrong: each is one clear error, whole or byte by byte, for good."""

import zlib
from collections.abc import Callable
from struct import pack

import pytest

from kfw.wire.codec import Role
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import FIN, MAX_STREAM, UNIDIRECTIONAL, FrameLimits, SpdyError, Type, control
from kfw.wire.spdy_headers import HeaderWriter, plain_block
from tests.wire.splits import byte_by_byte, feed

EMPTY = HeaderWriter().encode({})
LIMITS = FrameLimits(control_frame=1000, header_block=1000, headers=3, streams=4)


def data(stream: int, payload: bytes = b"x", flags: int = 0) -> bytes:
    return pack(">II", stream, flags << 24 | len(payload)) + payload


def syn(stream: int, block: bytes = EMPTY, flags: int = 0) -> bytes:
    return control(Type.SYN_STREAM, pack(">IIBB", stream, 0, 0, 0) + block, flags)


def many_syns(numbers: range) -> bytes:
    writer = HeaderWriter()
    return b"".join(syn(number, writer.encode({})) for number in numbers)


def reply(stream: int, block: bytes = EMPTY) -> bytes:
    return control(Type.SYN_REPLY, pack(">I", stream) + block)


def numbers(kind: Type, *values: int) -> bytes:
    return control(kind, b"".join(pack(">I", value) for value in values))


def head(version: int, kind: int, length: int) -> bytes:
    return pack(">HHI", 0x8000 | version, kind, length)


def one(name: bytes, value: bytes = b"") -> bytes:
    """A header block with one header, as it comes in a stored block."""
    block = pack(">I", 1) + pack(">I", len(name)) + name + pack(">I", len(value)) + value
    return b"\x78\x01" + pack("<BHH", 0, len(block), len(block) ^ 0xFFFF) + block + b"\0\0\0\xff\xff"


def zlib_block(block: bytes) -> bytes:
    return b"\x78\x01" + pack("<BHH", 0, len(block), len(block) ^ 0xFFFF) + block + b"\0\0\0\xff\xff"


NEVER = "which was never opened"
CUT = "cut off"
VERSION = "SPDY version"

#: What a server may get wrong towards a client that has opened streams 1, 3 and 5.
TO_CLIENT: dict[str, tuple[bytes, str]] = {
    "HTTP 400 instead of SPDY": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "talks HTTP, not SPDY"),
    "HTTP 503 instead of SPDY": (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", "talks HTTP, not SPDY"),
    "TLS alert": (b"\x15\x03\x03\x00\x02\x02\x28" + bytes(60), NEVER),
    "TLS server hello": (b"\x16\x03\x03\x00\x7a\x02\x00\x00" + bytes(60), NEVER),
    "HTTP/2 settings": (bytes.fromhex("000006 04 00 00000000 000300000064"), NEVER),
    "SSH": (b"SSH-2.0-OpenSSH_9.2p1\r\n" + bytes(200), NEVER),
    "WebSocket frame": (b"\x82\x05hello" + bytes(8), VERSION),
    "zeros": (bytes(8), NEVER),
    "all bits set": (b"\xff" * 64, VERSION),
    "DATA on stream 0": (data(0), NEVER),
    "empty DATA on stream 0": (data(0, b""), NEVER),
    "last DATA on stream 0": (data(0, b"", FIN), NEVER),
    "DATA on our next stream": (data(7), NEVER),
    "DATA on a stream of the server that never was": (data(2), NEVER),
    "DATA on the greatest stream": (data(MAX_STREAM), NEVER),
    "DATA with all flags on a stream that never was": (data(9, b"", 0xFF), NEVER),
    "version 0": (head(0, 1, 10) + bytes(10), "SPDY version 0, not 3"),
    "version 2": (head(2, 1, 12) + bytes(12), "SPDY version 2, not 3"),
    "version 4": (head(4, 4, 4) + bytes(4), "SPDY version 4, not 3"),
    "version 0x7fff": (head(0x7FFF, 6, 4) + bytes(4), "SPDY version 32767"),
    "unknown type of another version": (head(1, 99, 0), "SPDY version 1"),
    "SYN_STREAM of 16 MiB": (head(3, 1, (1 << 24) - 1), "16777215 bytes, more than 1000"),
    "SYN_REPLY one byte too long": (head(3, 2, 1001), "1001 bytes, more than 1000"),
    "SETTINGS too long": (head(3, 4, 1004), "more than 1000"),
    "PING too long": (head(3, 6, 5000), "more than 1000"),
    "GOAWAY too long": (head(3, 7, 5000), "more than 1000"),
    "HEADERS too long": (head(3, 8, 65536), "more than 1000"),
    "unknown type too long": (head(3, 99, 1 << 20), "more than 1000"),
    "SYN_STREAM without anything": (control(1, b""), CUT),
    "SYN_STREAM of 9 bytes": (control(1, bytes(9)), CUT),
    "SYN_STREAM without headers": (control(1, pack(">IIBB", 2, 0, 0, 0)), CUT),
    "SYN_STREAM with our parity": (syn(7), "opened stream 7 out of turn"),
    "SYN_STREAM of one of ours": (syn(1), "opened stream 1 out of turn"),
    "SYN_STREAM of stream 0": (syn(0), "opened stream 0 out of turn"),
    "SYN_STREAM of stream 0 with the reserved bit": (syn(0x8000_0000), "opened stream 0 out of turn"),
    "SYN_STREAM twice": (
        many_syns(range(2, 3)) + control(1, pack(">IIBB", 2, 0, 0, 0) + EMPTY[2:]),
        "out of turn",
    ),
    "SYN_STREAM going back": (syn(4) + control(1, pack(">IIBB", 2, 0, 0, 0) + EMPTY[2:]), "out of turn"),
    "one stream more than allowed": (many_syns(range(2, 6, 2)), "more than 4 streams open"),
    "SYN_REPLY without anything": (control(2, b""), CUT),
    "SYN_REPLY of 3 bytes": (control(2, bytes(3)), CUT),
    "SYN_REPLY without headers": (control(2, pack(">I", 1)), CUT),
    "SYN_REPLY to stream 0": (reply(0), "which is not ours"),
    "SYN_REPLY to a stream of the server": (
        syn(2) + control(2, pack(">I", 2) + EMPTY[2:]),
        "which is not ours",
    ),
    "SYN_REPLY to a stream that never was": (reply(7), NEVER),
    "SYN_REPLY to the greatest stream": (reply(MAX_STREAM), NEVER),
    "SYN_REPLY with headers that are not zlib": (reply(1, b"not zlib at all"), "is not zlib"),
    "SYN_REPLY as SPDY/2 has it": (reply(1, b"\0\0" + EMPTY), "is not zlib"),
    "SYN_REPLY with an uncompressed block": (reply(1, plain_block({"a": "b"})), "is not zlib"),
    "SYN_REPLY with half a zlib head": (reply(1, b"\x78"), CUT),
    "SYN_REPLY without a flush": (reply(1, b"\x78\x01"), CUT),
    "SYN_REPLY with too many headers": (
        reply(1, zlib_block(pack(">I", 4))),
        "4 headers at once, more than 3",
    ),
    "SYN_REPLY with a count and no headers": (reply(1, zlib_block(pack(">I", 3))), CUT),
    "SYN_REPLY with an upper case name": (reply(1, one(b"Port")), "upper case"),
    "SYN_REPLY with a nameless header": (reply(1, one(b"")), "nameless"),
    "SYN_REPLY with a header twice": (
        reply(1, zlib_block(pack(">I", 2) + 2 * (pack(">I", 1) + b"a" + pack(">I", 0)))),
        "twice",
    ),
    "SYN_REPLY with bytes after its headers": (reply(1, zlib_block(pack(">I", 0) + b"more")), "longer than"),
    "SYN_REPLY with a name beyond the block": (
        reply(1, zlib_block(pack(">II", 1, 0xFFFF_FFFF) + b"a")),
        CUT,
    ),
    "SYN_REPLY with a block that inflates too far": (
        reply(1, zlib.compress(bytes(100_000))),
        "of more than 1000 bytes",
    ),
    "the second reply starts zlib again": (reply(1) + reply(3), "is not zlib"),
    "RST_STREAM of 0 bytes": (control(3, b""), "has 0 bytes, not 8"),
    "RST_STREAM of 4 bytes": (numbers(Type.RST_STREAM, 1), "has 4 bytes, not 8"),
    "RST_STREAM of 12 bytes": (numbers(Type.RST_STREAM, 1, 5, 0), "has 12 bytes, not 8"),
    "RST_STREAM with status 0": (numbers(Type.RST_STREAM, 1, 0), "status 0"),
    "RST_STREAM of stream 0": (numbers(Type.RST_STREAM, 0, 5), NEVER),
    "RST_STREAM of a stream that never was": (numbers(Type.RST_STREAM, 7, 5), NEVER),
    "RST_STREAM of a server stream that never was": (numbers(Type.RST_STREAM, 2, 5), NEVER),
    "SETTINGS of 0 bytes": (control(4, b""), "do not have the stated number"),
    "SETTINGS of 3 bytes": (control(4, bytes(3)), "do not have the stated number"),
    "SETTINGS that promise one more": (control(4, pack(">I", 2) + bytes(8)), "do not have the stated number"),
    "SETTINGS that promise billions": (control(4, b"\xff\xff\xff\xff"), "do not have the stated number"),
    "SETTINGS with one more than promised": (
        control(4, pack(">I", 0) + bytes(8)),
        "do not have the stated number",
    ),
    "SETTINGS with half an entry": (control(4, pack(">I", 1) + bytes(4)), "do not have the stated number"),
    "PING of 0 bytes": (control(6, b""), "PING does not have exactly one number"),
    "PING of 3 bytes": (control(6, b"abc"), "PING does not have exactly one number"),
    "PING of 8 bytes": (control(6, bytes(7) + b"\1"), "PING does not have exactly one number"),
    "PING number 0": (numbers(Type.PING, 0), "PING does not have exactly one number"),
    "GOAWAY of 0 bytes": (control(7, b""), "has 0 bytes, not 8"),
    "GOAWAY as SPDY/2 has it": (numbers(Type.GOAWAY, 1), "has 4 bytes, not 8"),
    "GOAWAY with a debug text": (control(7, bytes(8) + b"bye"), "has 11 bytes, not 8"),
    "HEADERS without anything": (control(8, b""), CUT),
    "HEADERS of 2 bytes": (control(8, bytes(2)), CUT),
    "HEADERS on stream 0": (control(8, pack(">I", 0) + EMPTY), NEVER),
    "HEADERS on a stream that never was": (control(8, pack(">I", 9) + EMPTY), NEVER),
    "HEADERS with an empty block": (control(8, pack(">I", 1)), CUT),
    "WINDOW_UPDATE of 0 bytes": (control(9, b""), "has 0 bytes, not 8"),
    "WINDOW_UPDATE of 7 bytes": (control(9, bytes(7)), "has 7 bytes, not 8"),
    "a good frame, then rubbish": (reply(1) + b"\xde\xad\xbe\xef" + bytes(4), VERSION),
    "good DATA, then DATA for nobody": (data(1) + data(3) + data(11), NEVER),
}

#: What a client may get wrong towards a server.
TO_SERVER: dict[str, tuple[bytes, str]] = {
    "HTTP request": (b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(40), NEVER),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NEVER),
    "TLS client hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01" + bytes(600), NEVER),
    "DATA before any stream": (data(1), NEVER),
    "SYN_STREAM with an even number": (syn(2), "opened stream 2 out of turn"),
    "SYN_STREAM of stream 0": (syn(0), "opened stream 0 out of turn"),
    "SYN_STREAM twice": (syn(1) + control(1, pack(">IIBB", 1, 0, 0, 0) + EMPTY[2:]), "out of turn"),
    "SYN_STREAM going back": (syn(5) + control(1, pack(">IIBB", 3, 0, 0, 0) + EMPTY[2:]), "out of turn"),
    "too many streams": (many_syns(range(1, 11, 2)), "more than 4 streams open"),
    "too many streams that have ended on one side": (
        syn(1, flags=FIN)
        + b"".join(control(1, pack(">IIBB", n, 0, 0, 0) + EMPTY[2:], UNIDIRECTIONAL) for n in (3, 5, 7, 9)),
        "more than 4 streams open",
    ),
    "SYN_STREAM with headers that are not zlib": (syn(1, b"\x00\x00"), "is not zlib"),
    "SYN_STREAM with truncated headers": (syn(1, EMPTY[:5]), "cut off|not zlib"),
    "SYN_STREAM with too large headers": (
        syn(1, zlib.compress(one(b"a", bytes(9_000)))),
        "of more than 1000 bytes",
    ),
    "SYN_REPLY to nothing": (reply(2), NEVER),
    "SYN_REPLY to its own stream": (syn(1) + control(2, pack(">I", 1) + EMPTY[2:]), "which is not ours"),
    "RST_STREAM before any stream": (numbers(Type.RST_STREAM, 1, 5), NEVER),
    "RST_STREAM with status 0": (syn(1) + numbers(Type.RST_STREAM, 1, 0), "status 0"),
    "HEADERS before SYN_STREAM": (control(8, pack(">I", 1) + EMPTY), NEVER),
    "PING number 0": (numbers(Type.PING, 0), "PING does not have exactly one number"),
    "version 2": (head(2, 1, 20) + bytes(20), VERSION),
}


def client() -> SpdyConnection:
    connection = SpdyConnection(Role.CLIENT, LIMITS)
    for _ in range(3):
        connection.open_stream({})
    return connection


def server() -> SpdyConnection:
    return SpdyConnection(Role.SERVER, LIMITS)


CASES = [
    *(pytest.param(client, *case, id=f"to a client: {name}") for name, case in TO_CLIENT.items()),
    *(pytest.param(server, *case, id=f"to a server: {name}") for name, case in TO_SERVER.items()),
]


def test_the_corpus_has_a_hundred_cases() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize(("make", "wire", "why"), CASES)
def test_a_malformed_frame_is_one_error_and_the_connection_is_dead(
    make: Callable[[], SpdyConnection], wire: bytes, why: str
) -> None:
    for pieces in ([wire], byte_by_byte(wire)):
        connection = make()
        with pytest.raises(SpdyError, match=why) as first:
            feed(connection.receive, pieces)
        assert connection.held <= LIMITS.control_frame + 8
        for more in (b"", wire, b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"):
            with pytest.raises(SpdyError) as again:
                connection.receive(more)
            assert again.value.what == first.value.what
