"""A request and its answer, as far as they were seen; or, of what is no HTTP, a connection."""

from dataclasses import dataclass, field
from typing import Protocol

from kfw.secret import is_secret_name, redact

#: Headers whose values are logins, although no word of their names says so.
_LOGINS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
MASKED = "***"

Headers = list[tuple[str, str]]


class Odd(Exception):
    """What was said is not what this protocol would say."""


@dataclass
class ExchangeSide:
    """`size`: bytes of the body; `body`: of these as many as are kept. `complete`: its end was seen."""

    headers: Headers = field(default_factory=list)
    size: int = 0
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    #: Of gRPC.
    messages: int = 0

    def add(self, data: bytes, keep: int) -> None:
        self.size += len(data)
        if (room := keep - len(self.body)) > 0:
            self.body += data[:room]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass
class Exchange:
    """Times in seconds since 1970; None: that was not seen.

    `protocol`: HTTP/1.0, HTTP/1.1, HTTP/2, gRPC; TLS and TCP are a whole connection each, of which only sizes are known.
    `note`: what is unusual about its end. `grpc_status`: a number of the gRPC specification.
    """

    protocol: str
    began: float
    method: str = ""
    path: str = ""
    host: str = ""
    status: int | None = None
    first_byte: float | None = None
    ended: float | None = None
    request: ExchangeSide = field(default_factory=ExchangeSide)
    response: ExchangeSide = field(default_factory=ExchangeSide)
    grpc_status: int | None = None
    grpc_message: str = ""
    note: str = ""
    #: Of the connection; the endpoint is known when that has ended, or never.
    connection: int = 0
    client: str = ""

    @property
    def seconds(self) -> float:
        return (self.ended or self.began) - self.began

    @property
    def failed(self) -> bool:
        """Without an answer, or with one that says that something is wrong."""
        if self.protocol in ("TLS", "TCP"):
            return bool(self.note)
        if self.status is None or not self.response.complete:
            return True
        return self.status >= 400 or self.grpc_status not in (None, 0)


def small_number(text: str) -> int | None:
    """Of a status: whoever says it may say anything."""
    return int(text) if len(text) < 10 and text.isascii() and text.isdigit() else None


class Reader(Protocol):
    """One connection's bytes -> exchanges that are over. Raises Odd for what its protocol does not say."""

    def read(self, data: bytes, at: float, *, by_client: bool) -> list[Exchange]: ...
    def end(self, at: float, why: str) -> list[Exchange]:
        """Those that were not over."""
        ...


def masked(headers: Headers) -> Headers:
    """With three stars for what is a login or the like."""
    return [
        (name, MASKED if name.lower() in _LOGINS or is_secret_name(name) else redact(value))
        for name, value in headers
    ]
