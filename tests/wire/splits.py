"""Feeding a codec in pieces, and comparing what came out whatever the pieces were."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st

from kfw.wire.spdy_frames import Data
from kfw.wire.websocket_frames import Payload

E = TypeVar("E")

#: For properties: the suite has two busy cores.
quick = settings(max_examples=40, deadline=None)


def cut(wire: bytes, at: Iterable[int]) -> list[bytes]:
    """`wire` cut at the given places; places beyond its end count from the start again."""
    places = [0, *sorted(place % (len(wire) + 1) for place in at), len(wire)]
    return [wire[start:end] for start, end in pairwise(places)]


def byte_by_byte(wire: bytes) -> list[bytes]:
    return [wire[at : at + 1] for at in range(len(wire))]


def feed(receive: Callable[[bytes], Sequence[E]], pieces: Iterable[bytes]) -> list[E]:
    return [event for piece in pieces for event in receive(piece)]


def joined(events: Iterable[object]) -> list[object]:
    """The events with adjacent pieces of one stream or message put together."""
    whole: list[object] = []
    for event in events:
        whole.append(_together(whole.pop(), event) if whole and _continues(whole[-1], event) else event)
    return whole


def _continues(before: object, event: object) -> bool:
    if isinstance(before, Data) and isinstance(event, Data):
        return before.stream == event.stream and not before.fin
    return isinstance(before, Payload) and isinstance(event, Payload) and not before.end and not event.start


def _together(before: object, event: object) -> object:
    if isinstance(before, Data) and isinstance(event, Data):
        return msgspec.structs.replace(event, payload=before.payload + event.payload)
    assert isinstance(before, Payload) and isinstance(event, Payload)
    return msgspec.structs.replace(event, data=before.data + event.data, start=before.start)


places = st.lists(st.integers(0, 1 << 20), max_size=12)
