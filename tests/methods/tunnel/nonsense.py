"""What a far side must never send, made up by chance: each of these is malformed whatever comes before or after it."""

from collections.abc import Callable
from random import Random
from struct import pack

from kfw.wire.spdy_frames import FIN, FrameLimits, Type, control, data_frames
from kfw.wire.websocket import MAX_MESSAGE

Draw = Callable[[Random], bytes]


def any_of(*draws: Draw) -> Draw:
    return lambda random: random.choice(draws)(random)


def rubbish(random: Random, most: int = 300, *, least: int = 0) -> bytes:
    return random.randbytes(random.randrange(least, most))


# -- SPDY, to a client that has opened streams 1 and 3


def good_spdy(random: Random) -> bytes:
    """Frames that are in order, and say nothing to anybody."""
    some = [
        control(Type.PING, pack(">I", 2 * random.randrange(1, 1 << 30))),
        control(Type.SETTINGS, pack(">I", 1) + random.randbytes(8)),
        control(Type.WINDOW_UPDATE, pack(">II", 3, random.randrange(1, 1 << 31))),
        control(random.choice((5, 10, 77)), rubbish(random, 100)),
        b"".join(data_frames(3, b"good", False)),
    ]
    return b"".join(random.choices(some, k=random.randrange(4)))


def _data_for_nobody(random: Random) -> bytes:
    number = random.choice((0, 2, random.randrange(5, 1 << 31)))
    return b"".join(data_frames(number, random.randbytes(random.randrange(1, 200)), random.random() < 0.5))


def _other_version(random: Random) -> bytes:
    version = random.choice((0, 1, 2, 4, random.randrange(5, 1 << 15)))
    return pack(">HHI", 0x8000 | version, random.randrange(12), random.randrange(1 << 24))


def _too_long(random: Random) -> bytes:
    length = random.randrange(FrameLimits().control_frame + 1, 1 << 24)
    return pack(">HHI", 0x8003, random.randrange(1 << 16), length)


def _wrong_size(random: Random) -> bytes:
    kind, right = random.choice(
        ((Type.RST_STREAM, 8), (Type.PING, 4), (Type.GOAWAY, 8), (Type.WINDOW_UPDATE, 8))
    )
    size = random.choice([size for size in range(40) if size != right])
    return control(kind, random.randbytes(size))


def _settings_that_lie(random: Random) -> bytes:
    return control(Type.SETTINGS, pack(">I", random.randrange(9, 1 << 32)) + bytes(random.choice((0, 8, 64))))


def _out_of_turn(random: Random) -> bytes:
    number = random.choice((0, 1, 3, 2 * random.randrange(1 << 30) + 1))
    return control(Type.SYN_STREAM, pack(">IIBB", number, 0, 0, 0) + rubbish(random), random.choice((0, FIN)))


def _about_no_stream(random: Random) -> bytes:
    number = random.choice((0, random.randrange(4, 1 << 31)))
    kind = random.choice((Type.SYN_REPLY, Type.HEADERS, Type.RST_STREAM))
    return control(kind, pack(">I", number) + (pack(">I", 5) if kind is Type.RST_STREAM else rubbish(random)))


def _nothing_in_it(random: Random) -> bytes:
    kind = random.choice((Type.SYN_STREAM, Type.SYN_REPLY, Type.HEADERS))
    return control(kind, random.randbytes(random.randrange(4)))


def _null(random: Random) -> bytes:
    return random.choice((control(Type.PING, bytes(4)), control(Type.RST_STREAM, pack(">II", 3, 0))))


def _other_protocol(random: Random) -> bytes:
    heads = (
        b"HTTP/1.1 502 Bad Gateway\r\n",
        b"HTTP/1.0 408 \r\n",
        b"SSH-2.0-x\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
    )
    return random.choice(heads) + random.randbytes(64)


BAD_SPDY = any_of(
    _data_for_nobody,
    _other_version,
    _too_long,
    _wrong_size,
    _settings_that_lie,
    _out_of_turn,
    _about_no_stream,
    _nothing_in_it,
    _null,
    _other_protocol,
)


def spdy(random: Random) -> bytes:
    return good_spdy(random) + BAD_SPDY(random) + rubbish(random)


# -- WebSocket frames of a server

#: Bytes that make any bad frame whole: some are judged only when they are.
_WHOLE = 140


def message(data: bytes, opcode: int = 2, *, last: bool = True) -> bytes:
    size = bytes((len(data),)) if len(data) < 126 else b"\x7e" + pack(">H", len(data))
    return bytes((0x80 * last | opcode,)) + size + data


def in_pieces(random: Random, data: bytes) -> bytes:
    """One message, in one frame or more."""
    if len(data) < 2 or random.random() < 0.5:
        return message(data)
    at = random.randrange(1, len(data))
    return message(data[:at], last=False) + message(b"", 9) + message(data[at:], 0)


def _reserved_bits(random: Random) -> bytes:
    return bytes((0x80 | random.randrange(1, 8) << 4 | random.choice((1, 2, 9)), random.randrange(126)))


def _masked(random: Random) -> bytes:
    return bytes((random.choice((0x81, 0x82, 0x89)), 0x80 | random.randrange(126)))


