"""Many connections: who is let in, who has to go, and how it all ends. More of it in tests/daemon/test_control_socket.py."""

import asyncio
import gc
import logging
import socket
import ssl
import warnings
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace

import pytest

from kfw.http.bounds import LIMITS, HttpLimits
from kfw.http.client_connection import ClientConnection, EndedByFault
from kfw.http.messages import Request, Response
from tests.http.talk import GET, connected, head, mirror, serving
from tests.kube import certificates
from tests.kube.test_api_server import load, serves
from tests.until import until

pytestmark = pytest.mark.asyncio

#: A body that no kernel takes for its reader.
LARGE = 16_000_000
NONSENSE = b"nonsense" * (LARGE // 8)


async def large(_: Request) -> Response:
    return Response(200, bytes(LARGE), "text/plain")


async def test_a_paused_server_answers_when_it_goes_on_and_a_stopped_one_refuses() -> None:
    async with serving(mirror) as (server, port):
        server.pause()
        async with connected(port) as (reader, writer):
            writer.write(GET)
            answer = asyncio.create_task(head(reader))
            await asyncio.sleep(0.05)
            assert not answer.done()
            server.resume()
            assert b"200" in await answer
            server.stop_listening()
            writer.write(GET)
            await reader.readuntil(b"{} b''")  # what is left of the first answer
            assert b"200" in await head(reader)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)


async def test_at_the_end_an_answer_that_was_given_reaches_a_slow_reader_within_the_grace() -> None:
    async with serving(large, replace(LIMITS, write=10.0)) as (server, port):
        async with connected(port) as (reader, writer):
            writer.write(GET)
            assert b"200" in await head(reader)
            ending = asyncio.create_task(server.close(5.0))
            assert len(await asyncio.wait_for(reader.read(), 5)) == LARGE
            await ending


async def test_without_grace_connections_are_cut() -> None:
    async with serving(large) as (server, port):
        async with connected(port) as (reader, writer):
            writer.write(GET)
            assert b"200" in await head(reader)
            await asyncio.wait_for(server.close(0.0), 5)
            assert not list(server.clients)
            try:
                left = await asyncio.wait_for(reader.read(), 5)
            except ConnectionResetError:
                left = b""
            assert len(left) < LARGE


@pytest.mark.parametrize("rounds", range(5))
async def test_however_short_before_the_end_a_connection_came_it_is_cut(rounds: int) -> None:
    """`rounds` are those of the loop: one accepts it, the next begins its task."""
    async with serving(mirror) as (server, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            for _ in range(rounds):
                await asyncio.sleep(0)
            await server.close(0.0)
            client.settimeout(5)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
    gc.collect()  # a socket that nobody closed is told now


async def test_a_handler_that_fails_ends_its_connection_and_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(request: Request) -> Response:
        if request.path == "/":
            raise RuntimeError("a mistake")
        return Response(body=b"{}")

    with caplog.at_level(logging.ERROR):
        async with serving(fail) as (_, port):
            async with connected(port) as (reader, writer):
                writer.write(GET)
                assert await asyncio.wait_for(reader.read(), 5) == b""
            async with connected(port) as (reader, writer):
                writer.write(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"200" in await head(reader)
    assert [str(one.exc_info[1]) for one in caplog.records if one.exc_info] == ["a mistake"]


async def tell_name(request: Request) -> Response:
    return Response(200, str(request.common_name).encode(), "text/plain")


async def test_over_tls_a_request_has_the_name_of_its_clients_certificate() -> None:
    tls = serves("127.0.0.1", client_ca=certificates.ca())
    async with serving(tell_name, tls=tls) as (_, port):
        context = ssl.create_default_context(cadata=certificates.ca().decode())
        context.verify_flags &= (
            ~ssl.VERIFY_X509_STRICT
        )  # from Python 3.13 on it would ask for key ids of clusters' CAs
        load(context, certificates.pair("ada"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"\r\n\r\nada")
        writer.close()


async def test_who_never_begins_its_handshake_is_left() -> None:
    async with serving(tell_name, HttpLimits(handshake=0.1), tls=serves("127.0.0.1")) as (_, port):
        async with connected(port) as (reader, _):
            assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_of_one_that_follows_and_one_that_is_answered_the_follower_goes_for_a_new_one() -> None:
    go = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        yield b"first"
        await asyncio.Event().wait()

    async def handler(request: Request) -> Response:
        if request.path == "/follow":
            return Response(200, endless())
        await go.wait()
        return Response(200, b"done")

    async with serving(handler, HttpLimits(connections=2)) as (server, port):
        async with connected(port) as (answered, one), connected(port) as (follower, other):
            one.write(GET)
            other.write(b"GET /follow HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(follower.readuntil(b"first"), 5)
            async with connected(port) as (new, third):
                third.write(GET)
                with suppress(ConnectionResetError):
                    assert await asyncio.wait_for(follower.read(), 5) == b"\r\n"
                go.set()
                for reader in (answered, new):
                    assert b"200" in await head(reader)
        await until(lambda: not list(server.clients), 5)


class Ends:
    """A hook that says a word of its own instead of an answer."""

    async def on_read(self, client: ClientConnection) -> None: ...

    async def before_write(self, client: ClientConnection) -> None:
        client.write([NONSENSE])
        raise EndedByFault("a fault")


async def test_what_a_hook_writes_before_it_ends_a_connection_reaches_the_client() -> None:
    async with serving(mirror) as (server, port):
        server.hook = Ends()
        async with connected(port) as (reader, writer):
            writer.write(GET)
            assert await asyncio.wait_for(reader.read(), 5) == NONSENSE
        await until(lambda: not list(server.clients), 5)


@pytest.mark.parametrize("turns", range(4, 16))
async def test_in_whatever_moment_of_a_handshake_it_is_closed_the_transport_is_closed_too(turns: int) -> None:
    """The loop would take the next connection of that number for it (asyncio's _ensure_fd_no_transport)."""
    tls = serves("127.0.0.1")
    with warnings.catch_warnings(record=True, action="always") as warned:
        async with serving(tell_name, tls=tls) as (server, port):
            trusting = ssl._create_unverified_context()
            client = asyncio.create_task(asyncio.open_connection("127.0.0.1", port, ssl=trusting))
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.close(0)
            for _ in range(10):  # turns that asyncio needs to see the end
                await asyncio.sleep(0)
        with suppress(OSError):
            _, writer = await asyncio.wait_for(client, 5)
            writer.transport.abort()
        del client
        await asyncio.sleep(0)
        gc.collect()
    assert [str(one.message) for one in warned] == []
