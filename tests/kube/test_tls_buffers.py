"""Read buffers of TLS connections are shared by those of one event loop, and by no others."""

import asyncio
import ssl
import threading

from kfw.kube import tls
from tests.kube import certificates
from tests.kube.test_api_server import serves
from tests.stream_server import streams

#: Bytes that each of two loops gets, enough for them to read at the same moment many times.
AMOUNT = 30_000_000
_PIECE = b"x" * 100_000


def test_two_loops_in_two_threads_do_not_read_into_one_buffer() -> None:
    """As in the tests that run the sandbox beside what talks to it."""
    tls.share_buffers()
    got: list[int | BaseException] = []
    threads = [threading.Thread(target=lambda: got.append(_outcome())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == [AMOUNT, AMOUNT]


def _outcome() -> int | BaseException:
    try:
        return asyncio.run(_transfer())
    except (OSError, EOFError, TimeoutError) as error:
        return error


async def _transfer() -> int:
    """How many bytes have come over TLS."""
    async with streams(_send, tls=serves("127.0.0.1")) as server, asyncio.timeout(50):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=_trusting())
        count = 0
        while piece := await reader.read(65536):
            count += len(piece)
        writer.transport.abort()
        return count


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(AMOUNT // len(_PIECE)):
        writer.write(_PIECE)
        await writer.drain()
    writer.close()


def _trusting() -> ssl.SSLContext:
    """As kfw, which takes certificates without the identifiers that Python 3.13 wants: clusters have such."""
    context = ssl.create_default_context(cadata=certificates.ca().decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
