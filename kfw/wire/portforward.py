"""What `portforward.k8s.io` says over SPDY, and what the far side's error texts prove. Pure.

A connection is two streams with one request id: `error`, on which we send nothing, and `data`. SYN, SYN and
the first DATA may leave in one write: the far side handles a stream's frames in order, so an open costs no
round trip (2000 of 2000 through a real API server and kubelet; docs/tunnel.md). The texts are those
of containerd, CRI-O, the kubelet and, before 2021, socat, each read in its source or in a user's report.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kfw.errors import KfwError
from kfw.wire.spdy import SpdyConnection

STREAM_TYPE, PORT, REQUEST_ID = "streamtype", "port", "requestid"
ERROR, DATA = "error", "data"
#: Of an error text, more than this is not worth keeping.
MAX_TEXT = 4 * 1024
#: Characters of one that are shown to people.
_SHOWN = 200


@dataclass(frozen=True)
class Opening:
    """The two streams of a connection, and the bytes that open them, for one write."""

    error: int
    data: int
    wire: bytes


def open_connection(tunnel: SpdyConnection, port: int, request_id: int, first: bytes = b"") -> Opening:
    """`request_id` must be new on this tunnel; `first` is what the client has sent already.

    Data for a port that refuses blocks the tunnel (docs/tunnel.md, Surprises of the wire).
    """
    headers = {PORT: str(port), REQUEST_ID: str(request_id)}
    error, syn_error = tunnel.open_stream({STREAM_TYPE: ERROR, **headers}, fin=True)
    data, syn_data = tunnel.open_stream({STREAM_TYPE: DATA, **headers})
    return Opening(error, data, b"".join((syn_error, syn_data, *tunnel.data(data, first))))


@dataclass(frozen=True)
class StreamRequest:
    """What a SYN_STREAM asks a server for."""

    type: str  # ERROR or DATA
    port: int
    request_id: str


class BadStream(KfwError):
    """A server answers the stream with RST_STREAM."""


def read_request(stream: int, headers: Mapping[str, str]) -> StreamRequest:
    """The server's half, with the kubelet's rules and words. Raises BadStream."""
    port, kind = headers.get(PORT, ""), headers.get(STREAM_TYPE, "")
    if not port:
        raise BadStream('"port" header is required')
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise BadStream(f'unable to parse "{port}" as a port')
    if kind not in (ERROR, DATA):
        raise BadStream(f'invalid stream type "{kind}"' if kind else '"streamType" header is required')
    # Clients that send no id open both streams in turn, the error stream first.
    return StreamRequest(kind, int(port), headers.get(REQUEST_ID) or str(stream - (2 if kind == DATA else 0)))


class FailureKind(StrEnum):
    REFUSED = "refused"  # nothing listens on the port
    GONE = "gone"  # the pod's sandbox is not there any more
    UNSUPPORTED = "unsupported"  # the node cannot forward at all
    RESET = "reset"  # the app, or what is between, broke the connection
    UNKNOWN = "unknown"


_SAFE = frozenset({FailureKind.REFUSED, FailureKind.GONE, FailureKind.UNSUPPORTED})


@dataclass(frozen=True)
class Refusal:
    """`safe`: the app provably got nothing, so the connection may be tried elsewhere. `text`: the far side's words."""

    kind: FailureKind
    safe: bool
    text: str


# What the kubelet puts before the runtime's words; with Docker the pod's name is in it, which may hold anything.
_PREFIX = re.compile(r"^error forwarding port \d+ to pod \S+, uid \S*?\s?: ", re.ASCII)
_BROKEN = re.compile(r"reset by peer|broken pipe|\b(read|write)( tcp|\()|i/o timeout|timed out", re.I)
_UNSUPPORTED = re.compile(r"^unable to do port forwarding: (socat|nsenter) not found", re.I)
_GONE = re.compile(
    r"(failed|could not) (to )?find sandbox"
    r"|network namespace (for|path of) sandbox \S+ is (closed|empty)"
    r"|sandbox \S+ is not running"
    r"|(PodSandbox|sandbox|container|pod)\b.* not found"
    r"|no such container",
    re.I | re.S,
)


