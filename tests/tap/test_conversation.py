"""Which protocol it is; masks; and the files that are made of it."""

import base64
import gzip
import io
import struct

import pytest

from kfw.protocol import TapEvent
from kfw.tap.conversation import Conversation
from kfw.tap.exchange import masked
from kfw.tap.har import har
from kfw.tap.pcap import PcapFile
from tests.tap.hearing import CLIENT, SERVER, Said, heard

GET = b"GET /a?token=V4LUEV4LUE&b=1 HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer V4LUEV4LUE\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "protocol", "sizes"),
    [
        ([(CLIENT, b"\x16\x03\x01\x00\x05hello"), (SERVER, b"\x16\x03\x03")], "TLS", (10, 3)),
        ([(SERVER, b"\x4a\0\0\0mysql"), (CLIENT, b"GET / HTTP/1.1\r\n\r\n")], "TCP", (18, 9)),
        ([(CLIENT, b"\0\0\0\x08\x04\xd2\x16\x2f")], "TCP", (8, 0)),
        ([(CLIENT, b"PING"), (CLIENT, b"\r\n"), (SERVER, b"+PONG\r\n")], "TCP", (6, 7)),
        ([], "TCP", (0, 0)),
    ],
)
@pytest.mark.parametrize("piece", [1, 1000])
def test_what_is_no_http_is_a_connection_of_which_sizes_are_known(
    said: Said, protocol: str, sizes: tuple[int, int], piece: int
) -> None:
    [one] = heard(said, piece=piece)
    assert (one.protocol, (one.request.size, one.response.size)) == (protocol, sizes)
    assert not one.failed
    assert heard(said, why="the pod reset it")[0].failed


def test_what_could_not_be_copied_is_said_and_nothing_is_guessed() -> None:
    conversation = Conversation(TapEvent(connection=3, kind="opened", time=0.0), 0)
    assert not list(conversation.hear(TapEvent(connection=3, kind="client", time=1.0, data=GET)))
    [request] = conversation.hear(TapEvent(connection=3, kind="missed", time=2.0))
    [rest] = conversation.hear(TapEvent(connection=3, kind="closed", time=3.0))
    assert request.note == rest.note == "kfw could not copy it fast enough"
    assert (request.path[:2], rest.protocol, request.failed) == ("/a", "TCP", True)


@pytest.mark.parametrize(
    "name", ["authorization", "Cookie", "Set-Cookie", "Proxy-Authorization", "X-Api-Key", "x-auth-token"]
)
def test_logins_in_headers_are_masked(name: str) -> None:
    assert masked([(name, "V4LUE"), ("accept", "*/*")]) == [(name, "***"), ("accept", "*/*")]


def test_a_HAR_file_has_what_its_readers_need_and_no_login() -> None:
    packed = gzip.compress(b'{"name": "joe"}')
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    said = [(CLIENT, GET), (SERVER, head % len(packed) + packed)]
    made = har(heard(said), "localhost:8080", bodies=True)["log"]
    assert made["version"] == "1.2"
    [entry] = made["entries"]
    assert entry["request"]["url"] == "http://api/a?token=***&b=1"
    assert entry["request"]["queryString"][1] == {"name": "b", "value": "1"}
    assert entry["response"]["content"]["text"] == '{"name": "joe"}'
    assert entry["time"] == sum(entry["timings"].values()) == 1000
    assert "V4LUE" not in str(made)
    without = har(heard(said), "localhost:8080", bodies=False)["log"]["entries"][0]
    assert "text" not in without["response"]["content"]


def test_a_body_that_is_no_text_is_in_base64() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe\0\1"
    [entry] = har(heard([(CLIENT, GET), (SERVER, answer)]), "", bodies=True)["log"]["entries"]
    content = entry["response"]["content"]
    assert (content["encoding"], base64.b64decode(content["text"])) == ("base64", b"\xff\xfe\0\1")


def packets(data: bytes) -> list[bytes]:
    """The file of pcap(5) read back."""
    magic, *_, link = struct.unpack("<IHHiIII", data[:24])
    assert (magic, link) == (0xA1B2C3D4, 101)
    found, at = [], 24
    while at < len(data):
        size = struct.unpack("<IIII", data[at : at + 16])[2]
        found.append(data[at + 16 : at + 16 + size])
        at += 16 + size
    return found


@pytest.mark.parametrize(("client", "head"), [("127.0.0.1:5000", 20), ("[::1]:5000", 40)])
def test_a_capture_file_carries_the_bytes_of_each_side_in_sequence(client: str, head: int) -> None:
    file = io.BytesIO()
    capture = PcapFile(file, 8080)
    capture.hear(TapEvent(connection=1, kind="opened", time=1.5, client=client))
    capture.hear(TapEvent(connection=1, kind="client", time=2.0, data=b"a" * 70_000))
    capture.hear(TapEvent(connection=1, kind="server", time=3.0, data=b"b" * 3))
    capture.hear(TapEvent(connection=1, kind="closed", time=4.0))
    said: dict[int, bytes] = {5000: b"", 8080: b""}
    expected = {5000: 0, 8080: 0}
    for packet in packets(file.getvalue()):
        assert packet[0] >> 4 == (4 if head == 20 else 6)
        assert not _sum(packet[:20]) or head == 40
        tcp = packet[head:]
        source, _, sequence = struct.unpack("!HHI", tcp[:8])
        assert sequence == expected[source]
        said[source] += tcp[20:]
        expected[source] += len(tcp) - 20 + bool(tcp[13] & 3)  # SYN and FIN count
    assert said == {5000: b"a" * 70_000, 8080: b"bbb"}


def _sum(head: bytes) -> int:
    """0 where the checksum is right, RFC 1071."""
    total = sum(struct.unpack("!10H", head))
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
