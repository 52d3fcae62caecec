"""One test leaves nothing for the next: no open connection of a server of its own, and logging as it was."""

import asyncio
import io
import logging
import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kfw.daemon.logs import log_with
from kfw.system.tls_streams import start_tls
from tests.kube.test_api_server import serves
from tests.stream_server import Handler, streams
from tests.until import until

#: The head of a record of 512 bytes of a handshake, which never come (RFC 8446 section 5.1).
HALF_A_HELLO = b"\x16\x03\x01\x02\x00"


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def ends_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


async def ends_with_much_unsent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(30_000_000))


async def fails(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise ConnectionResetError


async def goes_on_when_cancelled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    writer.write(b"more")


@pytest.mark.asyncio
@pytest.mark.parametrize("encrypted", [False, True], ids=["in the clear", "in TLS"])
@pytest.mark.parametrize(
    "handler", [says_nothing, ends_at_once, ends_with_much_unsent, fails, goes_on_when_cancelled]
)
async def test_the_end_of_a_server_of_streams_closes_whatever_it_has_accepted(
    handler: Handler, encrypted: bool
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # one of them fails
    tls = serves("127.0.0.1") if encrypted else None
    trusting = ssl._create_unverified_context() if encrypted else None
    before = descriptors()
    async with streams(handler, tls=tls) as server:
        clients = [await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting) for _ in range(5)]
        sockets = [writer.get_extra_info("socket") for _, writer in clients]
    # In TLS a client whose server has ended closes by itself, some of them before they can be asked.
    assert descriptors() == before + sum(one is not None and one.fileno() != -1 for one in sockets)
    for _, writer in clients:
        writer.transport.abort()


@pytest.mark.asyncio
@pytest.mark.parametrize("sent", [b"", HALF_A_HELLO], ids=["nothing", "half a hello"])
async def test_a_server_of_streams_ends_at_once_in_the_middle_of_a_handshake(sent: bytes) -> None:
    async def encrypts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.leave(writer)
        try:
            await start_tls(writer, serves("127.0.0.1"), is_server=True)
        finally:
            writer.transport.abort()

    before = descriptors()
    async with streams(encrypts) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        await until(lambda: bool(server.visits))
        began = time.monotonic()
    assert time.monotonic() - began < 10  # a handshake is given 60 s
    assert descriptors() == before + 1
    writer.transport.abort()


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("turn", range(2))
def test_a_line_is_heard_once_whatever_the_test_before_has_left_of_logging(
    turn: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "kfw"):
        logging.getLogger("kfw.forward").info("a line")
    assert caplog.messages == ["a line"]
    log_with(logging.StreamHandler(io.StringIO()), "error")  # as a daemon in this process does
