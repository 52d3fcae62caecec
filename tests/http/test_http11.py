"""Requests and responses on one connection, byte by byte."""

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from kfw.http.bounds import LIMITS
from kfw.http.client_connection import ClientConnection
from kfw.http.messages import Request, Response
from tests.http.talk import GET, connected, head, mirror, serving

pytestmark = pytest.mark.asyncio


async def test_requests_are_answered_one_after_the_other() -> None:
    async with serving(mirror) as (_, port), connected(port) as (reader, writer):
        writer.write(b"GET /a%20b?x=1&y=&x=2#z HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write(b"POST http://proxy/p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
        await head(reader)
        first = b"GET /a b {'x': '2', 'y': ''} b''"
        assert await reader.readexactly(len(first)) == first
        await head(reader)
        assert await reader.readexactly(16) == b"POST /p {} b'hi'"


async def test_a_client_that_waits_for_100_gets_it() -> None:
    async with serving(mirror) as (_, port), connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await head(reader)).startswith(b"HTTP/1.1 100")
        writer.write(b"hi")
        assert (await head(reader)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("number", range(5))
async def test_a_chunked_body_is_whole_however_it_is_cut(number: int) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    body = chance.randbytes(chance.randrange(1, 3000))
    parts, rest = [], body
    while rest:
        size = chance.randrange(1, 900)
        parts.append(b"%x\r\n%b\r\n" % (len(rest[:size]), rest[:size]))
        rest = rest[size:]
    raw = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(parts) + b"0\r\n\r\n"
    got: list[bytes] = []

    async def handler(request: Request) -> Response:
        got.append(request.body)
        return Response(body=b"{}")

    async with serving(handler) as (_, port), connected(port) as (reader, writer):
        while raw:
            size = chance.randrange(1, 500)
            writer.write(raw[:size])
            await writer.drain()
            await asyncio.sleep(0)
            raw = raw[size:]
        assert b"200" in await head(reader)
    assert got == [body], f"seed {seed}"


async def test_a_stream_is_closed_when_its_client_leaves() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(_: Request) -> Response:
        return Response(200, endless())

    async with serving(handler) as (_, port):
        async with connected(port) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"first")
        await asyncio.wait_for(closed.wait(), 5)


async def test_what_comes_during_a_stream_is_the_next_request() -> None:
    go = asyncio.Event()

    async def some() -> AsyncGenerator[bytes, None]:
        yield b"first"
        await go.wait()
        yield b"last"

    async def handler(request: Request) -> Response:
        return Response(200, some()) if request.path == "/" else Response(200, b"next")

    async with serving(handler) as (_, port), connected(port) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"first")
        writer.write(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        go.set()
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\nnext"), 5)


async def test_who_floods_a_stream_with_requests_has_to_go() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(_: Request) -> Response:
        return Response(200, endless())

    async with serving(handler) as (_, port), connected(port) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"first")
        writer.write(GET * (LIMITS.head // len(GET) + 10))
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_body_that_is_too_large_is_refused_and_the_connection_ends() -> None:
    async with serving(mirror, replace(LIMITS, body=3)) as (_, port), connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nfour")
        said = await asyncio.wait_for(reader.read(), 5)
        assert said.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in said.lower()
        assert b"larger than 3 bytes" in said


async def test_a_query_with_too_many_fields_is_refused() -> None:
    async with serving(mirror, replace(LIMITS, query_fields=3)) as (_, port):
        for count, status in ((3, b"200"), (4, b"400")):
            async with connected(port) as (reader, writer):
                query = "&".join(f"a{number}=1" for number in range(count))
                writer.write(f"GET /?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert (await head(reader))[9:12] == status


@pytest.mark.parametrize("target", ["//[x", "http://[", "http://[::1/v1"])
async def test_a_target_that_is_not_one_ends_in_words(target: str) -> None:
    async with serving(mirror) as (_, port), connected(port) as (reader, writer):
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = await asyncio.wait_for(reader.read(), 5)
        assert said[9:12] in (b"200", b"400")
        assert said[9:12] == b"200" or b"not a path" in said


async def test_head_has_no_body_but_its_length() -> None:
    async with serving(mirror) as (_, port), connected(port) as (reader, writer):
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        assert b"content-length: " in answer.lower()
        assert answer.endswith(b"\r\n\r\n")


async def test_head_of_a_stream_takes_nothing_from_it() -> None:
    taken: list[int] = []

    async def stream() -> AsyncGenerator[bytes, None]:
        taken.append(1)
        yield b"first"

    async def handler(_: Request) -> Response:
        return Response(200, stream())

    async with serving(handler) as (_, port), connected(port) as (reader, writer):
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"\r\n\r\n")
    assert not taken


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_may_have_no_body_has_none(status: int) -> None:
    async def handler(_: Request) -> Response:
        return Response(status, b"not for you")

    async with serving(handler) as (_, port), connected(port) as (reader, writer):
        writer.write(GET + GET)
        for _ in range(2):  # and the connection goes on
            assert (await head(reader)).startswith(b"HTTP/1.1 %d " % status)


async def test_after_a_switch_the_connection_is_the_other_protocols() -> None:
    async def talk(client: ClientConnection, first: bytes) -> None:
        assert client.is_upgraded
        data = first
        while data:
            await client.send(data.upper())
            data = await client.read()

    async def handler(request: Request) -> Response:
        assert request.headers["upgrade"] == "shout"
        return Response(101, headers={"upgrade": "shout", "connection": "upgrade"}, switch=talk)

    async with serving(handler) as (_, port), connected(port) as (reader, writer):
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nbehind the request"
        )
        assert (await head(reader)).startswith(b"HTTP/1.1 101")
        assert await asyncio.wait_for(reader.readexactly(18), 5) == b"BEHIND THE REQUEST"
        writer.write(b"later")
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"LATER"
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b""
