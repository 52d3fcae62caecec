"""Requests handed on to a real server behind: what it is sent, what comes back, and what ends when the client leaves."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kfw.http.messages import Request, Response
from kfw.http.reverse_proxy import ReverseProxy
from tests.http.talk import connected, head, serving
from tests.stream_server import StreamServer
from tests.until import until

pytestmark = pytest.mark.asyncio


class Behind:
    """What was asked, and the answer that it gets."""

    def __init__(self, response: Response | None = None) -> None:
        self.asked: list[Request] = []
        self.response = response or Response(200, b"ok", "text/plain")

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        return self.response


@asynccontextmanager
async def before(behind: Any) -> AsyncIterator[tuple[int, int]]:
    """The port of a proxy, and that of the server behind."""
    async with serving(behind) as (_, far):
        proxy = ReverseProxy("127.0.0.1", far, authority=f"localhost:{far}")
        async with serving(proxy.answer) as (_, port):
            yield port, far


@asynccontextmanager
async def before_bytes(answer: bytes) -> AsyncIterator[int]:
    """A proxy before a server that says exactly this, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = StreamServer(serve)
    await server.start()
    try:
        proxy = ReverseProxy("127.0.0.1", server.port, authority=f"localhost:{server.port}")
        async with serving(proxy.answer) as (_, port):
            yield port
    finally:
        await server.close()


async def talk(port: int, said: bytes) -> bytes:
    async with connected(port) as (reader, writer):
        writer.write(said)
        return await asyncio.wait_for(reader.read(), 30)


async def test_the_server_behind_is_asked_in_its_own_name_and_without_what_is_of_the_connection() -> None:
    behind = Behind()
    async with before(behind.answer) as (port, far):
        said = (
            b"POST /a%20b?x=1&x=2&y HTTP/1.1\r\nHost: PAGE\r\nOrigin: http://PAGE\r\nReferer: http://x/\r\n"
            b"Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Own: kept\r\nCookie: a=b\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        ).replace(b"PAGE", f"127.0.0.1:{port}".encode())
        assert (await talk(port, said)).endswith(b"ok")
    (asked,) = behind.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/a%20b?x=1&x=2&y", b"abc")
    assert asked.headers == {
        "host": f"localhost:{far}",
        "origin": f"http://localhost:{far}",
        "connection": "close",
        "x-own": "kept",
        "cookie": "a=b",
        "content-length": "3",
    }


async def test_an_answer_comes_back_with_all_of_its_headers_and_places_that_are_here() -> None:
    behind = Behind()
    async with before(behind.answer) as (port, far):
        behind.response = Response(
            301,
            b"there",
            "text/x",
            {
                "location": f"http://localhost:{far}/b?c",
                "connection": "x-hop",
                "x-hop": "1",
                "set-cookie": "a=1",
            },
            more_headers=(("set-cookie", "b=2"),),
        )
        answer = await talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    lines = answer.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    assert lines[0].startswith("http/1.1 301")
    assert {
        "location: /b?c",
        "set-cookie: a=1",
        "set-cookie: b=2",
        "content-type: text/x",
        "content-length: 5",
    } <= set(lines)
    assert not [line for line in lines if line.startswith("x-hop")]
    assert answer.endswith(b"there")


@pytest.mark.parametrize("place", ["https://other.example/", "/b", "b"])
async def test_a_place_elsewhere_stays_as_it_is(place: str) -> None:
    behind = Behind(Response(302, b"", "text/plain", {"location": place}))
    async with before(behind.answer) as (port, _):
        answer = await talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert f"location: {place}\r\n".encode() in answer


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_what_has_no_body_is_followed_by_the_next_answer(method: str, status: int) -> None:
    behind = Behind(Response(status, b"", "text/plain", {"x-a": "b"}))
    async with before(behind.answer) as (port, _):
        once = f"{method} / HTTP/1.1\r\nHost: x\r\n".encode()
        answer = await talk(port, once + b"\r\n" + once + b"Connection: close\r\n\r\n")
    assert answer.count(f"HTTP/1.1 {status}".encode()) == 2
    assert len(behind.asked) == 2


async def test_a_stream_is_handed_on_piece_by_piece_and_ends_when_the_client_leaves() -> None:
    more, closed = asyncio.Event(), asyncio.Event()

    async def stream() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await more.wait()
            yield b"second"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with before(Behind(Response(200, stream(), "text/event-stream")).answer) as (port, _):
        async with connected(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in await head(reader)
            await reader.readuntil(b"first")
            more.set()
            await reader.readuntil(b"second")
        await until(closed.is_set, 30)


async def test_nobody_behind_is_a_502_with_why() -> None:
    async with serving(Behind().answer) as (_, far):
        pass
    async with serving(ReverseProxy("127.0.0.1", far, authority="localhost:1").answer) as (_, port):
        answer = await talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"502" in answer
    assert b"cannot connect to localhost:1" in answer


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"\x00" * 200_000]
)
async def test_what_is_not_http_is_a_502(said: bytes) -> None:
    async with before_bytes(said) as port:
        answer = await talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"HTTP/1.1 502" in answer
    assert b"did not answer in HTTP" in answer


async def test_an_answer_that_breaks_off_breaks_off_here_too() -> None:
    async with before_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") as port:
        async with connected(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await asyncio.wait_for(reader.readexactly(1000), 30)


async def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    async with before_bytes(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\nall of it") as port:
        answer = await talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"HTTP/1.1 200" in answer
    assert b"all of it" in answer
