"""A child that serves a page: asked until it answers, and what it said when it has ended."""

import asyncio
from pathlib import Path

from kfw.backoff import Backoff
from kfw.errors import KfwError, TimedOut
from kfw.http.pages import ADDRESS
from kfw.system.process import Child

#: Seconds between two looks whether it answers, at first and at last; for one of them.
_PAUSES = Backoff(0.05, 0.5, multiplier=1.5)
_LOOK = 2.0
#: Characters of its last words.
_SHOWN = 300


async def wait_until_answers(port: int, child: Child, limit: float) -> None:
    """In HTTP, whatever it says. Raises KfwError when the child ends first, TimedOut after `limit` seconds."""
    loop = asyncio.get_running_loop()
    deadline, looks = loop.time() + limit, 0
    while not await _answers(port):
        if loop.time() > deadline:
            raise TimedOut(f"{Path(child.argv[0]).name} did not answer on port {port} within {limit:g} s")
        looks += 1
        await asyncio.wait({asyncio.shield(child.over)}, timeout=_PAUSES.after(looks))
        if child.over.done():
            raise ended(child)


async def _answers(port: int) -> bool:
    try:
        async with asyncio.timeout(_LOOK):
            reader, writer = await asyncio.open_connection(ADDRESS, port)
            try:
                writer.write(
                    f"GET / HTTP/1.1\r\nHost: {ADDRESS}:{port}\r\nConnection: close\r\n\r\n".encode()
                )
                return await reader.readexactly(5) == b"HTTP/"
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


def ended(child: Child) -> KfwError:
    """With its last words."""
    words = next(reversed(child.last_words().splitlines()), "")[:_SHOWN]
    return KfwError(f"{child.how_it_ended()}: {words}" if words else child.how_it_ended())
