"""The connections of all forwards: those that are open, the last that were, and an event for each that was lost."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from kfw.daemon.taps import Taps
from kfw.names import RowId, RowName
from kfw.protocol import ConnectionInfo
from kfw.relay.local_connection import LocalConnection
from kfw.relay.stage_times import StageTimes
from kfw.secret import redact
from kfw.system.clock import Clock, rfc3339
from kfw.system.port_owner import Client, processes, spelled

#: As many that have ended are remembered.
KEPT = 500
#: Seconds: more losses of one forward within this time make one event. An app may reset a thousand at once.
PAUSE = 1.0

#: `tell(forward, message, connection)`: None when it is about several.
Tell = Callable[[RowName, str, ConnectionInfo | None], None]


@dataclass(frozen=True, slots=True)
class Past:
    """One that has ended; `began` is wall clock, in seconds."""

    name: RowName
    client: Client | None
    process: str | None
    endpoint: str
    began: float
    seconds: float
    first_byte: float | None
    bytes_in: int
    bytes_out: int
    failed: bool
    how: str
    stages: StageTimes


class Connections:
    """A relay.listener.ConnectionObserver, which also lets `taps` see each connection from its beginning."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        self._clock = clock
        self._tell = tell
        self.taps = Taps(clock)
        self._live: dict[LocalConnection, str | None] = {}  # and its process, once somebody asked
        self._past: deque[Past] = deque(maxlen=KEPT)
        self._unsaid: dict[RowId, int] = {}  # losses since the last event of this forward
        #: Told of each that ends, while somebody measures.
        self.measure: Callable[[Past], None] | None = None

    def began(self, connection: LocalConnection) -> None:
        self._live[connection] = None
        self.taps.began(connection, row_name(connection.name).row)

    def refused(self, connection: LocalConnection, why: str) -> None:
        """It shows while it waits, and when it is lost."""

    def ended(self, connection: LocalConnection) -> None:
        past = self._now(connection, self._live.pop(connection, None))
        self._past.append(past)
        if self.measure:
            self.measure(past)
        self.taps.ended(connection)
        if connection.failed:
            self._lost(past)

    def known(self) -> list[Past]:
        """The open ones as they are now, and the last that ended."""
        return [*(self._now(one, None) for one in self._live), *self._past]

    async def report(self, endpoints: Mapping[RowId, str]) -> list[ConnectionInfo]:
        """Open ones in the order in which they came, then ended ones, the last first.

        `endpoints` by forward: for those whose way does not tell where each connection goes.
        """
        await self._look_for_processes()
        found = [*map(self._open, self._live), *map(_over, reversed(self._past))]
        return [
            one
            if one.endpoint
            else msgspec.structs.replace(one, endpoint=endpoints.get(RowId(one.project, one.forward)))
            for one in found
        ]

    async def _look_for_processes(self) -> None:
        """In a thread: the tables of a busy machine are long."""
        unknown = {one.client: one for one, process in self._live.items() if process is None and one.client}
        found = await asyncio.to_thread(processes, list(unknown))
        for client, process in found.items():
            if unknown[client] in self._live:
                self._live[unknown[client]] = process

    def _now(self, connection: LocalConnection, process: str | None) -> Past:
        seconds = connection.seconds
        return Past(
            name=row_name(connection.name),
            client=connection.client,
            process=process,
            endpoint=connection.endpoint,
            began=self._clock.now() - seconds,
            seconds=seconds,
            first_byte=connection.first_byte,
            bytes_in=connection.bytes_in,
            bytes_out=connection.bytes_out,
            failed=connection.failed,
            how=redact(connection.how),
            stages=connection.stages,
        )

    def _open(self, connection: LocalConnection) -> ConnectionInfo:
        state = "open" if connection.joined else "waiting"
        return _info(self._now(connection, self._live[connection]), state, redact(connection.waits_for))

    def _lost(self, past: Past) -> None:
        """The first at once, those that come close behind it together."""
        row = past.name.row
        if row in self._unsaid:
            self._unsaid[row] += 1
            return
        self._unsaid[row] = 0
        self._tell(past.name, f"a connection was lost: {past.how}", _over(past))
        asyncio.get_running_loop().call_later(PAUSE, self._tell_the_rest, past.name)

    def _tell_the_rest(self, name: RowName) -> None:
        more = self._unsaid.pop(name.row)
        if more:
            self._tell(name, f"{more} more connections were lost within {PAUSE:g} s", None)


def row_name(name: str | RowName) -> RowName:
    """A listener that is not a row's own has a plain name."""
    return name if isinstance(name, RowName) else RowName(RowId("", name), lambda row: row.name)


def _over(past: Past) -> ConnectionInfo:
    return _info(past, "lost" if past.failed else "closed", past.how)


def _info(past: Past, state: str, why: str) -> ConnectionInfo:
    return ConnectionInfo(
        forward=past.name.row.name,
        project=past.name.row.project,
        display_name=str(past.name),
        client=spelled(past.client),
        process=past.process,
        endpoint=past.endpoint or None,
        state=state,
        why="" if why == "closed" else why,
        since=rfc3339(past.began),
        seconds=round(past.seconds, 3),
        first_byte_seconds=None if past.first_byte is None else round(past.first_byte, 6),
        bytes_in=past.bytes_in,
        bytes_out=past.bytes_out,
    )
