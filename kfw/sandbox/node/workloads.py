"""What the pods run: the image's name chooses. Each serves one connection at a time it is given, on streams.

kfw/http     JSON that names the pod and the request; /bytes?n=, /slow?ms=, /healthz, /status/CODE; keep-alive
kfw/tls      the same in TLS, with a certificate of its own
kfw/echo     sends back what it gets, and ends when the client has ended
kfw/greeter  speaks first, as databases do: `hello from POD`, then as echo
kfw/resetter resets each connection at the first byte it gets, as databases do that are asked to stop
kfw/digest   reads until the client has ended its side, then answers with length and SHA-256 of what it got
"""

import asyncio
import hashlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from kfw.http.bounds import HttpLimits
from kfw.http.client_connection import ClientConnection
from kfw.http.http11 import HttpConnection
from kfw.http.messages import Request, Response

_CHUNK = 64 * 1024
#: A pod has the time that its client has: tests hold connections up for as long as they like.
LIMITS = HttpLimits(body=8 * 1024 * 1024, idle=None, arrive=None, write=None)


@dataclass
class Box:
    """What a workload knows of where it runs. `say` writes a line of the pod's log; `draining`: it was told to end."""

    facts: dict[str, Any]
    say: Callable[[str], None]
    draining: bool = False

    @property
    def pod(self) -> str:
        return str(self.facts["pod"])


Serve = Callable[[Box, int, StreamReader, StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Workload:
    """`port` is served where the container names no ports."""

    serve: Serve
    port: int
    tls: bool = False


async def _http(box: Box, port: int, reader: StreamReader, writer: StreamWriter) -> None:
    async def answer(request: Request) -> Response:
        response = await _page(box, port, request)
        box.say(f"{request.method} {request.target} {response.status}")
        if box.draining:
            return Response(
                response.status,
                response.body,
                response.content_type,
                {**response.headers, "connection": "close"},
            )
        return response

    await HttpConnection(ClientConnection(reader, writer), answer, LIMITS).run()


async def _page(box: Box, port: int, request: Request) -> Response:
    match request.decoded_path.strip("/").split("/"):
        case ["healthz"]:
            return Response(200, b"ok", "text/plain")
        case ["bytes"]:
            count = _number(request, "n")
            headers = {"content-length": str(count)}
            return Response(200, _zeros(count), "application/octet-stream", headers)
        case ["slow"]:
            await asyncio.sleep(_number(request, "ms") / 1000)
        case ["status", code] if code.isdigit() and 200 <= int(code) < 600:
            return Response(int(code), f"{code}\n".encode(), "text/plain")
    body = box.facts | {"port": port, "method": request.method, "path": request.target}
    if request.body:
        body |= {"bytes": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()}
    return Response(200, msgspec.json.encode(body) + b"\n")


def _number(request: Request, key: str) -> int:
    text = request.query.get(key, "0")
    return int(text) if text.isdigit() else 0


async def _zeros(count: int) -> AsyncGenerator[bytes, None]:
    chunk = bytes(_CHUNK)
    while count:
        part = chunk[:count]
        count -= len(part)
        yield part


async def _echo(box: Box, port: int, reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


async def _greeter(box: Box, port: int, reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(f"hello from {box.pod}\n".encode())
    await _echo(box, port, reader, writer)


async def _digest(box: Box, port: int, reader: StreamReader, writer: StreamWriter) -> None:
    digest, count = hashlib.sha256(), 0
    while data := await reader.read(_CHUNK):
        digest.update(data)
        count += len(data)
    writer.write(f"{count} {digest.hexdigest()}\n".encode())


async def _resetter(box: Box, port: int, reader: StreamReader, writer: StreamWriter) -> None:
    if await reader.read(1):
        ClientConnection(reader, writer).reset()


WORKLOADS: dict[str, Workload] = {
    "kfw/http": Workload(_http, 8080),
    "kfw/tls": Workload(_http, 8443, tls=True),
    "kfw/echo": Workload(_echo, 9000),
    "kfw/greeter": Workload(_greeter, 5432),
    "kfw/digest": Workload(_digest, 9001),
    "kfw/resetter": Workload(_resetter, 9004),
}


def workload(image: str) -> Workload | None:
    """`kfw/http`, `kfw/http:1.2`, `docker.io/kfw/http@sha256:...`; None for an image that the sandbox does not have."""
    name = image.partition("@")[0].removeprefix("docker.io/")
    path, slash, last = name.rpartition("/")
    return WORKLOADS.get(path + slash + last.partition(":")[0])
