"""The list of connections: what it knows of each, and what is said of those that are lost."""

import asyncio
import os
from collections.abc import Callable

import pytest

from kfw.daemon import connections as module
from kfw.daemon.connections import Connections
from kfw.names import RowId
from kfw.protocol import ConnectionInfo
from kfw.relay.dialer import Dialer
from kfw.relay.listener import Listener
from kfw.system.clock import Clock
from kfw.system.local_ports import bind
from tests.relay.world import LOCAL, Refusing, app, echo, send_reset
from tests.until import until

pytestmark = pytest.mark.asyncio


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, ConnectionInfo | None]] = []

    def __call__(self, name: str, message: str, connection: ConnectionInfo | None) -> None:
        self.events.append((str(name), message, connection))


class Watched:
    """A listener of kfw's and the list that watches it."""

    def __init__(self, dialer: Dialer | None, *, hold: float = 5.0, hold_refused: float = 2.0) -> None:
        import logging

        self.told = Told()
        self.list = Connections(Clock(), self.told)
        sockets, self.port = bind((LOCAL,), 0)
        log = logging.getLogger("kfw.test")
        self.listener = Listener(
            "api",
            sockets,
            hold=hold,
            hold_refused=hold_refused,
            on_knock=lambda: None,
            log=log,
            watcher=self.list,
        )
        self.listener.use(dialer, "no pod is ready")
        self.listener.start()

    async def __aenter__(self) -> "Watched":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.listener.close()

    async def client(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOCAL, self.port)

    async def rows(self) -> list[ConnectionInfo]:
        return await self.list.report({RowId("", "api"): "web-1"})

    async def row(self, wanted: Callable[[ConnectionInfo], bool]) -> ConnectionInfo:
        async with asyncio.timeout(3):
            while True:
                for one in await self.rows():
                    if wanted(one):
                        return one
                await asyncio.sleep(0.01)


async def test_an_open_connection_is_known_with_its_process_its_bytes_and_its_first_byte() -> None:
    async with app(echo) as far, Watched(far.dialer) as near:
        reader, writer = await near.client()
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        [row] = await near.rows()
        host, port = writer.get_extra_info("sockname")
        assert (row.forward, row.client, row.state, row.endpoint) == (
            "api",
            f"{host}:{port}",
            "open",
            "web-1",
        )
        assert row.process == "kfw itself" or f"(pid {os.getpid()})" in (row.process or "")
        assert (row.bytes_in, row.bytes_out) == (5, 5)
        assert row.first_byte_seconds is not None
        assert 0 < row.first_byte_seconds <= row.seconds + 0.001
        writer.close()


async def test_one_that_waits_says_for_what() -> None:
    async with Watched(None) as near:
        _, writer = await near.client()
        row = await near.row(lambda one: bool(one.client))
        assert (row.state, row.why, row.first_byte_seconds) == ("waiting", "no pod is ready", None)
        writer.close()


async def test_one_that_was_closed_is_remembered_and_no_event() -> None:
    async with app(echo) as far, Watched(far.dialer) as near:
        reader, writer = await near.client()
        writer.write(b"hello")
        await reader.readexactly(5)
        await near.rows()  # who looks while it is open learns the process
        writer.close()
        row = await near.row(lambda one: one.state == "closed")
        assert (row.why, row.bytes_in) == ("", 5)
        assert row.process
        assert not near.told.events


async def test_a_reset_by_the_app_is_a_loss_and_an_event() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        send_reset(writer)

    async with app(reset) as far, Watched(far.dialer) as near:
        reader, _writer = await near.client()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        row = await near.row(lambda one: one.state == "lost")
        assert "the pod reset the connection" in row.why
        [(name, message, connection)] = near.told.events
        assert (name, connection and connection.state) == ("api", "lost")
        assert message == f"a connection was lost: {row.why}"
        assert near.listener.failed_connections == 1


async def test_one_that_found_no_way_in_time_is_a_loss() -> None:
    async with Watched(Refusing(0, why="nothing listens there"), hold=0.05) as near:
        reader, _writer = await near.client()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        row = await near.row(lambda one: one.state == "lost")
        assert row.why == "no ready endpoint within 0.05 s: nothing listens there"


async def test_one_that_everybody_refused_is_a_loss_with_their_words() -> None:
    why = "nothing listens on port 80 in pod api-1 (connection refused); it has 8080 (http)"
    async with Watched(Refusing(99, why=why, refused=True), hold_refused=0.05) as near:
        reader, _writer = await near.client()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        row = await near.row(lambda one: one.state == "lost")
        assert row.why == why
        assert near.told.events[0][1] == f"a connection was lost: {why}"


async def test_a_client_that_resets_is_no_loss() -> None:
    async with app(echo) as far, Watched(far.dialer) as near:
        reader, writer = await near.client()
        writer.write(b"hello")
        await reader.readexactly(5)
        send_reset(writer)
        row = await near.row(lambda one: one.state == "closed")
        assert "the client reset the connection" in row.why
        assert (near.told.events, near.listener.failed_connections) == ([], 0)


async def test_losses_that_come_close_together_are_two_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.1)

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        send_reset(writer)

    async with app(reset) as far, Watched(far.dialer) as near:
        clients = await asyncio.gather(*(near.client() for _ in range(20)))
        await until(lambda: near.listener.failed_connections == 20)
        await until(lambda: len(near.told.events) == 2)
        assert near.told.events[1] == ("api", "19 more connections were lost within 0.1 s", None)
        assert clients


async def test_only_the_last_ones_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    async with app(echo) as far, Watched(far.dialer) as near:
        for number in range(5):
            reader, writer = await near.client()
            writer.write(b"x" * (number + 1))
            await reader.readexactly(number + 1)
            writer.close()
            await until(lambda: near.listener.connections == 0)
        assert [one.bytes_in for one in await near.rows()] == [5, 4, 3]
