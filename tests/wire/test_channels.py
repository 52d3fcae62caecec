"""`v4.channel.k8s.io`: ports as pairs of channels in one WebSocket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfw.wire.channels import MAX_DATA, ChannelData, ChannelError, Channels
from kfw.wire.codec import Role
from kfw.wire.websocket import WebSocketConnection
from kfw.wire.websocket_frames import Payload
from tests.wire.splits import cut, places, quick


def greeted(*ports: int) -> Channels:
    client = Channels(Role.CLIENT, ports)
    for message in Channels(Role.SERVER, ports).greet():
        assert client.receive(Payload(message)) is None
    return client


def test_a_server_names_each_port_on_both_of_its_channels_little_endian() -> None:
    assert Channels(Role.SERVER, [8080, 443]).greet() == [
        b"\x00\x90\x1f", b"\x01\x90\x1f", b"\x02\xbb\x01", b"\x03\xbb\x01",
    ]  # fmt: skip


def test_a_client_knows_when_every_port_was_named() -> None:
    client = Channels(Role.CLIENT, [8080])
    first, second = Channels(Role.SERVER, [8080]).greet()
    client.receive(Payload(first))
    assert not client.greeted
    client.receive(Payload(second))
    assert client.greeted


def test_data_and_error_texts_are_told_apart() -> None:
    client = greeted(8080, 443)
    assert client.receive(Payload(b"\x00hello")) == ChannelData(0, False, b"hello")
    assert client.receive(Payload(b"\x03refused")) == ChannelData(1, True, b"refused")


def test_data_may_follow_the_port_in_one_message_and_the_port_may_come_in_halves() -> None:
    client = Channels(Role.CLIENT, [8080])
    assert client.receive(Payload(b"\x00\x90\x1fhello")) == ChannelData(0, False, b"hello")
    assert client.receive(Payload(b"\x01\x90")) is None
    assert client.receive(Payload(b"\x01\x1ftext")) == ChannelData(0, True, b"text")


def test_only_the_first_piece_of_a_message_names_the_channel() -> None:
    client = greeted(80)
    pieces = [Payload(b"\x01ab", True, False), Payload(b"\x00c", False, False), Payload(b"", False, True)]
    assert [client.receive(piece) for piece in pieces] == [
        ChannelData(0, True, b"ab"), ChannelData(0, True, b"\x00c"), None,
    ]  # fmt: skip


def test_empty_messages_mean_nothing() -> None:
    client = greeted(80)
    assert client.receive(Payload(b"")) is None
    assert client.receive(Payload(b"\x00")) is None


def test_a_server_reads_no_port_first_and_nothing_from_error_channels() -> None:
    server = Channels(Role.SERVER, [80])
    assert server.greeted
    assert server.receive(Payload(b"\x00hello")) == ChannelData(0, False, b"hello")
    assert server.receive(Payload(b"\x01what")) is None


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([b"\x00\x91\x1f"], "named port 8081 where 8080 was asked for"),
        ([b"\x01\x1f\x90"], "named port 36895 where 8080"),
        ([b"\x00\x00", b"\x00\x00"], "named port 0"),
        ([b"\x02\x90\x1f"], "on channel 2 of 2"),
        ([b"\xff"], "on channel 255 of 2"),
        ([b"\x00\x90\x1f", b"\x01\x90\x1f", b"\x04data"], "on channel 4 of 2"),
    ],
)
def test_a_wrong_port_or_channel_is_one_error_for_good(messages: list[bytes], why: str) -> None:
    client = Channels(Role.CLIENT, [8080])
    with pytest.raises(ChannelError, match=why):
        for message in messages:
            client.receive(Payload(message))
    with pytest.raises(ChannelError, match=why):
        client.receive(Payload(b"\x00\x90\x1f"))


@pytest.mark.parametrize("size", [0, 1, MAX_DATA, MAX_DATA + 1, 3 * MAX_DATA])
def test_long_data_is_cut_into_messages_of_64_kib(size: int) -> None:
    parts = list(Channels(Role.CLIENT, [80]).messages(0, bytes(size)))
    assert all(len(data) <= MAX_DATA for _, data in parts)
    assert b"".join(data for _, data in parts) == bytes(size)


@quick
@given(
    st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=200), st.booleans()), max_size=8),
    places,
)
def test_what_a_server_says_reaches_the_client_through_websocket_however_it_is_cut(
    said: list[tuple[int, bytes, bool]], at: list[int]
) -> None:
    ports = [8080, 443, 65535]
    server, sender = Channels(Role.SERVER, ports), WebSocketConnection(Role.SERVER)
    wire = b"".join(chunk for message in server.greet() for chunk in sender.send(message))
    for index, data, error in said:
        wire += b"".join(
            c for parts in server.messages(index, data, error=error) for c in sender.send(*parts)
        )
    client, receiver = Channels(Role.CLIENT, ports), WebSocketConnection(Role.CLIENT, masks=lambda: b"mask")
    heard = {(index, error): b"" for index in range(3) for error in (False, True)}
    for piece in cut(wire, at):
        for event in receiver.receive(piece):
            assert isinstance(event, Payload)
            if got := client.receive(event):
                heard[got.index, got.error] += got.data
    for key in heard:
        assert heard[key] == b"".join(data for index, data, error in said if (index, error) == key)
    assert client.greeted
