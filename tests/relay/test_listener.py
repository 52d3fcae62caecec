"""The port that never refuses: hold, retry, what goes to whom, and the end."""

import asyncio
import gc
import logging
import resource
import socket
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

import pytest

from kfw.relay.dialer import TcpDialer
from kfw.relay.local_connection import LocalConnection
from kfw.relay.pump import End
from tests.inside import INSIDE
from tests.relay.world import (
    LOCAL,
    Hanging,
    Port,
    Refusing,
    answer_after_eof,
    app,
    echo,
    listening,
    send_reset,
)
from tests.stopwatch import soon
from tests.until import until

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_bytes_go_to_the_app_and_back(host: str) -> None:
    async with app(echo) as behind, listening(behind.dialer, addresses=("127.0.0.1", "::1")) as local:
        reader, writer = await local.client(host)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()


async def test_a_connection_waits_for_a_way_and_what_it_said_meanwhile_arrives_in_order() -> None:
    async with app(echo) as behind, listening() as local:
        reader, writer = await local.client()
        for word in (b"one ", b"two ", b"three"):
            writer.write(word)
            await asyncio.sleep(0.01)
        local.listener.use(behind.dialer)
        assert await soon(reader.readexactly(13), 1) == b"one two three"
        writer.close()


async def test_somebody_is_told_of_each_connection_that_finds_no_way() -> None:
    async with app(echo) as behind, listening() as local:
        writers = [(await local.client())[1] for _ in range(3)]
        await until(lambda: len(local.knocks) == 3)
        local.listener.use(behind.dialer)
        writers.append((await local.client())[1])
        await until(lambda: behind.visits == 4)
        assert len(local.knocks) == 3
        for writer in writers:
            writer.close()


async def test_when_the_hold_is_over_the_client_is_reset_and_the_log_says_why() -> None:
    async with listening(why="no pod of it is ready", hold=0.1) as local:
        reader, writer = await local.client()
        with pytest.raises(ConnectionResetError):
            await soon(reader.read(), 1)
        assert len(local.said) == 1
        assert local.said[0].startswith("api: connection from 127.0.0.1 port ")
        assert local.said[0].endswith("is reset: no ready endpoint within 0.1 s: no pod of it is ready")
        assert local.listener.connections == 0
        writer.close()


@pytest.mark.parametrize("said", [b"", b"POST /orders HTTP/1.1\r\n\r\n", bytes(500_000)])
async def test_a_client_that_leaves_while_it_waits_is_dropped_and_never_reaches_the_app(said: bytes) -> None:
    async with app(echo) as behind, listening() as local:
        _, writer = await local.client()
        writer.write(said)
        await until(lambda: local.listener.connections == 1)
        await asyncio.sleep(0.02)
        writer.transport.abort()  # what is unsent is lost, the socket is closed
        await until(lambda: local.listener.connections == 0)
        local.listener.use(behind.dialer)
        await asyncio.sleep(0.05)
        assert behind.visits == 0


async def test_a_client_that_resets_while_it_waits_is_dropped_at_once() -> None:
    async with listening() as local:
        _, writer = await local.client()
        await until(lambda: local.listener.connections == 1)
        send_reset(writer)
        await until(lambda: local.listener.connections == 0, seconds=0.2)


async def test_a_client_that_has_said_all_while_it_waits_still_gets_its_answer() -> None:
    async with app(answer_after_eof) as behind, listening() as local:
        reader, writer = await local.client()
        writer.write(b"question")
        writer.write_eof()
        await asyncio.sleep(0.15)  # longer than the first look whether it has left
        local.listener.use(behind.dialer)
        assert await soon(reader.read(), 1) == b"got question"
        writer.close()


async def test_64_kib_of_a_waiting_client_are_kept_and_the_rest_waits_in_the_client() -> None:
    everything = bytes(range(256)) * 40_000
    async with app(answer_after_eof) as behind, listening() as local:
        reader, writer = await local.client()
        writer.write(everything)
        writer.write_eof()
        await asyncio.sleep(0.1)
        assert writer.transport.get_write_buffer_size() > 1_000_000
        local.listener.use(behind.dialer)
        assert await soon(reader.read(), 3) == b"got " + everything
        writer.close()


async def test_a_dial_that_provably_did_not_reach_the_app_is_repeated() -> None:
    async with app(echo) as behind:
        refusing = Refusing(3, behind.dialer)
        async with listening(refusing) as local:
            reader, writer = await local.client()
            writer.write(b"hello")
            assert await soon(reader.readexactly(5), 1) == b"hello"
            assert (refusing.dials, behind.visits) == (4, 1)
            writer.close()


