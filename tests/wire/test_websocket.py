"""What each call writes and each frame becomes; the examples of RFC 6455, section 5.7."""

import pytest

from kfw.wire.codec import Role
from kfw.wire.websocket import NO_MASK, Close, WebSocketConnection, WebSocketPing, WebSocketPong
from kfw.wire.websocket_frames import Code, Payload, WebSocketError, xor
from tests.wire.splits import joined

KEY = bytes.fromhex("37fa213d")  # the one of the RFC's examples


def client() -> WebSocketConnection:
    return WebSocketConnection(Role.CLIENT, masks=lambda: KEY)


def server() -> WebSocketConnection:
    return WebSocketConnection(Role.SERVER)


def wire(text: str) -> bytes:
    return bytes.fromhex(text)


def test_rfc_a_text_message_in_one_frame() -> None:
    assert client().receive(wire("81 05 48 65 6c 6c 6f")) == [Payload(b"Hello", text=True)]
    assert server().send(b"Hello", text=True) == [wire("81 05 48 65 6c 6c 6f")]


def test_rfc_a_masked_text_message_in_one_frame() -> None:
    assert server().receive(wire("81 85 37 fa 21 3d 7f 9f 4d 51 58")) == [Payload(b"Hello", text=True)]
    assert client().send(b"Hello", text=True) == [wire("81 85 37 fa 21 3d 7f 9f 4d 51 58")]


def test_rfc_a_fragmented_text_message() -> None:
    assert client().receive(wire("01 03 48 65 6c 80 02 6c 6f")) == [
        Payload(b"Hel", start=True, end=False, text=True),
        Payload(b"lo", start=False, end=True, text=True),
    ]


def test_rfc_a_ping_and_its_masked_pong() -> None:
    assert client().receive(wire("89 05 48 65 6c 6c 6f")) == [WebSocketPing(b"Hello")]
    assert client().pong(b"Hello") == wire("8a 85 37 fa 21 3d 7f 9f 4d 51 58")
    assert server().receive(wire("8a 85 37 fa 21 3d 7f 9f 4d 51 58")) == [WebSocketPong(b"Hello")]
    assert server().ping(b"Hello") == wire("89 05 48 65 6c 6c 6f")


@pytest.mark.parametrize(
    ("size", "head"), [(0, "82 00"), (125, "82 7d"), (126, "82 7e 007e"), (256, "82 7e 0100"),
                       (65535, "82 7e ffff"), (65536, "82 7f 0000000000010000")],
)  # fmt: skip
def test_rfc_binary_messages_of_all_three_kinds_of_length(size: int, head: str) -> None:
    message = bytes(size)
    written = b"".join(server().send(message))
    assert written == wire(head) + message
    assert client().receive(written) == [Payload(message)]


def test_parts_become_one_message() -> None:
    for sender, receiver in ((client(), server()), (server(), client())):
        chunks = sender.send(b"\0", b"head", memoryview(b"body" * 10_000))
        assert receiver.receive(b"".join(chunks)) == [Payload(b"\0head" + b"body" * 10_000)]


def test_a_large_payload_that_needs_no_mask_is_not_copied() -> None:
    payload = bytes(20_000)
    assert server().send(payload)[1] is payload
    assert WebSocketConnection(Role.CLIENT, masks=lambda: NO_MASK).send(payload)[1] is payload


def test_a_mask_of_zeros_is_still_a_mask_for_the_server() -> None:
    written = b"".join(WebSocketConnection(Role.CLIENT, masks=lambda: NO_MASK).send(b"Hello"))
    assert written == wire("82 85 00 00 00 00") + b"Hello"
    assert server().receive(written) == [Payload(b"Hello")]


def test_each_frame_has_a_mask_of_its_own() -> None:
    keys = iter([b"aaaa", b"bbbb"])
    sender = WebSocketConnection(Role.CLIENT, masks=lambda: next(keys))
    assert [sender.send(b"xyz")[0][2:6] for _ in range(2)] == [b"aaaa", b"bbbb"]


