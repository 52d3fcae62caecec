"""The clients, in one process of their own: new connections and live ones to echo ports, each outcome a line of a file.

usage: python -m tests.real.chaos.load '{"file": ..., "targets": {"tunnel": ["127.0.0.1", 9000]}, ...}'

It goes on until its stdin ends. How late its own loop was is in the file: a client that got no processor proves nothing.
Times are those of time.monotonic(), which all processes of a Linux machine share.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tests.real.rig import ROOT

OK, REFUSED, RESET, CLOSED, SILENT, UNREACHABLE = "ok", "refused", "reset", "closed", "silent", "unreachable"
#: What somebody who accepted the connection did to it.
ENDED = (RESET, CLOSED)
#: Seconds between two words of a live connection, and between two tries to have one again.
PING, PAUSE = 0.2, 0.3
#: A loop that is later than this (seconds) is told.
LATE = 0.05
#: Seconds: a client that is later than this leaves out what it has missed.
HOPELESS = 0.5


@dataclass(frozen=True)
class Attempt:
    """A new connection, or (`live`) one that said a word every so often until it was lost; so many `words` were echoed."""

    target: str
    began: float
    ended: float
    outcome: str
    words: int = 0
    live: bool = False

    @property
    def ok(self) -> bool:
        return self.outcome == OK


@dataclass(frozen=True)
class Plan:
    """`rate`: new connections a second, to each target; `patience`: seconds that a new one, a live one waits for an echo."""

    file: str
    targets: Mapping[str, tuple[str, int]]
    rate: float = 30.0
    live: int = 4
    patience: float = 3.0
    live_patience: float = 20.0


@dataclass
class Records:
    attempts: list[Attempt] = field(default_factory=list)
    #: When, and by how many seconds, the clients' own loop was late.
    lags: list[tuple[float, float]] = field(default_factory=list)


@contextmanager
def clients(plan: Plan) -> Iterator[Records]:
    """They are at work inside; what they saw is in the records afterwards."""
    records = Records()
    argv = [sys.executable, "-m", __spec__.name, json.dumps(vars(plan))]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, cwd=ROOT)
    try:
        yield records
    finally:
        try:
            process.communicate(timeout=plan.patience + 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        read(Path(plan.file), records)
    assert process.returncode == 0, f"the clients ended with {process.returncode}"


def read(file: Path, records: Records) -> None:
    for line in file.read_text().splitlines() if file.exists() else ():
        match json.loads(line):
            case ["late", when, seconds]:
                records.lags.append((when, seconds))
            case ["try", *fields]:
                records.attempts.append(Attempt(*fields))


class Echo(asyncio.Protocol):
    """One side of an echo: `say` returns when the word has come back."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted = 0
        self._heard: asyncio.Future[None] | None = None
        self._over: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    async def say(self, word: bytes) -> None:
        """Raises OSError, EOFError."""
        if self._over is not None:
            raise self._over
        self._heard, self._wanted = self._loop.create_future(), len(word)
        self.transport.write(word)
        await self._heard

    def data_received(self, data: bytes) -> None:
        self._wanted -= len(data)
        if self._wanted <= 0 and self._heard is not None and not self._heard.done():
            self._heard.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = exc or EOFError()
        if self._heard is not None and not self._heard.done():
            self._heard.set_exception(self._over)


class Clients:
    def __init__(self, plan: Plan, out: TextIO) -> None:
        self._plan = plan
        self._out = out
        self._over = asyncio.Event()
        self._tasks = set[asyncio.Task[None]]()

    async def run(self, until: asyncio.Event) -> None:
        """Live connections are closed at the end, new ones have their answer or their patience."""
        pause = 1 / self._plan.rate
        lasting = [asyncio.create_task(self._measure_lag())]
        for n, name in enumerate(self._plan.targets):
            lasting.append(asyncio.create_task(self._knock(name, pause * n / len(self._plan.targets))))
            lasting += [asyncio.create_task(self._live(name)) for _ in range(self._plan.live)]
        await until.wait()
        for task in lasting:
            task.cancel()
        ended = await asyncio.gather(*lasting, return_exceptions=True)
        await asyncio.gather(*self._tasks)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _knock(self, name: str, offset: float) -> None:
        due = time.monotonic() + offset
        while True:
            now = time.monotonic()
            if now - due > HOPELESS:
                due = now
            await asyncio.sleep(max(0.0, due - now))
            due += 1 / self._plan.rate
            task = asyncio.create_task(self._try_once(name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _try_once(self, name: str) -> None:
        began = time.monotonic()
        outcome = await self._converse(name, self._plan.patience, lambda echo: echo.say(b"a word\n"))
        self._tell(Attempt(name, began, time.monotonic(), outcome, int(outcome == OK)))

    async def _live(self, name: str) -> None:
        while True:
            began, words = time.monotonic(), 0

            async def talk(echo: Echo) -> None:
                nonlocal words
                while True:
                    async with asyncio.timeout(self._plan.live_patience):
                        await echo.say(b"live\n")
                    words += 1
                    await asyncio.sleep(PING)

            outcome = await self._converse(name, None, talk)
            self._tell(Attempt(name, began, time.monotonic(), outcome, words, live=True))
            await asyncio.sleep(PAUSE)

    async def _converse(self, name: str, patience: float | None, talk: Any) -> str:
        host, port = self._plan.targets[name]
        echo = Echo()
        try:
            async with asyncio.timeout(patience):
                async with asyncio.timeout(self._plan.live_patience):
                    await asyncio.get_running_loop().create_connection(lambda: echo, host, port)
                await talk(echo)
        except (OSError, EOFError) as error:
            return _outcome(error)
        finally:
            if hasattr(echo, "transport"):
                echo.transport.close()
        return OK

    async def _measure_lag(self) -> None:
        while True:
            due = time.monotonic() + LATE
            await asyncio.sleep(LATE)
            if (late := time.monotonic() - due) > LATE:
                self._write("late", round(due, 3), round(late, 3))

    def _tell(self, one: Attempt) -> None:
        self._write(
            "try", one.target, round(one.began, 4), round(one.ended, 4), one.outcome, one.words, one.live
        )

    def _write(self, *fields: object) -> None:
        self._out.write(json.dumps(fields) + "\n")


def _outcome(error: Exception) -> str:
    match error:
        case EOFError():
            return CLOSED
        case TimeoutError():
            return SILENT
        case ConnectionRefusedError():
            return REFUSED
        case ConnectionError():
            return RESET
    return UNREACHABLE


async def main(plan: Plan, out: TextIO) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear() -> None:
        if not os.read(sys.stdin.fileno(), 100):
            loop.remove_reader(sys.stdin)
            over.set()

    loop.add_reader(sys.stdin, hear)
    await Clients(plan, out).run(over)


if __name__ == "__main__":
    PLAN = Plan(**json.loads(sys.argv[1]))
    with Path(PLAN.file).open("w", buffering=1) as OUT:
        asyncio.run(main(PLAN, OUT))