async def test_a_dial_that_may_have_reached_the_app_is_not_repeated() -> None:
    refusing = Refusing(1, safe=False, why="broke off after the request")
    async with listening(refusing) as local:
        reader, writer = await local.client()
        with pytest.raises(ConnectionResetError):
            await soon(reader.read(), 1)
        assert refusing.dials == 1
        assert local.said[0].endswith("is reset: broke off after the request")
        writer.close()


async def test_a_far_side_that_breaks_off_while_it_is_dialed_is_a_reset_for_the_client() -> None:
    class BreaksOff:
        async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
            transport = await behind.dialer.dial(factory)
            transport.abort()
            await asyncio.sleep(0.01)
            return transport

    async with app(echo) as behind, listening(BreaksOff()) as local:
        reader, writer = await local.client()
        with pytest.raises(ConnectionResetError):
            await soon(reader.read(), 1)
        assert local.listener.connections == 0
        writer.close()


async def test_dials_that_fail_until_the_hold_is_over_end_in_a_reset_with_the_last_words() -> None:
    refusing = Refusing(99, why="10.0.0.7:30080: connection refused")
    async with listening(refusing, hold=0.2) as local:
        reader, writer = await local.client()
        with pytest.raises(ConnectionResetError):
            await soon(reader.read(), 1)
        assert 3 <= refusing.dials <= 6  # 20 ms, 40 ms, 80 ms ... apart
        assert local.said[0].endswith("within 0.2 s: 10.0.0.7:30080: connection refused")
        writer.close()


async def test_a_connection_that_got_through_is_not_bound_to_the_hold_any_more() -> None:
    async with app(echo) as behind, listening(hold=0.5) as local:
        reader, writer = await local.client()
        writer.write(b"1")
        await until(lambda: len(local.knocks) == 1)
        local.listener.use(behind.dialer)
        assert await reader.readexactly(1) == b"1"
        await asyncio.sleep(0.6)
        writer.write(b"2")
        assert await soon(reader.readexactly(1), 1) == b"2"
        writer.close()


async def test_a_new_way_is_taken_at_once_also_from_a_dial_that_hangs() -> None:
    async with app(echo) as behind:
        hanging = Hanging()
        async with listening(hanging) as local:
            reader, writer = await local.client()
            writer.write(b"hello")
            await hanging.dialing.wait()
            local.listener.use(behind.dialer)
            assert await soon(reader.readexactly(5), 1) == b"hello"
            assert hanging.given_up == 1
            writer.close()


