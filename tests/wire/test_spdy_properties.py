"""Whatever is sent arrives, however it is cut; whatever arrives ends in events or in the one error, and nothing grows."""

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from kfw.wire.codec import Role
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import (
    Data,
    Event,
    FrameLimits,
    Goaway,
    Ping,
    Rst,
    SpdyError,
    SynReply,
    SynStream,
    control,
)
from tests.wire.splits import byte_by_byte, cut, feed, joined, places, quick

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
values = st.text(st.characters(max_codepoint=255), max_size=50)
headers = st.dictionaries(names, values, max_size=5)
Step = tuple[str, int, bytes, bool]
steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "reply", "data", "rst", "ping", "goaway"]),
        st.integers(0, 5),
        st.binary(max_size=300),
        st.booleans(),
    ),
    max_size=20,
)


def conversation(program: list[Step], titles: dict[str, str]) -> tuple[bytes, list[Event]]:
    """What a server writes for the steps that make sense, and what a client with six open streams shall see of it."""
    server, wire = SpdyConnection(Role.SERVER), bytearray()
    expected: list[Event] = []
    server.receive(opening())
    live = {2 * n + 1 for n in range(6)}
    pings = 0
    for what, which, payload, fin in program:
        stream = 2 * which + 1
        match what:
            case "open":
                number, frame = server.open_stream(titles, fin=fin)
                wire += frame
                expected.append(SynStream(number, titles, fin))
            case "reply" if stream in live:
                wire += server.reply(stream, titles, fin=fin)
                expected.append(SynReply(stream, titles, fin))
                live -= {stream} if fin else set()
            case "data" if stream in live and (payload or fin):
                wire += b"".join(server.data(stream, payload, fin=fin))
                expected.append(Data(stream, payload, fin))
                live -= {stream} if fin else set()
            case "rst" if stream in live:
                wire += server.rst(stream, 5)
                expected.append(Rst(stream, 5))
                live -= {stream}
            case "ping":
                wire += server.ping()[1]
                expected.append(Ping(pings := pings + 2))
            case "goaway":
                wire += server.goaway(which)
                expected.append(Goaway(11, which))
    return bytes(wire), expected


def opening() -> bytes:
    return b"".join(client_with_streams()[1])


def client_with_streams() -> tuple[SpdyConnection, list[bytes]]:
    client = SpdyConnection(Role.CLIENT)
    return client, [client.open_stream({})[1] for _ in range(6)]


@quick
@given(steps, headers, places)
def test_what_one_side_writes_the_other_side_reads_however_it_is_cut(
    program: list[Step], titles: dict[str, str], at: list[int]
) -> None:
    wire, expected = conversation(program, titles)
    client, _ = client_with_streams()
    assert joined(feed(client.receive, cut(wire, at))) == joined(expected)
    assert client.held == 0


@quick
@given(steps, headers)
def test_nor_does_it_matter_if_it_comes_byte_by_byte(program: list[Step], titles: dict[str, str]) -> None:
    wire, expected = conversation(program, titles)
    client, _ = client_with_streams()
    assert joined(feed(client.receive, byte_by_byte(wire))) == joined(expected)


def outcome(pieces: list[bytes]) -> tuple[list[object], str]:
    """All events, and what the error said if there was one; asserts that little was kept all the while."""
    client, _ = client_with_streams()
    events: list[object] = []
    for piece in pieces:
        try:
            events += client.receive(piece)
        except SpdyError as error:
            return joined([*events, *error.events]), error.what
        assert client.held <= FrameLimits().control_frame + 8
    return joined(events), ""


control_like = st.builds(
    lambda kind, payload, flags: control(kind, payload, flags),
    st.integers(0, 12),
    st.binary(max_size=60),
    st.integers(0, 255),
)
data_like = st.builds(
    lambda stream, rest, payload: stream.to_bytes(4, "big") + rest.to_bytes(4, "big") + payload,
    st.integers(0, 13),
    st.integers(0, 40) | st.integers(0, (1 << 32) - 1),
    st.binary(max_size=40),
)
anything = st.binary(max_size=300) | st.lists(control_like | data_like, max_size=8).map(b"".join)


@quick
@given(anything, places)
def test_any_bytes_end_in_events_or_in_the_one_error_the_same_for_every_cut(
    wire: bytes, at: list[int]
) -> None:
    whole = outcome([wire])
    assert outcome(cut(wire, at)) == whole
    assert outcome(byte_by_byte(wire)) == whole


def test_three_thousand_spoiled_conversations_raise_nothing_but_the_one_error() -> None:
    chance = random.Random(31)
    program: list[Step] = [
        (what, n % 6, b"payload" * n, n % 5 == 0)
        for n, what in enumerate(["reply", "open", "data", "ping", "rst", "goaway"] * 4)
    ]
    wire, _ = conversation(program, {"streamtype": "data", "port": "8080"})
    errors = 0
    for _ in range(3_000):
        spoiled = bytearray(wire)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(spoiled))
            spoiled[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
        errors += bool(outcome([bytes(spoiled)])[1])
    assert 300 < errors < 3_000


def test_memory_is_flat_while_megabytes_and_endless_small_frames_go_through() -> None:
    client, _ = client_with_streams()
    endless = (1).to_bytes(4, "big") + b"\x00\xff\xff\xff"
    chunk, last = bytes(1 << 20), bytes((1 << 20) - 1)
    small = (
        (5).to_bytes(4, "big")
        + bytes(4)
        + control(4, bytes(4))
        + control(9, bytes(8))
        + control(77, bytes(50))
    )
    small *= 100
    tracemalloc.start()
    try:
        client.receive(endless)
        for _ in range(15):
            client.receive(chunk)
        client.receive(last)
        for _ in range(100):
            assert client.receive(small) == []
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_ten_thousand_streams_that_come_and_go_leave_nothing_behind() -> None:
    client, server = SpdyConnection(Role.CLIENT), SpdyConnection(Role.SERVER, FrameLimits(streams=2))
    for number in range(10_000):
        stream, wire = client.open_stream({}, fin=True)
        server.receive(wire)
        answer = server.rst(stream) if number % 2 else b"".join(server.data(stream, b"", fin=True))
        client.receive(answer)
    assert (client.open_streams, server.open_streams) == (0, 0)
