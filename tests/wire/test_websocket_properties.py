"""Whatever is sent arrives, however it is cut; whatever arrives ends in events or in the one error, and nothing grows."""

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from kfw.wire.codec import Role
from kfw.wire.websocket import Close, Event, WebSocketConnection, WebSocketPing, WebSocketPong
from kfw.wire.websocket_frames import Payload, WebSocketError, frame_head, xor
from tests.wire.splits import byte_by_byte, cut, feed, joined, places, quick

roles = st.sampled_from(Role)
messages = st.lists(
    st.tuples(
        st.sampled_from(["send", "ping", "pong"]), st.binary(max_size=125) | st.binary(max_size=70_000)
    ),
    max_size=10,
)


def peer(role: Role, seed: int = 7) -> WebSocketConnection:
    chance = random.Random(seed)
    return WebSocketConnection(role, masks=lambda: chance.randbytes(4))


def other(role: Role) -> Role:
    return Role.SERVER if role is Role.CLIENT else Role.CLIENT


def conversation(role: Role, program: list[tuple[str, bytes]]) -> tuple[bytes, list[Event]]:
    sender, wire = peer(role), bytearray()
    expected: list[Event] = []
    for what, payload in program:
        match what:
            case "send":
                wire += b"".join(sender.send(payload))
                expected.append(Payload(payload))
            case "ping":
                wire += sender.ping(payload[:125])
                expected.append(WebSocketPing(payload[:125]))
            case "pong":
                wire += sender.pong(payload[:125])
                expected.append(WebSocketPong(payload[:125]))
    return bytes(wire) + sender.close(4000, "done"), [*expected, Close(4000, "done")]


@quick
@given(roles, messages, places)
def test_what_one_side_writes_the_other_side_reads_however_it_is_cut(
    role: Role, program: list[tuple[str, bytes]], at: list[int]
) -> None:
    wire, expected = conversation(role, program)
    assert joined(feed(peer(other(role)).receive, cut(wire, at))) == expected


@quick
@given(roles, st.lists(st.binary(max_size=200), min_size=1, max_size=6))
def test_fragments_are_one_message_and_may_come_byte_by_byte(role: Role, parts: list[bytes]) -> None:
    receiver, wire = peer(other(role)), bytearray()
    for number, part in enumerate(parts):
        key = b"\x01\x80\xff\x10" if role is Role.CLIENT else b""
        head = bytearray(frame_head(2 if number == 0 else 0, len(part), key))
        head[0] &= 0xFF if number == len(parts) - 1 else 0x7F
        wire += head + (xor(part, key) if key else part)
    assert joined(feed(receiver.receive, byte_by_byte(bytes(wire)))) == [Payload(b"".join(parts))]


@quick
@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masking_twice_changes_nothing_and_is_the_rfcs_octet_by_octet_rule(
    payload: bytes, key: bytes
) -> None:
    masked = xor(payload, key)
    assert xor(masked, key) == payload
    assert masked == bytes(octet ^ key[at % 4] for at, octet in enumerate(payload))


def outcome(role: Role, pieces: list[bytes]) -> tuple[list[object], str]:
    """All events and the error, if there was one. How much of a text came before its error depends on the pieces."""
    receiver = WebSocketConnection(role, masks=lambda: b"mask", max_message=5_000)
    events: list[object] = []
    for piece in pieces:
        try:
            events += receiver.receive(piece)
        except WebSocketError as error:
            events += error.events
            return [event for event in joined(events) if not _is_text(event)], error.what
        assert receiver.held <= 14 + 125
    return joined(events), ""


def _is_text(event: object) -> bool:
    return isinstance(event, Payload) and event.text


frame_like = st.builds(
    lambda first, key, payload: bytes((first,)) + frame_head(0, len(payload), key)[1:] + payload,
    st.sampled_from([0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0x83]),
    st.just(b"") | st.binary(min_size=4, max_size=4),
    st.binary(max_size=140),
)
anything = st.binary(max_size=300) | st.lists(frame_like, max_size=8).map(b"".join)


@quick
@given(roles, anything, places)
def test_any_bytes_end_in_events_or_in_the_one_error_the_same_for_every_cut(
    role: Role, wire: bytes, at: list[int]
) -> None:
    whole = outcome(role, [wire])
    assert outcome(role, cut(wire, at)) == whole
    assert outcome(role, byte_by_byte(wire)) == whole


def test_three_thousand_spoiled_conversations_raise_nothing_but_the_one_error() -> None:
    chance = random.Random(31)
    errors = 0
    for role in Role:
        wire, _ = conversation(
            role, [("send", b"x" * 200), ("ping", b"p"), ("send", b"y" * 70), ("pong", b"")] * 3
        )
        for _ in range(1_500):
            spoiled = bytearray(wire)
            at = chance.randrange(len(spoiled))
            spoiled[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
            errors += bool(outcome(other(role), [bytes(spoiled)])[1])
    assert 300 < errors < 3_000


def test_memory_is_flat_while_a_huge_message_and_endless_small_frames_go_through() -> None:
    receiver = WebSocketConnection(Role.CLIENT, masks=lambda: b"mask", max_message=1 << 62)
    chunk = bytes(1 << 20)
    tracemalloc.start()
    try:
        receiver.receive(frame_head(2, 1 << 40))
        for _ in range(30):
            receiver.receive(chunk)
        empty = WebSocketConnection(Role.CLIENT, masks=lambda: b"mask")
        empty.receive(b"\x02\x01x")
        for _ in range(100):
            assert empty.receive(b"\x00\x00" * 500) == []
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
