"""What happens on a SPDY connection: the events of spdy.Connection.receive."""

from enum import IntEnum
from typing import TypeAlias

import msgspec


class Status(IntEnum):
    """Why a stream was reset, as far as kfw says it; a peer may send others (section 2.6.3)."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6


class SynStream(msgspec.Struct, frozen=True, gc=False):
    """The peer opens a stream. `fin`: it will send nothing on it; `unidirectional`: it wants nothing back."""

    stream: int
    headers: dict[str, str]
    fin: bool = False
    unidirectional: bool = False


class SynReply(msgspec.Struct, frozen=True, gc=False):
    stream: int
    headers: dict[str, str]
    fin: bool = False


class Headers(msgspec.Struct, frozen=True, gc=False):
    stream: int
    headers: dict[str, str]
    fin: bool = False


class Data(msgspec.Struct, frozen=True, gc=False):
    """A piece of a stream, not always a whole frame. `fin`: the last one; then `payload` may be empty."""

    stream: int
    payload: bytes
    fin: bool = False


class Rst(msgspec.Struct, frozen=True, gc=False):
    """The peer reset a stream; `status` is one of Status or any other number but 0."""

    stream: int
    status: int


class Ping(msgspec.Struct, frozen=True, gc=False):
    """The peer asks: answer it with `pong(number)`."""

    number: int


class Pong(msgspec.Struct, frozen=True, gc=False):
    """The peer's answer to our ping."""

    number: int


class Goaway(msgspec.Struct, frozen=True, gc=False):
    """The peer takes no more streams; it has seen ours up to `last_stream`. `status` 0 is a normal end."""

    last_stream: int
    status: int


Event: TypeAlias = SynStream | SynReply | Headers | Data | Rst | Ping | Pong | Goaway
