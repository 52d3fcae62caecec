"""Somebody who makes so many new connections a second, asks for a page on each, and counts what came of it."""

import asyncio
import json
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """Times as of time.monotonic(). `failed`: why, "" if it was answered by `pod`. `client`: "127.0.0.1:51234"."""

    began: float
    ended: float
    pod: str = ""
    failed: str = ""
    client: str = ""


class Connects:
    """A context manager. `patience`: seconds that a client waits for its answer."""

    def __init__(self, port: int, per_second: float, *, patience: float = 5.0) -> None:
        self.attempts: list[Attempt] = []
        self._port = port
        self._pause = 1 / per_second
        self._patience = patience
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    @property
    def failures(self) -> list[Attempt]:
        return [one for one in self.attempts if one.failed]

    @property
    def last_pod(self) -> str:
        """That has answered."""
        return next(one.pod for one in reversed(self.attempts) if one.pod)

    def first_answer(self, after: float, *, not_of: set[str]) -> float | None:
        """When a pod that is none of these has first answered after that moment."""
        ended = (one.ended for one in tuple(self.attempts) if one.pod and one.pod not in not_of)
        return min((end for end in ended if end > after), default=None)

    def __enter__(self) -> "Connects":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        running = set[asyncio.Task[None]]()
        due = time.monotonic()
        while not self._over.is_set():
            task = asyncio.create_task(self._attempt())
            running.add(task)
            task.add_done_callback(running.discard)
            due += self._pause
            await asyncio.sleep(max(0, due - time.monotonic()))
        await asyncio.gather(*running)

    async def _attempt(self) -> None:
        began, client = time.monotonic(), ""
        try:
            async with asyncio.timeout(self._patience):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                client = "{}:{}".format(*writer.get_extra_info("sockname"))
                pod = await _ask(reader, writer)
        except (OSError, ValueError, EOFError) as error:
            self.attempts.append(Attempt(began, time.monotonic(), failed=repr(error), client=client))
        else:
            self.attempts.append(Attempt(began, time.monotonic(), pod=pod, client=client))


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return str(json.loads(await reader.readexactly(length))["pod"])
    finally:
        writer.close()
