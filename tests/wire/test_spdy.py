"""What each call writes and each frame becomes: one side's bytes into the other side."""

import zlib

import pytest

from kfw.wire.codec import Role
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import (
    MAX_DATA,
    MAX_STREAM,
    UNIDIRECTIONAL,
    Data,
    FrameLimits,
    Goaway,
    Headers,
    Ping,
    Pong,
    Rst,
    RstStatus,
    SpdyError,
    SynReply,
    SynStream,
    Type,
    control,
)
from kfw.wire.spdy_headers import HeaderWriter
from tests.wire.splits import joined


def pair() -> tuple[SpdyConnection, SpdyConnection]:
    return SpdyConnection(Role.CLIENT), SpdyConnection(Role.SERVER)


def opened(client: SpdyConnection, server: SpdyConnection, *, fin: bool = False) -> int:
    stream, wire = client.open_stream({"streamtype": "data"}, fin=fin)
    server.receive(wire)
    return stream


def write(chunks: list[bytes | memoryview]) -> bytes:
    return b"".join(chunks)


def test_a_client_opens_odd_streams_and_a_server_even_ones() -> None:
    client, server = pair()
    assert [client.open_stream({})[0] for _ in range(3)] == [1, 3, 5]
    assert [server.open_stream({})[0] for _ in range(3)] == [2, 4, 6]


def test_a_stream_arrives_with_its_headers_and_its_end() -> None:
    client, server = pair()
    _, wire = client.open_stream({"port": "80", "Accept": "a\0b"}, fin=True)
    assert server.receive(wire) == [SynStream(1, {"port": "80", "accept": "a\0b"}, fin=True)]


def test_headers_of_many_streams_share_one_zlib_stream() -> None:
    client, server = pair()
    for number in range(20):
        _, wire = client.open_stream({"requestid": str(number)})
        assert server.receive(wire) == [SynStream(2 * number + 1, {"requestid": str(number)})]


def test_headers_longer_than_a_stored_block_arrive_whole() -> None:
    client, server = SpdyConnection(Role.CLIENT), SpdyConnection(Role.SERVER, FrameLimits(1 << 20, 1 << 20))
    _, wire = client.open_stream({"x": "y" * 200_000})
    assert server.receive(wire) == [SynStream(1, {"x": "y" * 200_000})]


def test_a_reply_and_data_go_both_ways() -> None:
    client, server = pair()
    stream = opened(client, server)
    assert client.receive(server.reply(stream, {"ok": "yes"})) == [SynReply(stream, {"ok": "yes"})]
    assert client.receive(write(server.data(stream, b"answer"))) == [Data(stream, b"answer")]
    assert server.receive(write(client.data(stream, b"question"))) == [Data(stream, b"question")]


def test_syn_and_data_in_one_write_arrive_in_order() -> None:
    client, server = pair()
    stream, syn = client.open_stream({})
    wire = syn + write(client.data(stream, b"first", fin=True))
    assert server.receive(wire) == [SynStream(1, {}), Data(1, b"first", fin=True)]


def test_an_end_without_data_is_an_empty_last_piece() -> None:
    client, server = pair()
    stream = opened(client, server)
    assert server.receive(write(client.data(stream, b"", fin=True))) == [Data(stream, b"", fin=True)]


def test_nothing_to_send_writes_nothing() -> None:
    client, server = pair()
    assert client.data(opened(client, server), b"") == []


@pytest.mark.parametrize("size", [1, 16_384, 16_385, MAX_DATA, MAX_DATA + 1, 3 * MAX_DATA, 3 * MAX_DATA + 7])
def test_long_data_is_cut_into_frames_of_64_kib_and_ends_once(size: int) -> None:
    client, server = pair()
    stream, payload = opened(client, server), bytes(i % 251 for i in range(size))
    chunks = client.data(stream, payload, fin=True)
    assert max(map(len, chunks)) <= MAX_DATA + 8
    events = server.receive(write(chunks))
    assert [event.fin for event in events if isinstance(event, Data)] == [False] * (len(events) - 1) + [True]
    assert joined(events) == [Data(stream, payload, fin=True)]


def test_large_payload_is_not_copied_to_be_sent() -> None:
    client, server = pair()
    payload = bytes(50_000)
    assert client.data(opened(client, server), payload)[1] is payload


def test_a_chunk_that_is_all_payload_is_handed_out_uncopied() -> None:
    client, server = pair()
    wire = write(client.data(opened(client, server), bytes(60_000)))
    server.receive(wire[:100])
    chunk = wire[100:50_000]
    (event,) = server.receive(chunk)
    assert isinstance(event, Data) and event.payload is chunk


def test_data_is_handed_out_before_its_frame_is_whole_and_none_is_kept() -> None:
    client, server = pair()
    stream = opened(client, server)
    wire = write(client.data(stream, b"abcdef", fin=True))
    assert server.receive(wire[:10]) == [Data(stream, b"ab")]
    assert server.held == 0
    assert server.receive(wire[10:]) == [Data(stream, b"cdef", fin=True)]


def test_a_stream_that_both_sides_ended_leaves_nothing_behind() -> None:
    client, server = pair()
    stream = opened(client, server, fin=True)
    assert (client.open_streams, server.open_streams) == (1, 1)
    client.receive(write(server.data(stream, b"bye", fin=True)))
    assert (client.open_streams, server.open_streams) == (0, 0)


def test_the_same_holds_when_the_reply_or_late_headers_end_it() -> None:
    client, server = pair()
    client.receive(server.reply(opened(client, server, fin=True), fin=True))
    late = opened(client, server, fin=True)
    assert client.receive(headers_frame(late, fin=True)) == [Headers(late, {"late": "yes"}, fin=True)]
    assert client.open_streams == 0