def classify(text: str, port: int) -> Refusal:
    """What the text of an error stream proves about a connection to `port`. What is not known is not safe.

    "Connection refused" counts only for a dial of that port, and only if nothing else happened: an app that
    resets while the runtime still dials reads "failed to connect ... connection reset by peer", and did
    accept.
    """
    text = _plain(text)
    words = bare(text)
    if _UNSUPPORTED.search(words):
        kind = FailureKind.UNSUPPORTED
    elif _BROKEN.search(words):
        kind = (
            FailureKind.RESET if re.search(r"reset by peer|broken pipe", words, re.I) else FailureKind.UNKNOWN
        )
    elif _is_refused(words, port):
        kind = FailureKind.REFUSED
    elif _GONE.search(words):
        kind = FailureKind.GONE
    else:
        kind = FailureKind.UNKNOWN
    return Refusal(kind, kind in _SAFE, text)


def bare(text: str) -> str:
    """The runtime's words, without what the kubelet puts before them."""
    return _PREFIX.sub("", text)


def _is_refused(words: str, port: int) -> bool:
    dialled = rf"(localhost|127\.0\.0\.1|\[::1\]|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):{port}(?!\d)"
    return bool(re.search(r"connect\b.*connection refused", words, re.I | re.S) and re.search(dialled, words))


def _plain(text: str) -> str:
    """The text on one line; newer kubelets send it as the `message` of a JSON object."""
    text = text[:MAX_TEXT]
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            text = value["message"]
    return " ".join(text.split())


def refused_text(port: int, sandbox: str) -> str:
    """What containerd and the kubelet say when nothing listens on a port."""
    return (
        f"error forwarding port {port} to pod {sandbox}, uid : failed to execute portforward in network namespace "
        f'"/var/run/netns/{sandbox}": failed to connect to localhost:{port} inside namespace "{sandbox}", '
        f"IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused "
        f"IPv6 dial tcp6 [::1]:{port}: connect: connection refused"
    )


def gone_text(port: int, sandbox: str) -> str:
    """What they say when the pod is gone."""
    return f'error forwarding port {port} to pod {sandbox}, uid : failed to find sandbox "{sandbox}" in store: not found'


def reset_text(port: int, sandbox: str) -> str:
    """What they say when the app resets the connection."""
    return (
        f"error forwarding port {port} to pod {sandbox}, uid : failed to execute portforward in network namespace "
        f'"/var/run/netns/{sandbox}": read tcp4 127.0.0.1:41234->127.0.0.1:{port}: read: connection reset by peer'
    )


def in_short(refusal: Refusal, pod: str, port: int, declared: Sequence[str] | None = None) -> str:
    """Why a connection failed, for people: the runtime's own words are 500 characters.

    `declared`: the ports that the pod says it has, if that is known.
    """
    match refusal.kind:
        case FailureKind.REFUSED:
            listens = f"nothing listens on port {port} in pod {pod} (connection refused)"
            return listens + what_it_has(port, declared)
        case FailureKind.GONE:
            return f"pod {pod} is gone"
        case FailureKind.RESET:
            return f"the app in pod {pod} reset the connection to port {port}"
        case FailureKind.UNSUPPORTED:
            return f"the node of pod {pod} cannot forward ports: {_cut(bare(refusal.text))}"
        case FailureKind.UNKNOWN:
            return f"cannot reach port {port} of pod {pod}: {_cut(bare(refusal.text))}"


def what_it_has(port: int, declared: Sequence[str] | None) -> str:
    """To be said behind the refusal of a port; "" when the pod declares no port, or is not known."""
    if not declared:
        return ""
    if any(one.split(" ")[0] == str(port) for one in declared):
        return ", although it declares that port: the app has not opened it yet, or on another address"
    return f"; it has {', '.join(declared)}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
