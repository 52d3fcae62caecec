"""Fewer and larger pieces: each is a write, and over TLS a record, which a proxy reads and writes one by one. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from kfw.wire.codec import Chunk
from kfw.wire.spdy_frames import Data, Event


def merged(events: Iterable[Event]) -> Iterator[Event]:
    """Pieces of one stream that follow each other become one."""
    parts: list[Data] = []
    for event in events:
        if parts and not (isinstance(event, Data) and event.stream == parts[0].stream):
            yield _as_one(parts)
            parts = []
        if isinstance(event, Data):
            parts.append(event)
        else:
            yield event
    if parts:
        yield _as_one(parts)


def joined(chunks: Sequence[Chunk]) -> Chunk:
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _as_one(parts: Sequence[Data]) -> Data:
    if len(parts) == 1:
        return parts[0]
    return Data(parts[0].stream, b"".join([part.payload for part in parts]), parts[-1].fin)
