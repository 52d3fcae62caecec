"""What clients saw of their connections, beside what kfw tells of the same ones."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from tests.bench.connects import Attempt, Connects
from tests.real.running import until
from tests.real.talkers import Talkers
from tests.whole.program import Program

#: Seconds that a client is ready to wait: longer than anything may take, so that a hang is seen as one.
PATIENCE = 90.0


class Load:
    """A context manager: new connections to `web` and `lone`, and some that are kept, to `echo`."""

    def __init__(self, program: Program, ports: Mapping[str, int]) -> None:
        self.web = Connects(ports["web"], 8, patience=PATIENCE)
        self.lone = Connects(ports["lone"], 2, patience=PATIENCE)
        self.kept = Talkers(ports["echo"], 4, patience=PATIENCE)
        self._program = program
        self._since = datetime.now(UTC)
        self._seq = program.seq()
        self._lost_before = self._counted()
        self._running = ExitStack()

    def __enter__(self) -> "Load":
        for one in (self.web, self.lone, self.kept):
            self._running.enter_context(one)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def until_it_flows(self, within: float) -> None:
        """Connections of each kind that begin from now on are answered."""
        now, words = time.monotonic(), self.kept.words
        until(
            lambda: _answered(self.web, now) and _answered(self.lone, now) and self.kept.words > words + 8,
            within,
            lambda: f"new connections are answered\n{self._program.log()}",
        )

    @property
    def new(self) -> list[Attempt]:
        return [*self.web.attempts, *self.lone.attempts]

    def seen(self) -> dict[str, str]:
        """Client -> how it lost its connection."""
        failed = {one.client: _how(one) for one in self.new if one.failed and one.client}
        return failed | {loss.client: loss.how for loss in self.kept.losses}

    @property
    def nameless(self) -> int:
        """Connections that were lost before the client knew its own address."""
        return sum(bool(one.failed and not one.client) for one in self.new)

    @property
    def content(self) -> set[str]:
        """Clients that had their answer: they lost nothing, even if it was while they left."""
        return {one.client for one in self.new if one.pod}

    def told(self) -> dict[str, str]:
        """Client -> why, of what `kfw top --json` calls lost."""
        return {one["client"]: one["why"] for one in self._rows() if one["state"] == "lost"}

    def ended(self) -> set[str]:
        return {one["client"] for one in self._rows() if one["state"] in ("lost", "closed")}

    def counted(self) -> int:
        """By the forwards' own counters."""
        return self._counted() - self._lost_before

    def told_by_events(self) -> int:
        events = self._program.ask(f"/v1/events?since={self._seq}")
        return sum(_how_many(event["message"]) for event in events if event["type"] == "connection")

    def _counted(self) -> int:
        return sum(row["lostConnections"] for row in self._program.rows().values())

    def _rows(self) -> Sequence[dict[str, Any]]:
        rows = self._program.json("top")["connections"]
        return [row for row in rows if datetime.fromisoformat(row["since"]) >= self._since]


def _answered(connects: Connects, since: float) -> bool:
    return any(one.pod and one.began >= since for one in tuple(connects.attempts))


def _how(failed: Attempt) -> str:
    kinds = {"ConnectionResetError": "reset", "IncompleteReadError": "closed", "TimeoutError": "silent"}
    return kinds.get(failed.failed.partition("(")[0], failed.failed)


def _how_many(message: str) -> int:
    several = re.match(r"(\d+) more connections were lost", message)
    return int(several[1]) if several else 1
