"""What the daemon has said about each forward, and how fast its bytes go. Pure; times are seconds since 1970."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kfw import view
from kfw.names import RowId

Row = Mapping[str, Any]

#: Seconds of the past that a sparkline can show, one value each.
HISTORY = 30


@dataclass(slots=True)
class LiveForward:
    """One forward. `row` is a ForwardStatus as JSON has it; `since`: when its status began; `cells`: its texts by column;
    rates are bytes per second."""

    row: dict[str, Any]
    since: float
    cells: dict[str, str] = field(init=False)
    rate_in: float = 0.0
    rate_out: float = 0.0
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def __post_init__(self) -> None:
        self.tell(self.row, self.since)

    def tell(self, row: dict[str, Any], since: float) -> None:
        """It is like this from now on. `cells` are made here, once for each change and not for each picture."""
        self.row, self.since = row, since
        self.cells = {
            "NAME": view.clean(view.shown(row)),
            "STATUS": f"{view.symbol(row['status'])} {row['status']}",
            "LOCAL": view.clean(view.local(row)),
            "TARGET": view.clean(view.target(row)),
            "METHOD": view.clean(row["method"]),
            "CLUSTER": view.clean(row["context"]),
        }

    @property
    def name(self) -> str:
        """Which one it is, for the daemon and for this program; people read `NAME`."""
        return key_of(self.row)


class LiveForwards:
    """All of them by name, in the daemon's order."""

    def __init__(self) -> None:
        self.by_name: dict[str, LiveForward] = {}
        self._sampled_at: float | None = None

    def on_status(self, rows: Iterable[Row]) -> None:
        """The whole list: what is not in it is gone."""
        before, self.by_name = self.by_name, {}
        for row in rows:
            self._put(row, before.get(key_of(row)))
        self._sampled_at = None

    def on_event(self, event: Row) -> None:
        """Of a kind that says nothing about a forward: nothing."""
        if event["type"] == "traffic":
            self._on_traffic(epoch(event["time"]), event["traffic"])
            return
        row = event.get("forward")
        if row is None:
            return
        if event["type"] == "removed":
            self.by_name.pop(key_of(row), None)
        elif event["type"] == "status":
            self._put(row, self.by_name.get(key_of(row)))

    def _on_traffic(self, at: float, samples: Iterable[Row]) -> None:
        """Counts of those that changed since the sample before, `at` seconds; those that are not in it are silent."""
        elapsed = at - self._sampled_at if self._sampled_at is not None else 0.0
        self._sampled_at = at
        changed = {key_of(sample): sample for sample in samples}
        for name, forward in self.by_name.items():
            _add_sample(forward, changed.get(name), elapsed)

    def _put(self, row: Row, before: LiveForward | None) -> None:
        since = epoch(row["since"])
        if before is None:
            self.by_name[key_of(row)] = LiveForward(dict(row), since)
        else:
            before.tell(dict(row), since)
            self.by_name[key_of(row)] = before


def _add_sample(forward: LiveForward, sample: Row | None, elapsed: float) -> None:
    bytes_in, bytes_out = forward.row["bytesIn"], forward.row["bytesOut"]
    if sample is not None:
        forward.row |= {key: sample[key] for key in ("connections", "bytesIn", "bytesOut")}
    if elapsed > 0:
        # A runner that was started again counts from 0.
        forward.rate_in = max(forward.row["bytesIn"] - bytes_in, 0) / elapsed
        forward.rate_out = max(forward.row["bytesOut"] - bytes_out, 0) / elapsed
        forward.history.append(forward.rate_in + forward.rate_out)


def key_of(row: Row) -> str:
    """Of a status, an event or a sample: a NAME that means this forward from everywhere."""
    project = row.get("project") or ""
    return str(RowId(project, row["name"])) if project else str(row["name"])


def epoch(time: str) -> float:
    """RFC 3339 -> seconds since 1970."""
    return datetime.fromisoformat(time).timestamp()
