"""A server that calls itself an API server: until it is told to turn good, each answer is made up by chance.

What it makes up begins, mostly, as what a real one would say: that gets furthest.
"""

import asyncio
import json
import ssl
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import h11

from tests.fuzz import values
from tests.kube import wire
from tests.kube.fake_api import FakeApi, Request, _reply, status

#: Bytes that an endless answer has at most, and what a connection is given at once.
_MOST, _PIECE = 48 << 20, 1 << 16
#: Seconds that a connection is answered nothing, at most.
_SILENCE = 30.0

Step = tuple[str, Any]
CODES = (
    100,
    101,
    102,
    103,
    199,
    200,
    201,
    204,
    206,
    226,
    300,
    301,
    302,
    304,
    307,
    400,
    401,
    403,
    404,
    405,
    406,
    408,
    409,
)
CODES += (410, 411, 413, 418, 422, 429, 431, 451, 499, 500, 501, 502, 503, 504, 511, 520, 599, 600, 999)


class HostileApi(FakeApi):
    """The token that it is sent it says back now and then."""

    def __init__(self, random: Random, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.hostile = True
        self.answered = 0
        self._random = random
        self._token = "none"
        # A server has few faults at a time: some of all, mixed with good answers.
        self._faults = random.sample(FAULTS, random.choice((1, 1, 2, 3)))
        self._good = random.choice((0.0, 0.0, 0.3, 0.7))

    def turn_good(self) -> None:
        """Connections of before are reset, or never hear of it. What it said of its objects is void: its history begins
        now, as after a restore of etcd."""
        self.hostile = False
        self.version += 1000
        self.compact()
        if self._random.random() < 0.8:
            self.drop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.hostile:
            await super()._serve(reader, writer)
            return
        self._open.add(writer)
        self.connections += 1
        try:
            await self._misbehave(reader, writer)
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _answer(self, request: Request, http: h11.Connection, writer: asyncio.StreamWriter) -> None:
        """A version, or a token of a page, that it cannot have given is refused as a real one does it."""
        since = request.query.setdefault("resourceVersion", "0")
        if not (since.isascii() and since.isdigit()) or len(since) > 18:
            await _reply(
                http, writer, 400, status(400, "BadRequest", f"invalid resource version {since[:100]!r}")
            )
        elif request.is_watch and int(since) > self.version:
            said = status(504, "Timeout", f"Too large resource version: {since}, current: {self.version}")
            said["details"] = {"causes": [{"reason": "ResourceVersionTooLarge"}], "retryAfterSeconds": 1}
            await _reply(http, writer, 504, said)
        elif "continue" in request.query:
            await _reply(
                http, writer, 410, status(410, "Expired", "The provided continue parameter is too old")
            )
        else:
            await super()._answer(request, http, writer)

    async def _misbehave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._random.random() < 0.05:
            await _do(writer, ("noise", self._random.randbytes(300)))
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if not self.hostile:
                await asyncio.sleep(_SILENCE)  # one that never heard of it
            self.answered += 1
            if b"Bearer " in head:
                self._token = head.partition(b"Bearer ")[2].partition(b"\r\n")[0].decode(errors="replace")
            target = [*head.split(b" ", 2), b""][1].decode(errors="replace")
            if self._random.random() < self._good:
                steps = _whole(_good_body(target))
            else:
                steps = self._random.choice(self._faults)(self._random, target, self._token)
            for step in steps:
                await _do(writer, step)


async def _do(writer: asyncio.StreamWriter, step: Step) -> None:
    what, value = step
    match what:
        case "say" | "noise":
            for at in range(0, len(value), _PIECE):
                writer.write(value[at : at + _PIECE])
                await writer.drain()
        case "slowly":
            for at in range(0, len(value), max(len(value) // 10, 1)):
                writer.write(value[at : at + max(len(value) // 10, 1)])
                await writer.drain()
                await asyncio.sleep(0.02)
        case "endless":
            data = value * (_PIECE // len(value) + 1)
            for _ in range(_MOST // len(data)):
                writer.write(data)
                await writer.drain()
        case "pause":
            await asyncio.sleep(value)
        case "half":
            with suppress(OSError, NotImplementedError):  # TLS has no half
                writer.write_eof()
            await asyncio.sleep(_SILENCE)
        case "close":
            writer.close()
            raise ConnectionResetError
        case "reset":
            writer.transport.abort()
            raise ConnectionResetError


# -- what a real one would say


def _good_body(target: str) -> Any:
    path = target.partition("?")[0]
    if "watch=" in target:
        kinds = {
            wire.SERVICES: wire.service(),
            wire.SLICES: wire.slice_("web-1"),
            wire.PODS: wire.pod("web-1"),
        }
        one = kinds.get(path, wire.pod("web-1"))
        return [
            {"type": kind, "object": _versioned(one)} for kind in ("ADDED", "MODIFIED", "BOOKMARK", "DELETED")
        ]
    if path == "/version":
        return {"gitVersion": "v1.34.4", "major": "1", "minor": "34"}
    items = {
        wire.SERVICES: [wire.service()],
        wire.SLICES: [wire.slice_("web-1")],
        wire.PODS: [wire.pod("web-1")],
    }
    return {
        "kind": "List",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "100", "continue": ""},
        "items": items.get(path, []),
    }


def _versioned(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "metadata": {**one["metadata"], "resourceVersion": "101"}}


def _head(code: int, length: int | None, *headers: str) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = (f"HTTP/1.1 {code} X", "Content-Type: application/json", size, *headers, "", "")
    return "\r\n".join(lines).encode(errors="replace")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def _bytes_of(body: Any) -> bytes:
    """Of a watch one line for each event."""
    if isinstance(body, list):
        return b"".join(values.json_bytes(line) + b"\n" for line in body)
    return values.json_bytes(body)


def _whole(body: Any, code: int = 200, *headers: str) -> list[Step]:
    data = _bytes_of(body)
    if isinstance(body, list):
        return [("say", _head(code, None, *headers) + _chunk(data)), ("pause", 0.2), ("say", b"0\r\n\r\n")]
    return [("say", _head(code, len(data), *headers) + data)]


# -- faults


def _changed_json(random: Random, target: str, token: str) -> list[Step]:
    return _whole(values.mutate(random, _good_body(target), random.choice((1, 1, 2, 5))))


def _other_json(random: Random, target: str, token: str) -> list[Step]:
    body = random.choice(
        (None, [], {}, "text", 1, True, {"items": None}, {"kind": "Status"}, values.value(random))
    )
    data = json.dumps(body).encode()
    return [("say", _head(200, len(data)) + data)]


def _deep_json(random: Random, target: str, token: str) -> list[Step]:
    deep = values.deep_json(random, random.choice((100, 1500, 20_000)))
    wrapped = random.choice(
        (deep, b'{"metadata":{},"items":[{"metadata":{"name":"x","labels":%s}}]}' % deep, deep + b"\n")
    )
    wrapped = wrapped if random.random() < 0.7 else b'{"type":"ADDED","object":%s}\n' % deep
    return [("say", _head(200, len(wrapped)) + wrapped)]


def _broken_status(random: Random, target: str, token: str) -> list[Step]:
    code = random.choice(CODES)
    message = random.choice(
        ("no", f"token {token} is not valid", f"Bearer {token}", "x" * 100_000, values.text(random))
    )
    said: Any = status(code, random.choice(("Unauthorized", "Expired", "Gone", "X", "")), message)
    said["details"] = {"retryAfterSeconds": random.choice((0, 1, -1, 10**18, 10**400, "1", None, 1.5, True))}
    if random.random() < 0.5:
        said = values.mutate(random, said, random.randrange(1, 4))
    headers = random.choice(
        ((), ("Retry-After: 99999999999",), ("Location: /x",), ("WWW-Authenticate: Basic",))
    )
    return _whole({"x": said} if random.random() < 0.1 else said, code, *headers)


def _html(random: Random, target: str, token: str) -> list[Step]:
    data = f"<html><h1>Sign in</h1>{'x' * random.choice((1, 100_000))} {token}\x1b[2J</html>".encode()
    code = random.choice((200, 200, 302, 403, 404, 502, 503))
    return [
        (
            "say",
            b"HTTP/1.1 %d OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s"
            % (code, len(data), data),
        )
    ]


def _changed_bytes(random: Random, target: str, token: str) -> list[Step]:
    data = b"".join(value for what, value in _whole(_good_body(target)) if what == "say")
    return [("say", values.bytes_changed(random, data, random.choice((1, 1, 2, 10)))), _end(random)]


def _cut(random: Random, target: str, token: str) -> list[Step]:
    data = b"".join(value for what, value in _whole(_good_body(target)) if what == "say")
    return [("say", data[: random.randrange(len(data))]), _end(random)]


def _end(random: Random) -> Step:
    return random.choice(
        (("close", None), ("reset", None), ("half", None), ("pause", _SILENCE), ("pause", 0.0))
    )


def _headers(random: Random, target: str, token: str) -> list[Step]:
    data = _bytes_of(_good_body(target))
    odd = random.choice(
        (
            *(
                "Content-Length: 5",
                "Content-Length: -1",
                "Content-Length: x",
                f"Content-Length: {10**30}",
                "Content-Length:",
            ),
            *(
                "Transfer-Encoding: gzip",
                "Transfer-Encoding: chunked, chunked",
                "Content-Encoding: gzip",
                "X: \x00",
                ": x",
            ),
            *(
                "Upgrade: SPDY/3.1\r\nConnection: Upgrade",
                "Connection: close",
                "no colon",
                "X: " + "x" * 70_000,
                " folded: 1",
            ),
            *(
                "Content-Type: text/plain; charset=utf-16",
                "Set-Cookie: a=b",
                "Trailer: X",
                "\r\n".join(["A: b"] * 3000),
            ),
        )
    )
    first = random.choice(
        ("HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/2 200", "HTTP/1.1 200", "HTTP/1.1  OK", "ICY 200 OK")
    )
    size = random.choice((f"Content-Length: {len(data)}", "Transfer-Encoding: chunked", "X: y"))
    head = "\r\n".join((first, size, odd, "", "")).encode(errors="replace")
    return [("say", head + (_chunk(data) + b"0\r\n\r\n" if "chunked" in size else data)), _end(random)]


_BAD_CHUNKS = (
    *(b"zz\r\n", b"-1\r\n", b"f" * 40 + b"\r\n", b"5;" + b"x" * 70_000, b"\r\n", b"5\n12345\n"),
    b"0\r\n" + b"T: x\r\n" * 9000,
)


def _chunks(random: Random, target: str, token: str) -> list[Step]:
    data = _bytes_of(_good_body(target))
    bad = random.choice(_BAD_CHUNKS)
    return [("say", _head(200, None) + _chunk(data[:10]) + bad + data[10:]), _end(random)]


_FILLINGS = (b"x", b" ", b"[", b'{"a":', b"\n", b'"', b"\0", b'{"metadata":{"name":"a"}},', b"1,")
_BEGINNINGS = (
    *(b"", b'{"items":[', b'{"type":"ADDED","object":{"metadata":{"name":"'),
    b'{"kind":"Status","message":"',
)


def _endless(random: Random, target: str, token: str) -> list[Step]:
    filling, begin = random.choice((*_FILLINGS, f"{token} ".encode())), random.choice(_BEGINNINGS)
    code = random.choice((200, 200, 200, 401, 403, 404, 410, 500, 503))
    match random.randrange(4):
        case 0:
            return [("say", _head(code, 10**12) + begin), ("endless", filling)]
        case 1:
            return [("say", _head(code, None)), ("endless", _chunk(begin + filling * 500))]
        case 2:
            return [
                ("say", b"HTTP/1.1 200 OK\r\n"),
                ("endless", b"X: " + filling.replace(b"\n", b"x") * 50 + b"\r\n"),
            ]
        case _:
            return [
                (
                    "endless",
                    random.choice(
                        (b"HTTP/1.1 100 Continue\r\n\r\n", b"x", b"HTTP/1.1 103 E\r\nA: b\r\n\r\n")
                    ),
                )
            ]


def _pages(random: Random, target: str, token: str) -> list[Step]:
    """Another page, for ever; or a page of very many."""
    body = _good_body(target)
    if not isinstance(body, dict) or "items" not in body:
        return _whole(body)
    body["metadata"]["continue"] = random.choice(("more", "x" * 100_000, "\r\nA: b", values.text(random)))
    if random.random() < 0.3:
        body["items"] = [
            {"metadata": {"name": f"n{number}"}} for number in range(random.choice((100, 50_000)))
        ]
    return _whole(body)


def _versions(random: Random, target: str, token: str) -> list[Step]:
    """Versions and names are sent back to it: in a URL."""
    odd = random.choice((values.text(random), "0", "", "-1", "\r\nX: y", "x" * 100_000, "\ud800"))
    body = _good_body(target)
    if isinstance(body, list):
        body[0]["object"]["metadata"]["resourceVersion"] = odd
        body[1]["object"]["metadata"]["name"] = odd
    else:
        body.get("metadata", {})["resourceVersion"] = odd
    return _whole(body)


def _events(random: Random, target: str, token: str) -> list[Step]:
    """In watches; the rest is good."""
    body = _good_body(target)
    if not isinstance(body, list):
        return _whole(body)
    error = {
        "type": "ERROR",
        "object": status(random.choice((410, 500, 0, 401)), random.choice(("Expired", "x")), token),
    }
    odd = random.choice(
        (error, {"type": "X"}, {"object": {}}, {"type": "ADDED", "object": None}, [], values.value(random))
    )
    lines = [*body[: random.randrange(3)], odd, *body]
    if random.random() < 0.5:
        lines = values.mutate(random, lines, random.randrange(1, 5))
    data = b"".join(
        values.json_bytes(line) + random.choice((b"\n", b"\n", b"\r\n", b"\n\n", b"")) for line in lines
    )
    return [("slowly", _head(200, None) + _chunk(data)), random.choice((("say", b"0\r\n\r\n"), _end(random)))]


def _at_once(random: Random, target: str, token: str) -> list[Step]:
    return [_end(random)]


def _upgrade(random: Random, target: str, token: str) -> list[Step]:
    protocol = random.choice(("SPDY/3.1", "websocket", "h2c", ""))
    head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\n\r\n".encode()
    return [("say", head + random.randbytes(random.choice((0, 20, 5000)))), _end(random)]


def _good_version_only(random: Random, target: str, token: str) -> list[Step]:
    return _whole(_good_body(target)) if target == "/version" else [_end(random)]


def _unasked(random: Random, target: str, token: str) -> list[Step]:
    """More answers than questions."""
    return [
        ("say", b"".join(value for what, value in _whole(_good_body(target)) * 3 if what == "say")),
        _end(random),
    ]


Fault = Callable[[Random, str, str], list[Step]]
FAULTS: tuple[Fault, ...] = (
    *(
        _changed_json,
        _other_json,
        _deep_json,
        _broken_status,
        _html,
        _changed_bytes,
        _cut,
        _headers,
        _chunks,
        _endless,
    ),
    *(_pages, _versions, _events, _at_once, _upgrade, _good_version_only, _unasked),
)
