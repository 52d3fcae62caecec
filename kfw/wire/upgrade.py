"""How an HTTP/1.1 connection becomes a tunnel: the request, the checks of the answer, and the server's half. Pure.

Two ways lead through `/api/v1/namespaces/N/pods/P/portforward` (docs/tunnel.md, Transports): POST with
`Upgrade: SPDY/3.1`; GET with `Upgrade: websocket` and the protocol TUNNEL, which carries SPDY.

What goes into a header is as Go's net/http has it, which kubectl is made of:
https://pkg.go.dev/golang.org/x/net/http/httpguts#ValidHeaderFieldValue, and TrimString where it is written.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h11

from kfw.errors import KfwError
from kfw.secret import reveal
from kfw.wire.codec import WireError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What no value can hold, and its name; a tab is allowed.
_FAULTS = {"\n": "a line break", "\r": "a line break", "\0": "a NUL character"}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
SPDY = "SPDY/3.1"
PORT_FORWARD = "portforward.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_MAX_HEAD = 64 * 1024
_MAX_BODY = 64 * 1024
_MAX_WORDS = 100  # characters of it that are repeated to the user

HeaderList = list[tuple[str, str]]


def encode_header(name: str, value: str) -> tuple[bytes, bytes]:
    """UTF-8, as Go sends it; of a value that was read as bytes these bytes. `value` may be a Secret."""
    return name.encode("ascii"), reveal(value).strip(" \t").encode(errors="surrogateescape")


def header_fault(value: str) -> str | None:
    """What stands in it that no header can hold: `a line break`; never the value itself."""
    found = _CONTROL.search(reveal(value).strip(" \t"))
    return _FAULTS.get(found[0], f"the control character {found[0]!a}") if found else None


def is_header_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


class UpgradeRefused(KfwError):
    """The other side does not upgrade. `status` is the HTTP status that it answered, or is to be answered."""

    def __init__(self, what: str, fix: str = "", *, status: int) -> None:
        super().__init__(what, fix)
        self.status = status


@dataclass(frozen=True)
class UpgradeAnswer:
    """What came back. Header names are lower case; `body` at most 64 KiB of it; `rest` belongs to the new protocol."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes = b""
    rest: bytes = b""


class Upgrading:
    """A client's request for an upgrade: write `request`, then `receive` until there is an Answer."""

    def __init__(self, method: str, target: str, headers: Sequence[tuple[str, str]]) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._head: h11.Response | None = None
        self._body = bytearray()
        encoded = [encode_header(name, value) for name, value in headers]
        try:
            head = self._http.send(h11.Request(method=method, target=target, headers=encoded))
        except h11.LocalProtocolError as error:
            raise WireError(f"cannot ask for {target}: {error}") from error
        self.request: bytes = (head or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    def receive(self, data: bytes) -> UpgradeAnswer | None:
        """The answer, once it is there. `data` b"" means that the far side closed. Raises WireError."""
        try:
            self._http.receive_data(data)
            return self._read()
        except h11.RemoteProtocolError as error:
            if self._head is not None:
                return self._answer(self._head)  # the body broke off; its status is known
            raise WireError(f"the far side's answer is not HTTP: {error}") from error

    def _read(self) -> UpgradeAnswer | None:
        while True:
            event = self._http.next_event()
            match event:
                case h11.InformationalResponse(status_code=101):
                    return self._answer(event, self._http.trailing_data[0])
                case h11.Response():
                    self._head = event
                case h11.Data():
                    self._body += event.data[: _MAX_BODY - len(self._body)]
                case h11.InformationalResponse():
                    continue
                case _ if event is h11.NEED_DATA and len(self._body) < _MAX_BODY:
                    return None
                case _ if self._head is not None:
                    return self._answer(self._head)
                case _:
                    raise WireError("the far side closed the connection before it answered")

    def _answer(self, head: h11.Response | h11.InformationalResponse, rest: bytes = b"") -> UpgradeAnswer:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        reason = bytes(head.reason).decode("latin-1")[:_MAX_WORDS]
        return UpgradeAnswer(head.status_code, reason, headers, bytes(self._body), bytes(rest))


def spdy_headers() -> HeaderList:
    return [("Connection", "Upgrade"), ("Upgrade", SPDY), ("X-Stream-Protocol-Version", PORT_FORWARD)]


def websocket_headers(key: bytes, protocol: str) -> HeaderList:
    """`key`: 16 random bytes, new for each request."""
    return [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(key).decode()),
        ("Sec-WebSocket-Protocol", protocol),
    ]


