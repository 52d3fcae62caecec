"""Header blocks: the dictionary, the limits, and the bombs that they are there for."""

import hashlib
import tracemalloc
import zlib

import pytest

from kfw.wire.spdy_frames import FrameLimits, SpdyError
from kfw.wire.spdy_headers import DICTIONARY, HeaderReader, HeaderWriter, plain_block


def compressed(*blocks: bytes) -> list[bytes]:
    """As other implementations send them: one stream with the dictionary, flushed after each block."""
    stream = zlib.compressobj(9, zdict=DICTIONARY)
    return [stream.compress(block) + stream.flush(zlib.Z_SYNC_FLUSH) for block in blocks]


def test_the_dictionary_is_the_specifications() -> None:
    """Length and Adler-32 as every SPDY/3 stream names it; the hash is of moby/spdystream's and Go's own table."""
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2
    assert hashlib.sha256(DICTIONARY).hexdigest().startswith("51d27341373f923f3cd88e1eb7162aea")


def test_compressed_blocks_are_read_in_order() -> None:
    titles = [{"accept": "text/plain", "n": str(n)} for n in range(10)]
    reader = HeaderReader(FrameLimits())
    assert [reader.decode(block) for block in compressed(*map(plain_block, titles))] == titles


def test_stored_blocks_are_read_by_the_same_reader() -> None:
    writer, reader = HeaderWriter(), HeaderReader(FrameLimits())
    for titles in ({"a": "1"}, {}, {"b": "x" * 60_000}):
        assert reader.decode(writer.encode(titles)) == titles


def test_every_byte_survives_in_a_value() -> None:
    value = bytes(range(256)).decode("latin-1")
    assert HeaderReader(FrameLimits()).decode(HeaderWriter().encode({"x": value})) == {"x": value}


def test_a_bomb_is_one_error_and_costs_no_memory() -> None:
    (bomb,) = compressed(bytes(50_000_000))
    assert len(bomb) < 64 * 1024
    tracemalloc.start()
    try:
        with pytest.raises(SpdyError, match="of more than 65536 bytes"):
            HeaderReader(FrameLimits()).decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_of_a_block_is_exact(over: int) -> None:
    size = 4 + 4 + 1 + 4  # the count, and the frame of one header with a name of one letter
    block = plain_block({"x": "y" * (1000 - size + over)})
    reader = HeaderReader(FrameLimits(header_block=1000))
    if over:
        with pytest.raises(SpdyError, match="of more than 1000 bytes"):
            reader.decode(compressed(block)[0])
    else:
        assert len(reader.decode(compressed(block)[0])["x"]) == 1000 - size


def test_a_count_beyond_the_limit_is_refused_before_it_is_believed() -> None:
    with pytest.raises(SpdyError, match="4294967295 headers at once, more than 128"):
        HeaderReader(FrameLimits()).decode(compressed(b"\xff\xff\xff\xff")[0])


CUT = "cut off"
NAME = "nameless, in upper case or twice"
MALFORMED: dict[str, tuple[bytes, str]] = {
    "no count": (b"", CUT),
    "half a count": (b"\0\0", CUT),
    "a header is missing": (plain_block({"a": "b"})[:4], CUT),
    "a name is cut": (plain_block({"abc": "b"})[:9], CUT),
    "a value's length is cut": (plain_block({"a": "b"})[:11], CUT),
    "a value is missing": (plain_block({"a": "b"})[:9], CUT),
    "a value is cut": (plain_block({"a": "bcd"})[:-1], CUT),
    "a length is huge": (b"\0\0\0\1\xff\xff\xff\xffx", CUT),
    "there is more than counted": (plain_block({"a": "b"}) + b"x", "longer than what it holds"),
    "the count is too small": (b"\0\0\0\0" + plain_block({"a": "b"})[4:], "longer than what it holds"),
    "a name is empty": (plain_block({"": "b"}), NAME),
    "a name is upper case": (b"\0\0\0\1\0\0\0\1A\0\0\0\0", NAME),
    "a name comes twice": (b"\0\0\0\2" + 2 * b"\0\0\0\1a\0\0\0\0", NAME),
}


@pytest.mark.parametrize(("block", "why"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_block_is_one_error(block: bytes, why: str) -> None:
    with pytest.raises(SpdyError, match=why):
        HeaderReader(FrameLimits()).decode(compressed(block)[0])


def ended() -> bytes:
    stream = zlib.compressobj(9, zdict=DICTIONARY)
    return stream.compress(plain_block({})) + stream.flush()


BROKEN_ZLIB: dict[str, bytes] = {
    "not zlib at all": b"GET / HTTP/1.1",
    "another dictionary": zlib.compressobj(zdict=b"other words").flush(),
    "a wrong check sum": ended()[:-1] + b"\0",
    "an end": ended(),
    "an unknown kind of block": b"\x78\x01\x07\xff\xff",
    "a stored block whose length is not confirmed": b"\x78\x01\x00\x04\x00\x00\x00abcd",
}


@pytest.mark.parametrize("block", BROKEN_ZLIB.values(), ids=BROKEN_ZLIB)
def test_a_broken_zlib_stream_is_one_error(block: bytes) -> None:
    with pytest.raises(SpdyError, match=r"not zlib|ended the zlib stream"):
        HeaderReader(FrameLimits()).decode(block)
