"""Requests that nobody should send, from a seed: heads, bodies, and both broken in between.

`requests(seed, count)` gives raw bytes for one connection each. The same seed gives the same requests.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

PATHS = (
    *(f"/v1/{verb}" for verb in ("up", "down", "restart", "retry", "remove")),
    *(
        "/v1/status",
        "/v1/ping",
        "/v1/connections",
        "/v1/events",
        "/v1/openapi.json",
        "/v1/forwards/a/explain",
        "/v1/local-ports/80",
        "/v1/clusters",
        "/v1/logs",
    ),
)
#: POST /v1/stop and /v1/reload are left out: the first would end the daemon, as it should.
_BODIES_GO_TO = PATHS[:5]
_METHODS = (
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "BREW",
    "get",
    "P\u00d6ST",
    "",
)
_TARGETS = (
    "//[x",
    "http://[",
    "http://[::1/v1/status",
    "*",
    "/",
    "",
    "/../../etc/passwd",
    "/v1/forwards//explain",
    "/v1/local-ports/%00",
    "/v1/local-ports/65536",
    "/v1/clusters?kubeconfig=/nonexistent",
    "/v1/logs?lines=99999999&name=(",
    "/v1/logs?name=" + "a" * 20_000,
    "/v1/forwards/%00/explain",
    "/v1/forwards/%ff%fe/explain",
    "/v1/forwards/%1b[2J/explain",
    "/v1/forwards/" + "a" * 20_000 + "/explain",
    "/v1/events?since=-1",
    "/v1/events?since=99999999999999999999999",
    "/v1/events?since=%D9%A1",
    "/v1/events?follow=maybe",
    "/v1/events?" + "&".join(f"a{n}=1" for n in range(2000)),
    "/v1/status?" + "x" * 30_000,
    "/v1/status#[",
    "http://kfw/v1/status",
    "kfw:80",
    "\u2028",
)
_HEADERS = (
    "Expect: 100-continue",
    "Expect: the-unexpected",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: \u0661",
    "Upgrade: websocket\r\nConnection: Upgrade",
    "Connection: close",
    "Host: other",
    "X: \x00",
    "X: \x1b[2J",
    "X:\r\n folded",
    ": no name",
    "no colon",
    "A: " + "x" * 100_000,
    "\r\n".join(f"H{n}: {n}" for n in range(5000)),
    "Content-Type: text/plain",
)
#: JSON as text, where it is not what json.dumps could write.
_TEXTS = (
    "",
    " ",
    "\x00",
    "{",
    "nul",
    "[" * 100_000,
    '{"names":' * 50_000,
    '{"names": ' + "[" * 100_000 + "]" * 100_000 + "}",
    '{"a":' * 5000 + "1" + "}" * 5000,
    '{"names": ["\\ud800"]}',
    '{"names": ["\\u0000"]}',
    '{"names": ["\\udfff\\ud800"]}',
    '{"names": [1e999]}',
    '{"names": [' + "9" * 10_000 + "]}",
    '{"names": NaN}',
    '{"names": ["a"], "names": 3}',
    '{"names": [' + ",".join('"x"' for _ in range(100_000)) + "]}",
    '{"names": ["' + "x" * 1_000_000 + '"]}',
    "\ufeff{}",
    '{"forwards": [], "source": {"key": "k", "cwd": "/"}, "replace": "yes"}',
)

_GOOD: dict[str, Any] = {
    "name": "fuzz",
    "target": {"kind": "service", "name": "api"},
    "target_port": 80,
    "local_port": 0,
    "context": "there-is-none",
    "kubeconfig": ["/nonexistent/kubeconfig"],
}
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 70_000, 65_536, 2**31, 2**63, 2**64, -(2**70), 1e308, 0.5),
    *("", "a", "\x00", "\x1b[2J", "\ud800", "a/b", "a" * 300, "x" * 100_000, "../..", "Ünï", "-", " a "),
    *([], {}, [None], ["a"] * 10, {"kind": "cronjob", "name": "x"}, {"kind": "service", "name": "\x00"}),
    *({"kind": "service"}, {"type": "magic"}, {"interval": 0}, {"initial_delay": -1}, {"multiplier": 1e400}),
)
_KEYS = (
    *(
        "name",
        "target",
        "target_port",
        "local_port",
        "namespace",
        "context",
        "kubeconfig",
        "addresses",
        "method",
    ),
    *(
        "type",
        "api_path",
        "ui",
        "ui_port",
        "proto_files",
        "hold",
        "on_port_in_use",
        "retry",
        "health",
        "profile",
        "enabled",
        "source",
        "nonsense",
    ),
)
#: Where one of the values may stand and the forward would be right: it would start, and that is another test.
_SURELY_WRONG = (
    "target",
    "local_port",
    "addresses",
    "method",
    "on_port_in_use",
    "ui_port",
    "health",
    "retry",
)


def requests(seed: int, count: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(count):
        yield rng.choice(_KINDS)(rng)


def head(method: str, target: str, *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: kfw", *headers, "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass")


def post(path: str, body: bytes, *headers: str) -> bytes:
    return head("POST", path, f"Content-Length: {len(body)}", *headers) + body


def _odd_head(rng: random.Random) -> bytes:
    headers = rng.sample(_HEADERS, rng.randrange(3))
    return head(rng.choice(_METHODS), rng.choice((*_TARGETS, *PATHS)), *headers)


def _odd_text(rng: random.Random) -> bytes:
    expect = ["Expect: 100-continue"] if rng.random() < 0.2 else []
    return post(rng.choice(_BODIES_GO_TO), rng.choice(_TEXTS).encode("utf-8", "surrogatepass"), *expect)


def _odd_forward(rng: random.Random) -> bytes:
    """Right but for one value. What is right after all gets a fault of its own."""
    forward = {**_GOOD, rng.choice(_KEYS): rng.choice(_VALUES)}
    forward[rng.choice(_SURELY_WRONG)] = rng.choice(("nonsense", 70_000, -1, [], {"type": 1}))
    asked: dict[str, Any] = {"forwards": [forward], "source": {"key": "fuzz", "cwd": "/"}}
    if rng.random() < 0.3:
        asked["source"][rng.choice(("key", "cwd", "configFiles", "flags", "kubeconfig"))] = rng.choice(
            _VALUES
        )
    if rng.random() < 0.1:
        asked["forwards"] *= rng.choice((2, 300))
    return post("/v1/up", json.dumps(asked).encode())


def _odd_names(rng: random.Random) -> bytes:
    names = [rng.choice(_VALUES) for _ in range(rng.randrange(1, 4))]
    return post(rng.choice(_BODIES_GO_TO[1:]), json.dumps({"names": names}).encode())


def _odd_chunks(rng: random.Random) -> bytes:
    pieces = (
        b"5\r\nhello\r\n",
        b"-1\r\n",
        b"zz\r\n",
        b"ffffffffffffffff\r\n",
        b"0\r\n\r\n",
        b"1;x=y\r\na\r\n",
        b"\r\n",
    )
    start = head("POST", rng.choice(_BODIES_GO_TO), "Transfer-Encoding: chunked")
    return start + b"".join(rng.choices(pieces, k=rng.randrange(1, 6)))


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((1, 10, 1000, 70_000)))


def _damaged(rng: random.Random) -> bytes:
    """A good request with some bytes changed, or cut off."""
    raw = bytearray(post("/v1/down", b'{"names": ["a"]}'))
    for _ in range(rng.randrange(1, 5)):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    return bytes(raw[: rng.randrange(1, len(raw) + 1)])


def _pipelined(rng: random.Random) -> bytes:
    return b"".join(head("GET", rng.choice(PATHS[5:])) for _ in range(rng.randrange(2, 30)))


_KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _odd_head,
    _odd_text,
    _odd_forward,
    _odd_names,
    _odd_chunks,
    _noise,
    _damaged,
    _pipelined,
)