def _unknown_type(random: Random) -> bytes:
    return bytes((0x80 | random.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15)), random.randrange(126)))


def _control_in_fragments(random: Random) -> bytes:
    return bytes((random.choice((8, 9, 10)), random.randrange(126)))


def _long_control(random: Random) -> bytes:
    return bytes((0x80 | random.choice((8, 9, 10)), random.choice((126, 127)))) + random.randbytes(8)


def _length_in_too_many_bytes(random: Random) -> bytes:
    if random.random() < 0.5:
        return b"\x82\x7e" + pack(">H", random.randrange(126))
    return b"\x82\x7f" + pack(">Q", random.randrange(1 << 16))


def _too_long_message(random: Random) -> bytes:
    return b"\x82\x7f" + pack(">Q", random.randrange(MAX_MESSAGE + 1, 1 << 64))


def _continuation_of_nothing(random: Random) -> bytes:
    return message(random.randbytes(random.randrange(100)), 0, last=random.random() < 0.5)


def _not_utf8(random: Random) -> bytes:
    return message(
        random.choice((b"\xff\xfe", b"\xc0\xaf", b"\xce", b"\xed\xa0\x80", b"\xf4\x90\x80\x80")), 1
    )


def _close_with_no_such_code(random: Random) -> bytes:
    code = random.choice((0, 999, 1004, 1005, 1006, 1015, random.randrange(5000, 1 << 16)))
    return message(pack(">H", code), 8)


def _close_with_half_a_code(random: Random) -> bytes:
    return message(random.choice((b"\x03", b"\x03\xe8\xff", b"\x03\xe8\xe2\x82")), 8)


BAD_FRAME = any_of(
    _reserved_bits,
    _masked,
    _unknown_type,
    _control_in_fragments,
    _long_control,
    _length_in_too_many_bytes,
    _too_long_message,
    _continuation_of_nothing,
    _not_utf8,
    _close_with_no_such_code,
    _close_with_half_a_code,
)


def websocket(random: Random) -> bytes:
    """A bad frame, or bad SPDY in good ones."""
    if random.random() < 0.5:
        return in_pieces(random, spdy(random)) + rubbish(random)
    return in_pieces(random, good_spdy(random)) + BAD_FRAME(random) + rubbish(random, least=_WHOLE)


# -- HTTP, in place of 101


def _no_http(random: Random) -> bytes:
    return random.choice((b"", b"\0", b"HTTP", b"SSH-2.0-x", b"\x16\x03\x03")) + rubbish(random) + b"\r\n\r\n"


def _status_line(random: Random) -> bytes:
    lines = (
        b"HTTP/11 101 x",
        b"HTTP/1.1 1O1 x",
        b"HTTP/1.1 10 x",
        b"HTTP/1.1 99999 x",
        b"HTTP/1.1",
        b"http/1.1 101 x",
        b"HTTP/1.1 101 \0\x01",
        b"HTTP/1.1\t101 x",
    )
    return random.choice(lines) + b"\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n"


def _header(random: Random) -> bytes:
    lines = (
        b"no colon",
        b": no name",
        b"a b: c",
        b" folded: first",
        b"a\0: b",
        b"a: b\0",
        b"\xff\xfe: 1",
        b"a : b",
    )
    return b"HTTP/1.1 101 x\r\n" + random.choice(lines) + b"\r\n\r\n"


def _length(random: Random) -> bytes:
    lines = (
        b"Content-Length: -1",
        b"Content-Length: 0x10",
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: 99999999999999999999999",
        b"Transfer-Encoding: rubbish",
        b"Transfer-Encoding: gzip, chunked",
    )
    return b"HTTP/1.1 500 x\r\n" + random.choice(lines) + b"\r\n\r\n" + rubbish(random)


def _chunks(random: Random) -> bytes:
    sizes = (b"zz", b"-1", b"", b"ffffffffffffffffffffffff", b"5")
    return (
        b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + random.choice(sizes)
        + b"\r\n"
        + rubbish(random)
    )


def _another_switch(random: Random) -> bytes:
    lines = (
        b"Upgrade: h2c\r\nConnection: Upgrade",
        b"Connection: Upgrade",
        b"Upgrade: SPDY/3.1\r\nConnection: close",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: d3Jvbmc=",
    )
    return b"HTTP/1.1 101 x\r\n" + random.choice(lines) + b"\r\n\r\n" + rubbish(random)


def _endless(random: Random) -> bytes:
    return b"HTTP/1.1 101 x\r\n" + b"a: b\r\n" * 11_000


def _cut_off(random: Random) -> bytes:
    whole = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n"
    return whole[: random.randrange(len(whole))]


def _other_status(random: Random) -> bytes:
    status = random.choice((200, 204, 302, 400, 404, 429, 500, 502, 503, random.randrange(100, 600)))
    body = random.choice(
        (b"", rubbish(random), b'{"kind":"Status","code":"x"}', b'{"message":' + b"[" * 2000)
    )
    return f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


_OFTEN = (_no_http, _status_line, _header, _length, _chunks, _cut_off) * 4

HTTP = any_of(*_OFTEN, _another_switch, _other_status, _endless)
