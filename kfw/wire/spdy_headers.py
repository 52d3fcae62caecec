"""SPDY/3 header blocks: counted names and values, in one zlib stream for all frames of a direction.

Source: SPDY Protocol Draft 3.1, section 2.6.10. Names are lower case and come once; several values of one name are
joined by NUL. Text is read and written as Latin-1, so that any byte survives.

The dictionary has 1423 bytes, the same in every implementation (section 2.6.10.1): a list of names, each after its
length in 4 bytes, and a tail of other frequent text without lengths. Its Adler-32 is 0xe3c6a7c2, by which a header
stream names it.
"""

import zlib
from collections.abc import Mapping
from struct import Struct

from kfw.wire.spdy_frames import FrameLimits, SpdyError

_NAMES = (
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|"
    "accept-ranges|age|allow|authorization|cache-control|connection|content-base|content-encoding|"
    "content-language|content-length|content-location|content-md5|content-range|content-type|date|etag|"
    "expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|"
    "last-modified|location|max-forwards|pragma|proxy-authenticate|proxy-authorization|range|referer|"
    "retry-after|server|te|trailer|transfer-encoding|upgrade|user-agent|vary|via|warning|"
    "www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-cookie|keep-alive|"
    "origin"
)

_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)

_COUNTED = [len(name).to_bytes(4, "big") + name.encode() for name in _NAMES.split("|")]
DICTIONARY: bytes = b"".join(_COUNTED) + _TAIL.encode()
_NUMBER = Struct(">I")
_STORED = Struct("<BHH")  # deflate: the block's type, its length, its length inverted (RFC 1951, 3.2.4)
_MAX_STORED = 0xFFFF
_ZLIB_HEAD = b"\x78\x01"  # without a dictionary: stored blocks have no use for one
_FLUSH = _STORED.pack(0, 0, 0xFFFF)


class HeaderWriter:
    """Writes header blocks as stored deflate blocks: valid zlib without a compressor (82 KB for each).

    Seen: the container runtime of a real cluster took 500 of 500 of these.
    """

    def __init__(self) -> None:
        self._head = _ZLIB_HEAD

    def encode(self, headers: Mapping[str, str]) -> bytes:
        """The next block of this direction: it must reach the wire in the order of the calls."""
        head, self._head = self._head, b""
        return head + b"".join(_stored(plain_block(headers))) + _FLUSH


def plain_block(headers: Mapping[str, str]) -> bytes:
    texts = [text for name, value in headers.items() for text in (name.lower(), value)]
    return _NUMBER.pack(len(headers)) + b"".join(_counted(text.encode("latin-1")) for text in texts)


def _counted(text: bytes) -> bytes:
    return _NUMBER.pack(len(text)) + text


def _stored(block: bytes) -> list[bytes]:
    pieces = [block[at : at + _MAX_STORED] for at in range(0, len(block), _MAX_STORED)]
    return [_STORED.pack(0, len(piece), len(piece) ^ 0xFFFF) + piece for piece in pieces]


class HeaderReader:
    """Inflates and reads the peer's header blocks: some 12 KB for a connection, from the first block on."""

    def __init__(self, limits: FrameLimits) -> None:
        self._limits = limits
        self._zlib: zlib._Decompress | None = None

    def decode(self, block: bytes) -> dict[str, str]:
        """Every block of this direction must come through here, in order. Raises SpdyError."""
        return read_block(self._inflate(block), self._limits.headers)

    def _inflate(self, block: bytes) -> bytes:
        if self._zlib is None:
            self._zlib = zlib.decompressobj(zdict=DICTIONARY)
        try:
            plain = self._zlib.decompress(block, self._limits.header_block + 1)
        except zlib.error as error:
            raise SpdyError(f"the far side's header block is not zlib: {error}") from error
        if len(plain) > self._limits.header_block:
            raise SpdyError(f"the far side's header block is of more than {self._limits.header_block} bytes")
        if self._zlib.eof:
            raise SpdyError("the far side ended the zlib stream of its headers")
        return plain


def read_block(block: bytes, most: int) -> dict[str, str]:
    count, at = _read_number(block, 0)
    if count > most:
        raise SpdyError(f"the far side sent {count} headers at once, more than {most}")
    headers: dict[str, str] = {}
    for _ in range(count):
        name, at = _read_text(block, at)
        headers[_new_name(name, headers)], at = _read_text(block, at)
    if at != len(block):
        raise SpdyError("the far side's header block is longer than what it holds")
    return headers


def _new_name(name: str, headers: Mapping[str, str]) -> str:
    if not name or name != name.lower() or name in headers:
        raise SpdyError(f"the far side sent a header nameless, in upper case or twice: {name[:64]!r}")
    return name


def _read_number(block: bytes, at: int) -> tuple[int, int]:
    if at + _NUMBER.size > len(block):
        raise SpdyError("the far side's header block is cut off")
    return _NUMBER.unpack_from(block, at)[0], at + _NUMBER.size


def _read_text(block: bytes, at: int) -> tuple[str, int]:
    length, at = _read_number(block, at)
    if at + length > len(block):
        raise SpdyError("the far side's header block is cut off")
    return block[at : at + length].decode("latin-1"), at + length
