"""Areas that fail on purpose, so that a test can see the runner notice it. Chosen by name only."""

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


class Leak(Area):
    name = "planted-leak"

    async def case(self, case: Case) -> None:
        case.must_not_show("an error", f"cannot log in with token {case.mark}")


class Growth(Area):
    name = "planted-growth"
    growth = 8 << 20
    slice = 0.2

    async def __aenter__(self) -> "Growth":
        self._kept: list[bytes] = []
        return self

    async def case(self, case: Case) -> None:
        self._kept.append(b"x" * (1 << 20))


PLANTED: tuple[MakeArea, ...] = (Failure, Crash, Hang, Leak, Growth)