def headers_frame(stream: int, *, fin: bool) -> bytes:
    """As the first header block that a client reads after one empty reply."""
    writer = HeaderWriter()
    writer.encode({})
    return control(Type.HEADERS, stream.to_bytes(4, "big") + writer.encode({"late": "yes"}), 1 if fin else 0)


def test_headers_may_follow_a_reply() -> None:
    client, server = pair()
    stream = opened(client, server)
    client.receive(server.reply(stream))
    assert client.receive(headers_frame(stream, fin=False)) == [Headers(stream, {"late": "yes"})]


def test_a_unidirectional_stream_wants_no_answer() -> None:
    server = SpdyConnection(Role.SERVER)
    payload = (1).to_bytes(4, "big") + bytes(6) + HeaderWriter().encode({})
    assert server.receive(control(Type.SYN_STREAM, payload, UNIDIRECTIONAL)) == [
        SynStream(1, {}, unidirectional=True)
    ]
    with pytest.raises(ValueError, match="ended by us"):
        server.data(1, b"x")


def test_a_reset_ends_a_stream_for_both() -> None:
    client, server = pair()
    stream = opened(client, server)
    assert client.receive(server.rst(stream, RstStatus.REFUSED_STREAM)) == [Rst(stream, 3)]
    assert (client.open_streams, server.open_streams) == (0, 0)
    assert (server.rst(stream), server.reply(stream), server.data(stream, b"x")) == (b"", b"", [])


def test_what_comes_late_for_a_stream_that_is_gone_is_dropped() -> None:
    client, server = pair()
    stream = opened(client, server)
    late = server.reply(stream, {"a": "b"}) + write(server.data(stream, b"x")) + server.rst(stream)
    client.rst(stream)
    assert client.receive(late) == []
    again = opened(client, server)
    assert client.receive(server.reply(again, {"c": "d"})) == [SynReply(again, {"c": "d"})]


def test_data_after_the_peers_own_end_is_dropped() -> None:
    """containerd's copy loop may write after the stream was closed."""
    client, server = pair()
    stream = opened(client, server)
    client.receive(write(server.data(stream, b"", fin=True)))
    late = bytes.fromhex("00000001 00000002") + b"xx"
    assert client.receive(late) == []
    assert client.open_streams == 1


def test_sending_after_our_own_end_is_the_callers_mistake() -> None:
    client, server = pair()
    stream = opened(client, server, fin=True)
    with pytest.raises(ValueError, match="stream 1 was ended by us"):
        client.data(stream, b"x")


def test_a_ping_comes_back_as_a_pong_with_its_number() -> None:
    client, server = pair()
    for expected in (1, 3, 5):
        number, wire = client.ping()
        assert number == expected
        assert server.receive(wire) == [Ping(number)]
        assert client.receive(server.pong(number)) == [Pong(number)]
    assert client.receive(server.ping()[1]) == [Ping(2)]


def test_goaway_names_the_last_stream_that_was_seen() -> None:
    client, server = pair()
    opened(client, server)
    last = opened(client, server)
    assert client.receive(server.goaway(2)) == [Goaway(last, 2)]
    assert server.receive(client.goaway()) == [Goaway(0, 0)]


def test_settings_windows_and_unknown_frames_say_nothing() -> None:
    server = SpdyConnection(Role.SERVER)
    wire = (
        control(Type.SETTINGS, (2).to_bytes(4, "big") + bytes(16))
        + control(Type.WINDOW_UPDATE, bytes(8))
        + control(5, b"noop")
        + control(10, b"credential")
        + control(0xFFFF, b"")
    )
    assert server.receive(wire) == []
    assert server.held == 0


def test_unread_headers_are_empty_but_all_else_is_as_usual() -> None:
    client, server = SpdyConnection(Role.CLIENT, read_headers=False), SpdyConnection(Role.SERVER)
    stream = opened(client, server)
    wire = server.reply(stream, {"a": "b"}) + write(server.data(stream, b"x"))
    assert client.receive(wire) == [SynReply(stream, {}), Data(stream, b"x")]


def test_stream_numbers_are_used_up_with_an_error() -> None:
    client = SpdyConnection(Role.CLIENT)
    client._streams._next = MAX_STREAM  # 2**30 opens are too many for a test
    assert client.open_stream({})[0] == MAX_STREAM
    with pytest.raises(SpdyError, match="no stream numbers left"):
        client.open_stream({})


def test_an_error_carries_what_came_whole_before_it() -> None:
    client, server = pair()
    stream = opened(client, server)
    wire = write(server.data(stream, b"last words")) + control(Type.PING, b"")
    with pytest.raises(SpdyError) as caught:
        client.receive(wire)
    assert caught.value.events == [Data(stream, b"last words")]


def test_headers_are_sent_without_a_compressor() -> None:
    wire = HeaderWriter().encode({"a": "b"})
    assert wire.startswith(b"\x78\x01\x00")
    assert zlib.decompressobj().decompress(wire) == bytes.fromhex("00000001 00000001 61 00000001 62")


def test_a_reply_without_a_header_block_is_enough_for_who_reads_no_headers() -> None:
    client = SpdyConnection(Role.CLIENT, read_headers=False)
    stream, _ = client.open_stream({"streamtype": "data"})
    assert client.receive(control(Type.SYN_REPLY, stream.to_bytes(4, "big"))) == [SynReply(stream, {}, False)]
