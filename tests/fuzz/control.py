"""The control socket of a real daemon: valid requests with values, heads and bytes changed, many at the same time."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import memory, values
from tests.fuzz.area import Area, Case, Finding
from tests.whole.program import Program

#: Requests of one case, all at the same time.
_AT_ONCE = 24
#: Seconds for `status` while others ask nonsense, and after it; and until a client gives up.
_STATUS, _GIVES_UP = 3.0, 2.0
_FIVE = re.compile(rb"(?:^|\r\n\r\n[^\r\n]*)HTTP/1\.1 5\d\d[^\r\n]*")
_PATHS = (
    "up",
    "down",
    "restart",
    "retry",
    "remove",
    "reload",
    "status",
    "ping",
    "connections",
    "events",
    "openapi.json",
)
_TARGETS = (
    *(
        "*",
        "/",
        "",
        "//[x",
        "http://[",
        "http://kfw/v1/status",
        "/v1/forwards//explain",
        "/v1/forwards/%00/explain",
    ),
    *(
        "/v1/forwards/%ff/explain",
        "/v1/events?since=-1",
        "/v1/events?since=" + "9" * 40,
        "/v1/events?follow=true",
    ),
    *(
        "/v1/events?follow=true&since=1",
        "/v1/status?" + "x" * 30_000,
        "/v1/status#[",
        "/../../etc/passwd",
        "/v1/%75p",
    ),
)
_HEADERS = (
    *(
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Content-Length: -1",
        "X: \x00",
    ),
    *(
        "Content-Length: " + "9" * 30,
        "Content-Length: 3\r\nContent-Length: 4",
        "Upgrade: websocket\r\nConnection: Upgrade",
    ),
    *(
        "Connection: close",
        "no colon",
        ": x",
        "X:\r\n folded",
        "A: " + "x" * 90_000,
        "\r\n".join(["H: 1"] * 3000),
    ),
)


class Control(Area):
    """`slice` is long, as each turn looks at all of the daemon's memory."""

    name = "control"
    limit = 60.0
    slice = 6.0

    async def __aenter__(self) -> "Control":
        self._program = Program(Path(os.devnull))
        await asyncio.to_thread(self._program, "start")
        self._pid = self._program.daemon_pid()
        self._log_read = 0
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._program.close)

    def rss(self) -> int:
        return memory.rss(self._pid)

    async def case(self, case: Case) -> None:
        """Each client's Random is its own, so that what it sends does not depend on how fast others are."""
        path = str(self._program.home / "run" / "kfw.sock")
        clients = [_client(path, case, Random(case.random.getrandbits(64))) for _ in range(_AT_ONCE)]
        replies = asyncio.gather(*clients)
        await self._answers(path)
        for reply in await replies:
            if found := _FIVE.search(reply):
                raise Finding(f"the daemon answers {found[0].decode(errors='replace')[:60]}\n{reply[:600]!r}")
        await self._answers(path)
        self._log_says_nothing(case)
        await self._tidy(path)

    async def _answers(self, path: str) -> None:
        """Raises Finding unless it lives and says so soon."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_STATUS):
                reply = await _talk(
                    path, [b"GET /v1/status HTTP/1.1\r\nHost: kfw\r\nConnection: close\r\n\r\n"], 0
                )
        except TimeoutError as error:
            raise Finding(f"status does not answer within {_STATUS:g} s") from error
        except OSError as error:
            raise Finding(f"the daemon has ended: {error}\n{self._program.log()}") from error
        if not reply.startswith(b"HTTP/1.1 200"):
            raise Finding(
                f"status answers {reply[:300]!r}, after {asyncio.get_running_loop().time() - began:.1f} s"
            )

    def _log_says_nothing(self, case: Case) -> None:
        file = self._program.home / "state" / "kfw.log"
        text = file.read_text(errors="replace") if file.exists() else ""
        new, self._log_read = text[self._log_read if len(text) >= self._log_read else 0 :], len(text)
        case.must_not_show("the daemon's log", new)
        if "Traceback" in new:
            raise Finding(f"a traceback in the daemon's log: {_last_line(new)}\n{new[-3000:]}")

    async def _tidy(self, path: str) -> None:
        """No forward of this case is left for the next one."""
        await asyncio.wait_for(
            _talk(path, [_http(b"POST", b"/v1/down", b'{"names":[]}', b"Connection: close\r\n")], 0), 20
        )
        names = [
            row["name"] for row in (await asyncio.to_thread(self._program.ask, "/v1/status"))["forwards"]
        ]
        if names:
            body = json.dumps({"names": names}).encode()
            await asyncio.wait_for(
                _talk(path, [_http(b"POST", b"/v1/remove", body, b"Connection: close\r\n")], 0), 20
            )


def _last_line(log: str) -> str:
    """The one that names the error of the last traceback."""
    lines = [
        line
        for line in log.partition("Traceback")[2].splitlines()
        if re.match(r"[\w.]+(Error|Exception)", line)
    ]
    return lines[0][:200] if lines else ""


async def _client(path: str, case: Case, random: Random) -> bytes:
    pieces = _pieces(case, random)
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(_GIVES_UP):
            return await _talk(path, pieces, random.choice((0, 0, 0.05)), reads=random.random() < 0.95)
    return b""


async def _talk(path: str, pieces: list[bytes], pause: float, *, reads: bool = True) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    got = bytearray()
    try:
        for piece in pieces:
            writer.write(piece)
            with suppress(ConnectionError):
                await asyncio.wait_for(writer.drain(), 1)
            await asyncio.sleep(pause)
        if not reads:
            return b""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(1.0):
                while data := await reader.read(65536):
                    got += data
        return bytes(got)
    finally:
        writer.transport.abort()


# -- what clients send


def _pieces(case: Case, random: Random) -> list[bytes]:
    """One connection: requests after each other, whole, cut, or in pieces over time."""
    data = b"".join(_request(case, random) for _ in range(random.choice((1, 1, 1, 2, 5))))
    match random.randrange(8):
        case 0:
            data = values.bytes_changed(random, data, random.randrange(1, 6))
        case 1:
            data = data[: random.randrange(len(data) + 1)]
        case 2:
            data = random.randbytes(random.choice((1, 100, 70_000)))
    if random.random() < 0.2:
        size = len(data) // 4 + 1
        return [data[at : at + size] for at in range(0, len(data), size)]
    return [data]


def _request(case: Case, random: Random) -> bytes:
    target = random.choice(_TARGETS) if random.random() < 0.2 else f"/v1/{random.choice(_PATHS)}"
    if random.random() < 0.1:
        target = f"/v1/forwards/{random.choice(('api', values.text(random)[:200], str(case.mark)))}/explain"
    body = _body(case, random, target) if random.random() < 0.8 else b""
    right = "POST" if target.rpartition("/")[2] in _PATHS[:6] else "GET"
    method = (
        right
        if random.random() < 0.8
        else random.choice(("GET", "POST", "HEAD", "PUT", "OPTIONS", "BREW", "", "get"))
    )
    headers = random.choice(_HEADERS).encode() + b"\r\n" if random.random() < 0.15 else b""
    return _http(method.encode(), target.encode(errors="replace"), body, headers)


def _http(method: bytes, target: bytes, body: bytes, headers: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body or method == b"POST" else b""
    return b"%s %s HTTP/1.1\r\nHost: kfw\r\n%s%s\r\n%s" % (method, target, length, headers, body)


def _body(case: Case, random: Random, target: str) -> bytes:
    good: Any = {"names": ["api", f"x-{case.mark}"]}
    if target.endswith("up"):
        good = _up(case, random)
    match random.randrange(10):
        case 0:
            return values.deep_json(random, random.choice((50, 1200, 100_000)))
        case 1:
            return values.json_bytes(values.value(random))
        case 2:
            return values.bytes_changed(random, values.json_bytes(good), random.randrange(1, 5))
        case 3:
            return values.json_bytes(
                {"names": [values.text(random) for _ in range(random.choice((1, 5, 2000)))]}
            )
        case 4:
            return random.choice((b"[", b"{", b'"', b"9", b" ")) * random.choice((1, 1000, 3_000_000))
        case 5:
            return values.json_bytes(good)
        case _:
            return values.json_bytes(values.mutate(random, good, random.randrange(1, 5), _stays_on_loopback))


def _stays_on_loopback(path: values.Path, _: Any) -> bool:
    """Nothing of this machine is opened to others, and no file is read that the case did not make."""
    return bool({"addresses", "kubeconfig", "configFiles", "cwd", "key"} & set(path))


def _up(case: Case, random: Random) -> dict[str, Any]:
    count = random.choice((1, 1, 2, 30))
    secret = {"AWS_SECRET_ACCESS_KEY": str(case.mark), "HTTPS_PROXY": f"http://joe:{case.mark}@127.0.0.1:1"}
    return {
        "forwards": [_forward(case, random, number) for number in range(count)],
        "source": {
            "key": "added",
            "cwd": str(case.folder),
            "configFiles": list(_files(case, random)),
            "flags": {"context": "dev"},
            "kubeconfig": str(case.folder / "none"),
            "environment": secret,
            "environ": secret,
        },
        "environment": secret,
        "environ": secret,
        "replace": random.random() < 0.3,
    }


def _forward(case: Case, random: Random, number: int) -> dict[str, Any]:
    return {
        "name": random.choice((f"f{number}", "api", values.text(random)[:300])),
        "target": {
            "kind": random.choice(("service", "pod", "x")),
            "name": random.choice(("api", values.text(random)[:300])),
        },
        "target_port": random.choice((80, "http", None, 0, -1, 70000, 2**63, "")),
        "local_port": random.choice((0, 0, 0, _free_port(random), -1, 70000, 2**70, 1)),
        "namespace": random.choice(("shop", values.text(random)[:300])),
        "context": random.choice(("dev", "", values.text(random)[:300])),
        "kubeconfig": [str(case.folder / name) for name in random.choice((("none",), ("fifo", "none"), ()))]
        or ["/dev/null"],
        "addresses": random.choice(
            (["127.0.0.1"], ["::1"], ["127.0.0.1", "::1"], [], ["nowhere"], ["127.0.0.1\x00"], ["::1"] * 9)
        ),
        "method": random.choice(("auto", "tunnel", "nodeport", "kubectl", "socat", "x", "")),
        "type": random.choice(("other", "web", "rest", "x")),
        "hold": random.choice((30.0, 0, -1.0, 1e308, 1e-9)),
        "health": {
            "type": random.choice(("tcp", "http", "none", "x")),
            "interval": random.choice((15.0, 0.0, -1, 1e300)),
        },
        "retry": {
            "initial_delay": random.choice((1.0, 0.0, -5, 1e308)),
            "multiplier": random.choice((2.0, 0.0, 1e308)),
        },
        "enabled": random.random() < 0.9,
        "source": "added",
    }


def _files(case: Case, random: Random) -> Iterator[str]:
    if random.random() < 0.1:
        fifo = case.folder / "fifo"
        if not fifo.exists():
            os.mkfifo(fifo)
        yield str(fifo)


def _free_port(random: Random) -> int:
    """Of the ports that nobody is given by chance; it may be in use all the same."""
    return random.randrange(20_000, 28_000)