def check_spdy(answer: UpgradeAnswer) -> None:
    """Raises UpgradeRefused."""
    _check_switched(answer, SPDY)


def check_websocket(answer: UpgradeAnswer, key: bytes, protocol: str) -> None:
    """Raises UpgradeRefused, also where the server speaks WebSocket but not `protocol`."""
    _check_switched(answer, "websocket")
    if answer.headers.get("sec-websocket-accept") != _accept(base64.b64encode(key).decode()):
        raise UpgradeRefused("the far side's Sec-WebSocket-Accept is wrong", status=answer.status)
    if "sec-websocket-extensions" in answer.headers:
        raise UpgradeRefused(
            "the far side chose a WebSocket extension that was not requested", status=answer.status
        )
    chosen = answer.headers.get("sec-websocket-protocol", "")
    if chosen != protocol:
        raise UpgradeRefused(
            f"the far side chose protocol '{chosen[:_MAX_WORDS]}', not '{protocol}'", status=answer.status
        )


def _check_switched(answer: UpgradeAnswer, protocol: str) -> None:
    if answer.status != 101:
        what = f"the far side answered {answer.status} {answer.reason}".rstrip()
        raise UpgradeRefused(what, status=answer.status)
    if answer.headers.get("upgrade", "").lower() != protocol.lower() or not _has_upgrade(answer.headers):
        raise UpgradeRefused(f"the far side switched, but not to {protocol}", status=answer.status)


def accept_spdy(headers: Mapping[str, str]) -> HeaderList:
    """The server's half: the headers of the 101 answer. `headers` have lower-case names. Raises UpgradeRefused."""
    if headers.get("upgrade", "").lower() != SPDY.lower() or not _has_upgrade(headers):
        raise UpgradeRefused(f"unable to upgrade: no upgrade to {SPDY} was asked for", status=400)
    offered = _list(headers.get("x-stream-protocol-version", ""))
    if not offered:
        raise UpgradeRefused("unable to upgrade: X-Stream-Protocol-Version is missing", status=400)
    if PORT_FORWARD not in offered:
        raise UpgradeRefused(f"unable to upgrade: {offered} are unknown, use {PORT_FORWARD}", status=403)
    return spdy_headers()


def accept_websocket(headers: Mapping[str, str], supported: Sequence[str]) -> tuple[str, HeaderList]:
    """The server's half: the protocol, the client's first that is supported, and the headers of the 101 answer.

    `headers` have lower-case names. Raises UpgradeRefused.
    """
    key = _check_request(headers)
    offered = _list(headers.get("sec-websocket-protocol", ""))
    chosen = next((protocol for protocol in offered if protocol in supported), None)
    if chosen is None:
        raise UpgradeRefused(f"protocols {offered} are unknown, use one of {list(supported)}", status=403)
    answer = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", _accept(key))]
    return chosen, [*answer, ("Sec-WebSocket-Protocol", chosen)]


def _check_request(headers: Mapping[str, str]) -> str:
    """The key of a WebSocket request (RFC 6455, section 4.2.1)."""
    if headers.get("upgrade", "").lower() != "websocket" or not _has_upgrade(headers):
        raise UpgradeRefused("no upgrade to websocket was asked for", status=400)
    if headers.get("sec-websocket-version", "").strip() != "13":
        raise UpgradeRefused("only version 13 of WebSocket is spoken here", status=426)
    key = headers.get("sec-websocket-key", "").strip()
    try:
        size = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size != 16:
        raise UpgradeRefused("Sec-WebSocket-Key is not 16 bytes in base64", status=400)
    return key


def _accept(key: str) -> str:
    import hashlib  # 0.6 MB that a daemon on raw SPDY does without

    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def _has_upgrade(headers: Mapping[str, str]) -> bool:
    return "upgrade" in (token.lower() for token in _list(headers.get("connection", "")))


def _list(value: str) -> list[str]:
    return [token.strip() for token in value.split(",") if token.strip()]