def test_another_masker_does_both_directions() -> None:
    seen: list[int] = []

    def counting(payload: bytes, key: bytes) -> bytes:
        seen.append(len(payload))
        return xor(payload, key)

    sent = WebSocketConnection(Role.CLIENT, masks=lambda: KEY, mask_with=counting).send(b"Hello")
    WebSocketConnection(Role.SERVER, mask_with=counting).receive(b"".join(sent))
    assert seen == [5, 5]


def test_a_client_without_masks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs masks"):
        WebSocketConnection(Role.CLIENT)


def test_a_payload_is_handed_out_before_its_frame_is_whole_and_none_is_kept() -> None:
    receiver = client()
    written = b"".join(server().send(b"abcdef"))
    assert receiver.receive(written[:4]) == [Payload(b"ab", start=True, end=False)]
    assert receiver.held == 0
    assert receiver.receive(written[4:]) == [Payload(b"cdef", start=False, end=True)]


def test_a_chunk_that_is_all_payload_is_handed_out_uncopied() -> None:
    receiver = client()
    receiver.receive(wire("82 7f 0000000000010000"))
    chunk = bytes(65_536)
    (event,) = receiver.receive(chunk)
    assert isinstance(event, Payload) and event.data is chunk


def test_control_frames_come_through_between_fragments_and_inside_no_frame() -> None:
    events = client().receive(wire("02 01 61  89 01 70  00 00  8a 00  80 01 62"))
    assert events == [
        Payload(b"a", end=False),
        WebSocketPing(b"p"),
        WebSocketPong(b""),
        Payload(b"b", start=False),
    ]


def test_empty_fragments_say_nothing_but_the_first_piece_still_starts_and_the_last_ends() -> None:
    assert client().receive(wire("02 00 00 00 00 01 61 00 00 80 00")) == [
        Payload(b"a", start=True, end=False),
        Payload(b"", start=False, end=True),
    ]
    assert client().receive(wire("02 00 80 00")) == [Payload(b"", start=True, end=True)]


def test_utf_8_may_be_cut_anywhere() -> None:
    text = "κόσμε 🎈".encode()
    written = b"".join(server().send(text, text=True))
    receiver = client()
    events = [event for at in range(len(written)) for event in receiver.receive(written[at : at + 1])]
    assert joined(events) == [Payload(text, text=True)]


def test_a_close_has_a_code_and_a_reason() -> None:
    assert client().receive(server().close(Code.GOING_AWAY, "bye")) == [Close(1001, "bye")]
    assert server().receive(client().close()) == [Close(1000, "")]


def test_a_close_without_a_code_reads_and_writes_as_no_status() -> None:
    assert client().receive(wire("88 00")) == [Close(Code.NO_STATUS, "")]
    assert server().close(Code.NO_STATUS) == wire("88 00")


def test_a_long_reason_is_cut_at_a_letter() -> None:
    (event,) = client().receive(server().close(1011, "ü" * 100))
    assert event == Close(1011, "ü" * 61)


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1014, 3000, 4999])
def test_codes_that_may_be_sent_are_read(code: int) -> None:
    assert client().receive(server().close(code)) == [Close(code, "")]


def test_nothing_that_comes_after_a_close_is_read() -> None:
    receiver = client()
    assert receiver.receive(wire("88 00 82 01 61")) == [Close(Code.NO_STATUS, "")]
    assert receiver.receive(b"\xff" * 100) == []
    assert receiver.held == 0


def test_an_error_carries_what_came_whole_before_it_and_the_code_to_close_with() -> None:
    with pytest.raises(WebSocketError) as caught:
        client().receive(wire("82 01 61 f2 00"))
    assert caught.value.events == [Payload(b"a")]
    assert caught.value.code == 1002
