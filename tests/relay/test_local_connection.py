"""What a connection tells of itself while it lives and when it has ended: for `kfw top`, its events, and the hints."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest

from kfw.relay.dialer import Dialer, DialFailed, TcpDialer
from kfw.relay.local_connection import ListenerState, LocalConnection
from kfw.relay.suspicion import Suspicion
from tests.relay import world
from tests.relay.world import Port, Refusing, answer_after_eof, app, echo, send_reset
from tests.stopwatch import soon
from tests.until import until

pytestmark = pytest.mark.asyncio

listening = partial(world.listening, remembers=True)
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether a client has left")


class Way:
    """A kfw.relay.dialer.ClosesByItself over TCP."""

    def __init__(self, tcp: TcpDialer) -> None:
        self.over_at: float | None = None
        self._tcp = tcp

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        return await self._tcp.dial(factory)

    def end(self, seconds_ago: float = 0.0) -> None:
        self.over_at = asyncio.get_running_loop().time() - seconds_ago


class Stream(asyncio.Transport):
    """A far side that says which pod it goes to, as a tunnel's does."""

    def __init__(self, endpoint: str, protocol: asyncio.Protocol) -> None:
        super().__init__({"endpoint": endpoint})
        self._protocol = protocol
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close


class ToPod:
    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        protocol = factory()
        stream = Stream("web-1", protocol)
        protocol.connection_made(stream)
        return stream


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the first word with one, and closes."""
    await reader.read(1)
    writer.write(b"hello")


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def say_and_read(local: Port, what: bytes = b"x") -> bytes:
    reader, writer = await local.client()
    writer.write(what)
    try:
        return await soon(reader.read(), 3)
    finally:
        writer.close()


async def one_over(local: Port) -> LocalConnection:
    await until(lambda: len(local.ended) == 1)
    return local.ended[0]


async def test_it_says_whose_it_is_who_the_client_is_and_why_it_waits() -> None:
    async with app(echo) as behind, listening(why="no pod of it is ready") as local:
        reader, writer = await local.client()
        await until(lambda: bool(local.began and local.began[0].waits_for))
        one = local.began[0]
        assert (one.name, one.client) == ("api", writer.get_extra_info("sockname"))
        assert (one.joined, one.waits_for, one.endpoint) == (False, "no pod of it is ready", "")
        local.listener.use(behind.dialer)
        writer.write(b"x")
        await reader.readexactly(1)
        assert (one.joined, one.waits_for, one.how) == (True, "", "")
        writer.close()


async def test_the_first_byte_is_timed_from_the_clients_arrival_and_only_once() -> None:
    async with app(echo) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        await until(lambda: bool(local.began and local.began[0].joined))
        one = local.began[0]
        assert one.first_byte is None
        await asyncio.sleep(0.05)
        for word in (b"a", b"b"):
            writer.write(word)
            await reader.readexactly(1)
            await asyncio.sleep(0.05)
        assert one.first_byte is not None and 0.05 <= one.first_byte < one.seconds - 0.09
        writer.close()


async def test_a_way_that_knows_its_pod_names_it() -> None:
    async with listening(ToPod()) as local:
        _, writer = await local.client()
        await until(lambda: bool(local.began and local.began[0].joined))
        assert local.began[0].endpoint == "web-1"
        writer.transport.abort()
        await one_over(local)


async def test_nobody_is_told_of_a_refusal_before_it_is_known_where_connections_go() -> None:
    async with listening(hold=0.4, hold_refused=0.05, told=False) as local:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ConnectionResetError):
            await say_and_read(local)
        assert asyncio.get_running_loop().time() - began > 0.3
        assert local.refused == []


async def test_dials_for_one_that_waits_are_never_more_than_half_a_second_apart() -> None:
    times: list[float] = []

    class Refuses:
        async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
            times.append(asyncio.get_running_loop().time())
            raise DialFailed("refused", safe=True)

    async with listening(Refuses(), hold=2.6) as local:
        with pytest.raises(ConnectionResetError):
            await say_and_read(local)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[0] < 0.2 < gaps[-1] and max(gaps) < 0.9  # 0.5 s, on a busy machine


async def test_a_client_that_was_gone_before_it_was_taken_in_ends_with_the_systems_words() -> None:
    over = list[LocalConnection]()
    log = logging.Logger("test")
    terms = ListenerState(
        "api", 5.0, log, lambda *_: None, over.append, lambda _: None, suspicion=Suspicion()
    )
    closed = socket.socket()
    closed.close()
    one = LocalConnection(terms)
    one.begin(closed)
    await until(lambda: bool(over))
    assert (one.how, one.client, one.unanswered) == ("Bad file descriptor", None, False)


# -- how it ended


async def test_a_close_by_the_app_is_its_word_and_no_loss() -> None:
    async with app(greet) as behind, listening(behind.dialer) as local:
        assert await say_and_read(local) == b"hello"
        one = await one_over(local)
        assert (one.how, one.failed, one.unanswered) == ("closed", False, False)


async def test_a_reset_by_the_app_is_a_loss_and_one_by_the_client_is_none() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        send_reset(writer)

    async with app(break_off) as behind, listening(behind.dialer) as local:
        with pytest.raises(ConnectionResetError):
            await say_and_read(local)
        one = await one_over(local)
        assert one.how.startswith("the pod reset the connection: ") and one.failed and one.unanswered is True
    async with app(echo) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        writer.write(b"x")
        await reader.readexactly(1)
        send_reset(writer)
        one = await one_over(local)
        assert one.how.startswith("the client reset the connection: ")
        assert (one.failed, one.unanswered) == (False, False)


@pytest.mark.parametrize(
    "dialer", [Refusing(9, safe=False, why="broken"), Refusing(999, refused=True, why="nobody listens")]
)
async def test_one_that_no_way_takes_is_lost_and_unanswered(dialer: Dialer) -> None:
    async with listening(dialer, hold_refused=0.05) as local:
        with pytest.raises(ConnectionResetError):
            await say_and_read(local)
        one = await one_over(local)
        assert (one.failed, one.unanswered) == (True, True)
        assert one.how in ("broken", "nobody listens")


async def test_one_whose_app_hangs_up_on_a_question_is_unanswered() -> None:
    async with app(hang_up) as behind, listening(behind.dialer) as local:
        assert await say_and_read(local) == b""
        one = await one_over(local)
        assert (one.how, one.failed, one.unanswered) == ("closed", False, True)


@pytest.mark.parametrize("others_are_answered", [True, False])
@pytest.mark.parametrize("asks", [True, False])
async def test_a_client_that_leaves_unanswered_counts_where_it_asked_and_others_are_answered(
    asks: bool, others_are_answered: bool
) -> None:
    async with app(say_nothing) as behind, listening(behind.dialer) as local:
        local.listener.suspicion.answers = int(others_are_answered)
        _, writer = await local.client()
        if asks:
            writer.write(b"question")
        await until(lambda: behind.visits == 1 and (not asks or local.listener.bytes_out == 8))
        writer.close()
        one = await one_over(local)
        assert one.unanswered is (asks and others_are_answered)


# -- a way that closes connections by itself


@pytest.mark.parametrize("talk", [greet, hang_up])
async def test_a_close_without_an_answer_is_the_ways_and_one_after_an_answer_is_the_apps(
    talk: Callable[..., object],
) -> None:
    async with app(talk) as behind, listening(Way(behind.dialer)) as local:  # type: ignore[arg-type]
        await say_and_read(local)
        one = await one_over(local)
        said = ("closed", False, False) if talk is greet else ("the path closed it", True, True)
        assert (one.how, one.failed, one.unanswered) == said


@pytest.mark.parametrize(("ago", "lost"), [(0.0, True), (0.2, True), (5.0, True), (-5.0, False)])
async def test_a_close_shortly_before_or_after_the_ways_end_is_a_loss(ago: float, lost: bool) -> None:
    async with app(greet) as behind:
        way = Way(behind.dialer)
        async with listening(way) as local:
            way.end(ago)
            await say_and_read(local)
            assert (await one_over(local)).failed is lost


async def test_whether_a_way_ends_is_waited_for_a_moment_and_told_once() -> None:
    async with app(greet) as behind:
        way = Way(behind.dialer)
        async with listening(way) as local:
            assert await say_and_read(local) == b"hello"
            await asyncio.sleep(0.1)
            assert local.ended == [] and local.listener.connections == 1
            way.end()
            one = await one_over(local)
            assert (one.how, one.failed) == ("the path closed it", True)


async def test_one_that_is_cut_while_that_is_waited_for_ends_at_once_and_once() -> None:
    async with app(greet) as behind, listening(Way(behind.dialer)) as local:
        assert await say_and_read(local) == b"hello"
        await asyncio.sleep(0.1)
        [one] = local.began
        one.cut("the port is closed")
        one.cut("the port is closed")
        assert local.ended == [one]
        assert (one.how, one.failed) == ("closed", False)
        await asyncio.sleep(0.4)
        assert local.ended == [one]


async def test_a_client_that_ends_first_is_not_waited_for() -> None:
    async with app(answer_after_eof) as behind:
        way = Way(behind.dialer)
        async with listening(way) as local:
            _, writer = await local.client()
            writer.write(b"all")
            await until(lambda: behind.visits == 1)
            writer.transport.abort()
            way.end()
            one = await one_over(local)
            assert (one.how, one.failed) == ("closed", False)


class NeverOver(Stream):
    """A far side that takes its time to end, as a pod that a stream was closed to does."""

    def close(self) -> None:
        self._closing = True

    def write_eof(self) -> None: ...
    def can_write_eof(self) -> bool:
        return True

    def answer(self) -> None:
        self._protocol.data_received(b"an answer")

    def end(self) -> None:
        self._protocol.connection_lost(None)


class ToNeverOver:
    def __init__(self) -> None:
        self.streams: list[NeverOver] = []

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        protocol = factory()
        self.streams.append(NeverOver("web-1", protocol))
        protocol.connection_made(self.streams[0])
        return self.streams[0]


@linux
@pytest.mark.parametrize("says", [b"", b"x"])
@pytest.mark.parametrize("listens", [0.0, 0.1], ids=["leaves", "listens first"])
async def test_a_client_that_has_left_keeps_no_file_open_however_long_the_far_side_takes(
    says: bytes, listens: float
) -> None:
    way = ToNeverOver()
    async with listening(way) as local:
        _, writer = await local.client()
        await until(lambda: bool(local.began and local.began[0].joined))
        near = local.began[0].near
        accepted: socket.socket = near.transport.get_extra_info("socket")
        writer.write(says)
        if listens:
            writer.write_eof()
            await asyncio.sleep(listens)
            assert not near.gone and not way.streams[0].is_closing()
        writer.close()
        await until(lambda: near.gone and accepted.fileno() < 0)
        assert way.streams[0].is_closing() and not local.ended
        way.streams[0].end()
        one = await one_over(local)
        assert (one.how, one.failed) == ("closed", False)


@linux
async def test_a_client_that_had_left_before_its_answer_came_is_let_go() -> None:
    way = ToNeverOver()
    async with listening(why="no pod of it is ready") as local:
        _, writer = await local.client()
        writer.write(b"x")
        writer.write_eof()
        await until(lambda: bool(local.began and local.began[0].near.finished))
        local.listener.use(way)
        await until(lambda: local.began[0].joined)
        writer.close()
        await writer.wait_closed()
        way.streams[0].answer()
        await until(lambda: local.began[0].near.gone)
        way.streams[0].end()


async def test_a_client_that_only_listens_gets_its_answer_though_it_has_said_nothing() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.sleep(1.3)  # longer than two looks
        writer.write(b"late")

    async with app(late) as behind, listening(behind.dialer) as local:
        reader, writer = await local.client()
        writer.write_eof()
        assert await soon(reader.read(), 5) == b"late"
        writer.close()
