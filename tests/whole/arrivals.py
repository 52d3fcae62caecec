"""New connections at a steady rate, each with one request, from a loop in a thread: was one of them refused or reset?"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

GET = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
#: Seconds that a client waits for its answer.
PATIENCE = 20.0


@dataclass
class Arrivals:
    """`hows`: "answered", "refused", "reset", "late", counted; `slowest`: seconds of the slowest answer."""

    hows: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def failed(self) -> dict[str, int]:
        return {how: count for how, count in self.hows.items() if how != "answered"}


@contextmanager
def arrivals(ports: list[int], per_second: float = 200) -> Iterator[Arrivals]:
    """Over all ports together, in turn."""
    found, over = Arrivals(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_come(found, ports, per_second, over)))
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join(PATIENCE + 5)


async def _come(found: Arrivals, ports: list[int], per_second: float, over: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    began, running = loop.time(), set[asyncio.Task[None]]()
    count = 0
    while not over.is_set():
        while count < (loop.time() - began) * per_second:  # who came too late to its turn comes now
            task = asyncio.create_task(_one(found, ports[count % len(ports)]))
            running.add(task)
            task.add_done_callback(running.discard)
            count += 1
        await asyncio.sleep(1 / per_second)
    await asyncio.gather(*running)


async def _one(found: Arrivals, port: int) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    how = "late"
    try:
        async with asyncio.timeout(PATIENCE):
            how = await _ask(port)
    except TimeoutError:
        pass
    except ConnectionRefusedError:
        how = "refused"
    except OSError:
        how = "reset"
    found.hows[how] += 1
    found.slowest = max(found.slowest, loop.time() - began)


async def _ask(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(GET)
        return "answered" if b" 200 " in await reader.read(4096) else "no answer"
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
