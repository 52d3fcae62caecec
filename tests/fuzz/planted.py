"""Areas that fail on purpose, so that a test can see the runner notice it. Chosen by name only."""

import asyncio
import logging
import os
import re
import resource
import signal
import time

from tests.fuzz.area import Area, Case, Finding, MakeArea


class Failure(Area):
    name = "planted-failure"

    async def case(self, case: Case) -> None:
        if case.seed % 2:
            raise Finding(f"planted: an odd seed, {case.seed}")


class Crash(Area):
    name = "planted-crash"

    async def case(self, case: Case) -> None:
        raise ZeroDivisionError("planted")


class Hang(Area):
    name = "planted-hang"
    limit = 0.5

    async def case(self, case: Case) -> None:
        if case.seed % 2:
            time.sleep(60)  # noqa: ASYNC251  # as a read of a FIFO in the event loop does


class HangInC(Area):
    """As a regular expression that tries everything does: no other thread can run, the watchdog's neither."""

    name = "planted-hang-in-c"
    limit = 0.5

    async def case(self, case: Case) -> None:
        if case.seed % 2:
            re.fullmatch("(a+)+", "a" * 60 + "!")


class Wait(Area):
    name = "planted-wait"
    limit = 0.5

    async def case(self, case: Case) -> None:
        if case.seed % 2:
            await asyncio.Event().wait()


class Fall(Area):
    name = "planted-fall"

    async def case(self, case: Case) -> None:
        if case.seed % 2:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.kill(os.getpid(), signal.SIGSEGV)


class Task(Area):
    name = "planted-task"

    async def case(self, case: Case) -> None:
        async def fail() -> None:
            raise ZeroDivisionError("planted")

        task = asyncio.create_task(fail())
        await asyncio.wait([task])


class Log(Area):
    name = "planted-log"

    async def case(self, case: Case) -> None:
        logging.getLogger("kfw.planted").info("logged in with %s", case.mark)


class Leak(Area):
    name = "planted-leak"

    async def case(self, case: Case) -> None:
        case.must_not_show("an error", f"cannot log in with token {case.mark}")


class Growth(Area):
    name = "planted-growth"
    growth = 8 << 20
    slice = 0.0

    async def __aenter__(self) -> "Growth":
        self._kept: list[bytes] = []
        return self

    async def case(self, case: Case) -> None:
        self._kept.append(b"x" * (1 << 20))


PLANTED: dict[str, MakeArea] = {
    area.name: area for area in (Failure, Crash, Hang, HangInC, Wait, Fall, Task, Log, Leak, Growth)
}
