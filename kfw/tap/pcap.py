"""What a tap sees as a capture file, for Wireshark and the like: made-up packets that carry the real bytes.

Sources: the pcap format (magic 0xa1b2c3d4, link type RAW), RFC 791, 8200 and 9293. Only payload, addresses, ports and times
are real; sizes of packets and the handshake are ours, as kfw sees a stream and no packets.
"""

import array
import socket
import struct
import sys
from dataclasses import dataclass
from typing import BinaryIO

from kfw.protocol import TapEvent

_LINK_RAW = 101
#: Bytes of payload in a packet: with its heads it is below the 65,535 that IP allows.
_MOST = 32 * 1024
_SYN, _ACK, _PUSH, _FIN, _RESET = 0x02, 0x10, 0x08, 0x01, 0x04


@dataclass
class _Side:
    address: str
    port: int
    sequence: int = 0


@dataclass
class _Stream:
    client: _Side
    server: _Side


class PcapFile:
    """Writes as it hears. `port`: the forward's local one. Raises OSError."""

    def __init__(self, file: BinaryIO, port: int) -> None:
        self._file = file
        self._port = port
        self._streams: dict[int, _Stream] = {}
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, _LINK_RAW))

    def hear(self, event: TapEvent) -> None:
        if event.kind == "opened":
            host, _, port = event.client.rpartition(":")
            client = _Side(host.strip("[]") or "127.0.0.1", int(port or 0))
            server = _Side("::1" if ":" in client.address else "127.0.0.1", self._port)
            stream = self._streams[event.connection] = _Stream(client, server)
            self._handshake(stream, event.time)
        elif event.kind in ("client", "server"):
            stream = self._streams[event.connection]
            sides = (stream.client, stream.server)
            source, target = sides if event.kind == "client" else reversed(sides)
            for start in range(0, len(event.data), _MOST):
                self._packet(event.time, source, target, _ACK | _PUSH, event.data[start : start + _MOST])
        elif event.kind == "closed":
            stream = self._streams.pop(event.connection)
            how = _RESET | _ACK if event.why else _FIN | _ACK
            self._packet(event.time, stream.server, stream.client, how)
            if not event.why:
                self._packet(event.time, stream.client, stream.server, _FIN | _ACK)

    def _handshake(self, stream: _Stream, at: float) -> None:
        self._packet(at, stream.client, stream.server, _SYN)
        self._packet(at, stream.server, stream.client, _SYN | _ACK)
        self._packet(at, stream.client, stream.server, _ACK)

    def _packet(self, at: float, source: _Side, target: _Side, flags: int, data: bytes = b"") -> None:
        acknowledged = target.sequence if flags & _ACK else 0
        head = (source.port, target.port, source.sequence, acknowledged, 5 << 4, flags, 65535)
        segment = struct.pack("!HHIIBBHHH", *head, 0, 0) + data
        addresses = _packed(source.address) + _packed(target.address)
        pseudo = addresses + struct.pack("!IBBH", len(segment), 0, 0, socket.IPPROTO_TCP)
        checksum = _checksum(pseudo + segment)
        segment = segment[:16] + struct.pack("!H", checksum) + segment[18:]
        packet = _ip(addresses, segment) + segment
        seconds = int(at)
        self._file.write(struct.pack("<IIII", seconds, int((at - seconds) * 1e6), len(packet), len(packet)))
        self._file.write(packet)
        source.sequence = (source.sequence + len(data) + bool(flags & (_SYN | _FIN))) % 2**32


def _ip(addresses: bytes, segment: bytes) -> bytes:
    if len(addresses) > 8:
        return struct.pack("!IHBB", 6 << 28, len(segment), socket.IPPROTO_TCP, 64) + addresses
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, socket.IPPROTO_TCP, 0)
    return head[:10] + struct.pack("!H", _checksum(head + addresses)) + addresses


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    words = array.array("H", data if len(data) % 2 == 0 else data + b"\0")
    if sys.byteorder == "little":
        words.byteswap()
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
