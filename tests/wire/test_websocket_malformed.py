"""A corpus of what a far side may get wrong: each is one clear error with its close code, for good."""

import pytest

from kfw.wire.codec import Role
from kfw.wire.websocket import WebSocketConnection
from kfw.wire.websocket_frames import WebSocketError
from tests.wire.splits import byte_by_byte, feed

MIXED = "mixed the frames of two messages"
CONTROL = "fragmented or longer than 125 bytes"
LENGTH = "a length in more bytes than it needs"
CODE = "a code that does not exist"
REASON = "a reason that is not UTF-8"
TEXT = "text is not UTF-8"

#: Bytes of a server, the error, its close code.
TO_CLIENT: dict[str, tuple[str, str, int]] = {
    "HTTP instead of frames": (b"HTTP/1.1 500".hex(), "bits of a WebSocket extension", 1002),
    "TLS alert": ("15 03 03 00 02 02 28", "bits of a WebSocket extension", 1002),
    "raw SPDY": ("80 03 00 02 00 00 00 0d", MIXED, 1002),
    "RSV1, a compressed message": ("c2 01 61", "bits of a WebSocket extension", 1002),
    "RSV2": ("a2 01 61", "bits of a WebSocket extension", 1002),
    "RSV3": ("92 01 61", "bits of a WebSocket extension", 1002),
    "RSV1 on a ping": ("c9 00", "bits of a WebSocket extension", 1002),
    "a masked frame": ("82 81 01 02 03 04 61", "the far side masked a frame", 1002),
    "a masked ping": ("89 80 01 02 03 04", "the far side masked a frame", 1002),
    "type 3": ("83 01 61", "longer than 125 bytes|unknown type 3", 1002),
    "type 7": ("87 00", "unknown type 7", 1002),
    "type 11": ("8b 00", "unknown type 11", 1002),
    "type 15": ("8f 01 61", "unknown type 15", 1002),
    "a fragmented ping": ("09 01 61", CONTROL, 1002),
    "a fragmented close": ("08 00", CONTROL, 1002),
    "a ping of 126 bytes": ("89 7e 00 7e", CONTROL, 1002),
    "a pong of 64 KiB": ("8a 7f 00 00 00 00 00 01 00 00", CONTROL, 1002),
    "a close of 126 bytes": ("88 7e 00 7e", CONTROL, 1002),
    "125 in two bytes": ("82 7e 00 7d", LENGTH, 1002),
    "0 in two bytes": ("82 7e 00 00", LENGTH, 1002),
    "65535 in eight bytes": ("82 7f 00 00 00 00 00 00 ff ff", LENGTH, 1002),
    "0 in eight bytes": ("82 7f 00 00 00 00 00 00 00 00", LENGTH, 1002),
    "a negative length": ("82 7f 80 00 00 00 00 00 00 00", LENGTH, 1002),
    "the greatest length": ("82 7f 7f ff ff ff ff ff ff ff", "longer than 1000 bytes", 1009),
    "one byte too long": ("82 7e 03 e9", "longer than 1000 bytes", 1009),
    "too long in fragments": ("02 7e 03 e8" + "00" * 1000 + "80 01", "longer than 1000 bytes", 1009),
    "a continuation of nothing": ("80 01 61", MIXED, 1002),
    "an unfinished continuation of nothing": ("00 01 61", MIXED, 1002),
    "a message inside a message": ("02 01 61 82 01 62", MIXED, 1002),
    "a text inside a binary message": ("02 01 61 81 01 62", MIXED, 1002),
    "a continuation after the end": ("82 01 61 80 01 62", MIXED, 1002),
    "text of stray bytes": ("81 02 ff fe", TEXT, 1007),
    "text with an overlong slash": ("81 02 c0 af", TEXT, 1007),
    "text with half a letter": ("81 01 ce", TEXT, 1007),
    "text with a surrogate": ("81 03 ed a0 80", TEXT, 1007),
    "text beyond Unicode": ("81 04 f4 90 80 80", TEXT, 1007),
    "text spoiled in its second fragment": ("01 02 ce ba 80 01 80", TEXT, 1007),
    "text that ends in an empty fragment": ("01 01 ce 80 00", TEXT, 1007),
    "a close with half a code": ("88 01 03", CODE, 1002),
    "close 0": ("88 02 00 00", CODE, 1002),
    "close 999": ("88 02 03 e7", CODE, 1002),
    "close 1004": ("88 02 03 ec", CODE, 1002),
    "close 1005": ("88 02 03 ed", CODE, 1002),
    "close 1006": ("88 02 03 ee", CODE, 1002),
    "close 1015": ("88 02 03 f7", CODE, 1002),
    "close 2999": ("88 02 0b b7", CODE, 1002),
    "close 5000": ("88 02 13 88", CODE, 1002),
    "close 65535": ("88 02 ff ff", CODE, 1002),
    "a close whose reason is not text": ("88 03 03 e8 ff", REASON, 1007),
    "a close whose reason is half a letter": ("88 04 03 e8 e2 82", REASON, 1007),
    "rubbish after a good message": ("82 01 61 f0 00", "bits of a WebSocket extension", 1002),
}

TO_SERVER: dict[str, tuple[str, str, int]] = {
    "an unmasked message": ("82 01 61", "did not mask a frame", 1002),
    "an unmasked close": ("88 00", "did not mask a frame", 1002),
    "an unmasked empty text": ("81 00", "did not mask a frame", 1002),
    "the second frame is not masked": ("82 81 00 00 00 00 61 82 01 61", "did not mask a frame", 1002),
    "a masked text that is not UTF-8": ("81 81 ff 00 00 00 00", TEXT, 1007),
    "a masked ping of 126 bytes": ("89 fe 00 7e 00 00 00 00", CONTROL, 1002),
    "a masked message too long": ("82 fe 03 e9 00 00 00 00", "longer than 1000 bytes", 1009),
    "a masked close 1005": ("88 82 00 00 00 00 03 ed", CODE, 1002),
    "a TLS client hello": ("16 03 01 02 00 01 00", "bits of a WebSocket extension", 1002),
    "an HTTP request": (b"GET / HTTP/1.1\r\n".hex(), "bits of a WebSocket extension", 1002),
}

CASES = [
    *(pytest.param(Role.CLIENT, *case, id=f"to a client: {name}") for name, case in TO_CLIENT.items()),
    *(pytest.param(Role.SERVER, *case, id=f"to a server: {name}") for name, case in TO_SERVER.items()),
]


@pytest.mark.parametrize(("role", "text", "why", "code"), CASES)
def test_a_malformed_frame_is_one_error_and_the_connection_is_dead(
    role: Role, text: str, why: str, code: int
) -> None:
    wire = bytes.fromhex(text)
    for pieces in ([wire], byte_by_byte(wire)):
        connection = WebSocketConnection(role, masks=lambda: b"mask", max_message=1000)
        with pytest.raises(WebSocketError, match=why) as first:
            feed(connection.receive, pieces)
        assert first.value.code == code
        assert connection.held <= 14 + 125
        for more in (b"", wire, b"\x82\x00"):
            with pytest.raises(WebSocketError) as again:
                connection.receive(more)
            assert (again.value.what, again.value.code) == (first.value.what, code)
