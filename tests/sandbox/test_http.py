import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kfw.sandbox.client_connection import ClientConnection
from kfw.sandbox.http import Handler, Request, Response, converse
from tests.sandbox.talk import ask, close, reply

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server with that handler."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await converse(ClientConnection(reader, writer), handler)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        await close(writer)


async def mirror(request: Request) -> Response:
    text = f"{request.method} {request.path} {dict(request.query)} {request.body!r}"
    return Response(200, text.encode(), "text/plain")


async def test_requests_are_answered_one_after_the_other() -> None:
    async with serving(mirror) as (reader, writer):
        assert (
            await ask(reader, writer, "GET", "/a%20b?x=1&y=&x=2")
        ).body == b"GET /a b {'x': '2', 'y': ''} b''"
        assert (await ask(reader, writer, "POST", "/", body=b"hi")).body == b"POST / {} b'hi'"


async def test_a_client_that_waits_for_100_gets_it() -> None:
    async with serving(mirror) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"hi")
        assert (await reply(reader)).body.endswith(b"b'hi'")


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

    async with serving(handler) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"first")
    await asyncio.wait_for(closed.wait(), 5)


async def test_a_body_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kfw.sandbox.http.MAX_BODY", 3)
    async with serving(mirror) as (reader, writer):
        assert (await ask(reader, writer, "POST", "/", body=b"four")).code == 413


async def test_head_has_no_body_but_its_length() -> None:
    async with serving(mirror) as (reader, writer):
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        assert b"content-length: " in answer.lower()
        assert answer.endswith(b"\r\n\r\n")