@pytest.mark.parametrize("work", INSIDE, ids=lambda work: work.__name__)
async def test_a_dial_that_is_cancelled_from_inside_is_a_reset_for_the_client_and_counts(
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    class Cancelled:
        async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
            await work()
            raise AssertionError

    async with listening(Cancelled()) as local:
        reader, writer = await local.client()
        with pytest.raises(ConnectionResetError):
            await soon(reader.read(), 5)
        writer.close()
        await until(lambda: not local.listener.connections)
        assert local.listener.failed_connections == 1


async def test_a_client_that_leaves_ends_the_dial_for_it() -> None:
    hanging = Hanging()
    async with listening(hanging) as local:
        _, writer = await local.client()
        await hanging.dialing.wait()
        writer.close()
        await until(lambda: hanging.given_up == 1)


async def test_a_new_way_leaves_live_connections_where_they_are() -> None:
    async with app(echo) as old, app(answer_after_eof) as new, listening(old.dialer) as local:
        reader, writer = await local.client()
        writer.write(b"1")
        assert await reader.readexactly(1) == b"1"
        for way in (None, new.dialer):
            local.listener.use(way)
            writer.write(b"2")
            assert await reader.readexactly(1) == b"2"
        assert (old.visits, new.visits) == (1, 0)
        writer.close()


async def test_a_way_that_is_taken_away_holds_new_connections_again() -> None:
    async with app(echo) as behind, listening(behind.dialer) as local:
        local.listener.use(None, "the pod is gone")
        reader, writer = await local.client()
        writer.write(b"hello")
        await until(lambda: len(local.knocks) == 1)
        assert behind.visits == 0
        local.listener.use(behind.dialer)
        assert await soon(reader.readexactly(5), 1) == b"hello"
        writer.close()


async def test_connections_and_bytes_are_counted_while_they_live_and_after() -> None:
    async with app(echo) as behind, listening(behind.dialer) as local:
        listener = local.listener
        reader, writer = await local.client()
        writer.write(b"hello")
        await reader.readexactly(5)
        assert (listener.connections, listener.total_connections) == (1, 1)
        assert (listener.bytes_in, listener.bytes_out) == (5, 5)
        writer.close()
        await until(lambda: listener.connections == 0)
        assert (listener.total_connections, listener.bytes_in, listener.bytes_out) == (1, 5, 5)


async def test_what_a_connection_was_is_a_line_of_the_debug_log() -> None:
    async with app(echo) as behind, listening(behind.dialer, level=logging.DEBUG) as local:
        reader, writer = await local.client()
        writer.write(b"hello")
        await reader.readexactly(5)
        writer.close()
        await until(lambda: local.listener.connections == 0)
        assert len(local.said) == 1
        assert "5 bytes in, 5 out" in local.said[0] and local.said[0].endswith("closed")


async def test_closing_refuses_new_connections_and_resets_live_and_waiting_ones() -> None:
    async with app(echo) as behind, listening(behind.dialer) as local:
        live = await local.client()
        live[1].write(b"1")
        await live[0].readexactly(1)
        local.listener.use(None)
        waiting = await local.client()
        await until(lambda: local.listener.connections == 2)
        await local.listener.close()
        assert local.listener.connections == 0
        for reader, writer in (live, waiting):
            with pytest.raises(ConnectionResetError):
                await soon(reader.read(), 1)
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            await local.client()


async def test_closing_with_a_drain_lets_live_connections_finish() -> None:
    async with app(answer_after_eof) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        writer.write(b"all")
        await until(lambda: behind.visits == 1)
        closing = asyncio.create_task(local.listener.close(drain=3))
        await asyncio.sleep(0.02)
        writer.write_eof()
        assert await soon(reader.read(), 1) == b"got all"
        writer.close()
        await soon(closing, 1)


async def test_closing_with_a_drain_does_not_wait_for_those_that_wait() -> None:
    async with listening() as local:
        reader, writer = await local.client()
        await until(lambda: local.listener.connections == 1)
        await soon(local.listener.close(drain=3), 1)
        with pytest.raises(ConnectionResetError):
            await soon(reader.read(), 1)
        writer.close()


async def test_closing_twice_is_harmless() -> None:
    async with listening() as local:
        await local.listener.close()
        await local.listener.close()


async def test_without_room_for_more_files_the_port_waits_quietly_and_goes_on_when_there_is_room() -> None:
    async with app(echo) as behind, listening(behind.dialer) as local:
        with ExitStack() as stack:
            clients = [stack.enter_context(socket.socket()) for _ in range(5)]
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            highest = stack.enter_context(socket.socket()).fileno()
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
            try:
                for client in clients:
                    client.connect((LOCAL, local.port))
                    client.sendall(b"x")
                began = time.process_time()
                await asyncio.sleep(0.5)  # more than two tries to accept
                assert time.process_time() - began < 0.05, "it kept the processor busy"
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert len(local.said) == 1
            assert "cannot accept connections: Too many open files" in local.said[0]
            await until(lambda: local.listener.bytes_in == len(clients))


async def test_hundreds_of_short_connections_leave_nothing_behind() -> None:
    async with app(echo) as behind, listening(behind.dialer) as local:
        for _ in range(300):
            reader, writer = await local.client()
            writer.write(b"x")
            await reader.readexactly(1)
            writer.close()
        await until(lambda: local.listener.connections == 0)
        assert local.listener.total_connections == 300
        assert local.said == []
        gc.collect()
        assert not [left for left in gc.get_objects() if isinstance(left, LocalConnection | End)]


async def test_an_idle_connection_costs_some_six_kilobytes_at_most() -> None:
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server((LOCAL, 0), backlog=300))
        async with listening(TcpDialer(LOCAL, silent.getsockname()[1])) as local:
            await _idle(stack, local, 100)  # what is made once for all
            tracemalloc.start()
            await _idle(stack, local, 200)
            gc.collect()
            used, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert used / 200 < 6_500  # 3.8 KB on Python 3.11, 6.1 on 3.13


async def _idle(stack: ExitStack, local: Port, count: int) -> None:
    wanted = local.listener.connections + count
    for _ in range(count):
        stack.enter_context(socket.create_connection((LOCAL, local.port)))
    await until(lambda: local.listener.connections == wanted)
    await until(lambda: all(connection.joined for connection in local.listener._live))
    await asyncio.sleep(0.1)
