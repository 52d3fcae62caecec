"""What one side does, the other side sees: data, the end of it, a reset, and slowness."""

import asyncio
import hashlib
import socket
from collections.abc import Callable

import pytest

from tests.relay.world import answer_after_eof, app, echo, listening, send_reset
from tests.until import until

pytestmark = pytest.mark.asyncio

MEGABYTES = 16
#: Seconds, on a machine that is busy, too.
HANGS = 30


async def at_rest(count: Callable[[], int]) -> int:
    """What it is once it has begun, and does not grow any more."""
    before = 0
    while not before or count() != before:
        before = count()
        await asyncio.sleep(0.1)
    return before


async def test_megabytes_go_both_ways_at_once_and_arrive_whole() -> None:
    data = bytes(range(251)) * (MEGABYTES * 1_000_000 // 251)
    async with app(echo) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        digest, left = hashlib.sha256(), len(data)
        writer.write(data)
        while left and (piece := await asyncio.wait_for(reader.read(1 << 18), HANGS)):
            digest.update(piece)
            left -= len(piece)
        assert left == 0 and digest.digest() == hashlib.sha256(data).digest()
        assert (local.listener.bytes_in, local.listener.bytes_out) == (len(data), len(data))
        writer.close()


async def test_an_app_that_answers_only_after_the_clients_end_is_heard() -> None:
    async with app(answer_after_eof) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        writer.write(b"question")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), HANGS) == b"got question"
        writer.close()
        await until(lambda: local.listener.connections == 0)


async def test_an_app_that_has_said_all_still_hears_the_client() -> None:
    heard = asyncio.Event()

    async def say_all_then_listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        assert await reader.read() == b"still here"
        heard.set()

    async with app(say_all_then_listen) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        assert await asyncio.wait_for(reader.read(), HANGS) == b"bye"
        writer.write(b"still here")
        writer.write_eof()
        await asyncio.wait_for(heard.wait(), HANGS)
        writer.close()


async def test_an_app_that_speaks_first_and_ends_at_once_is_heard() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready")

    async with app(greet) as behind, listening(behind.dialer) as local:
        for _ in range(20):
            reader, writer = await local.client()
            assert await asyncio.wait_for(reader.read(), HANGS) == b"220 ready"
            writer.close()


async def test_a_reset_by_the_app_is_a_reset_for_that_client_and_nobody_else() -> None:
    async def reset_when_asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while word := await reader.read(100):
            if word == b"reset":
                send_reset(writer)
                break
            writer.write(word)

    async with app(reset_when_asked) as behind, listening(behind.dialer) as local:
        other = await local.client()
        for _ in range(20):
            reader, writer = await local.client()
            writer.write(b"reset")
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), HANGS)
            writer.close()
        other[1].write(b"fine")
        assert await asyncio.wait_for(other[0].readexactly(4), HANGS) == b"fine"
        other[1].close()


async def test_a_reset_by_the_client_is_a_reset_for_the_app() -> None:
    seen: list[type[Exception]] = []

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        try:
            await reader.read()
        except ConnectionError as error:
            seen.append(type(error))

    async with app(wait_for_the_end) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        await reader.readexactly(1)
        send_reset(writer)
        await until(lambda: seen == [ConnectionResetError])
        await until(lambda: local.listener.connections == 0)


async def test_an_app_that_does_not_read_stops_the_client_and_not_kfws_memory() -> None:
    go_on = asyncio.Event()

    async def read_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        left = 0
        while piece := await reader.read(1 << 18):
            left += len(piece)
        writer.write(b"%d" % left)

    size = 64_000_000
    async with app(read_late) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        writer.write(bytes(size))
        writer.write_eof()
        accepted = await at_rest(lambda: local.listener.bytes_out)
        assert accepted < size / 2  # what the kernel's buffers took
        go_on.set()
        assert int(await asyncio.wait_for(reader.read(), HANGS)) == size
        writer.close()


async def test_small_pieces_are_not_held_back() -> None:
    async with app(echo) as behind, listening(behind.dialer) as local:
        _, writer = await local.client()
        await until(lambda: any(connection.far for connection in local.listener._live))
        (connection,) = local.listener._live
        for end in (connection.near, connection.far):
            assert end is not None
            sock: socket.socket = end.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        writer.close()


async def test_a_client_that_does_not_read_stops_the_app_and_nobody_else() -> None:
    sent = 0

    async def send_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        if await reader.readexactly(1) == b"s":
            return await echo(reader, writer)
        try:
            while True:
                writer.write(bytes(100_000))
                await writer.drain()
                sent += 100_000
        except ConnectionError:
            pass

    async with app(send_for_ever) as behind, listening(behind.dialer) as local:
        with socket.create_connection(("127.0.0.1", local.port)) as lazy:
            lazy.send(b"f")
            stopped_at = await at_rest(lambda: sent)
            reader, writer = await local.client()
            writer.write(b"shello")
            assert await asyncio.wait_for(reader.readexactly(5), HANGS) == b"hello"
            await asyncio.sleep(0.05)
            assert sent == stopped_at > 0
            writer.close()
        await until(lambda: local.listener.connections == 0)
