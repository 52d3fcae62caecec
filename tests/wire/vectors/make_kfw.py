"""The frames of kfw that spdystream has read: `python -m tests.wire.vectors.make_kfw > tests/wire/vectors/kfw.hex`."""

from kfw.wire.codec import Role
from kfw.wire.portforward import open_connection
from kfw.wire.spdy import SpdyConnection


def frames() -> bytes:
    tunnel = SpdyConnection(Role.CLIENT)
    opening = open_connection(tunnel, 8080, 0, b"GET / HTTP/1.0\r\n\r\n")
    last = tunnel.data(opening.data, b"", fin=True)
    again = open_connection(tunnel, 5432, 1, b"\0" * 300)
    return b"".join(
        (opening.wire, *last, again.wire, tunnel.rst(again.data), tunnel.ping()[1], tunnel.goaway())
    )


if __name__ == "__main__":
    print(frames().hex())
