"""The events that are written: their shape, the stretch of time that they are about, and what is odd about figures. Pure.

The shape is version 1.0 of kportforward's, which its readers know.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kfw.printable import printable

#: Name of a figure -> its value; None: it could not be had, which is not 0.
Metrics = Mapping[str, int | float | None]

COLLECTOR_VERSION = "1.0.0"
#: Buckets are counted from here, a Monday, so that 168h are weeks.
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
#: Above these a figure is probably wrong.
_MOST = {
    "component_count": 1_000_000,
    "relationship_count": 10_000_000,
    "recommendation_count": 100_000,
    "requirements_count": 100_000,
}


@dataclass(frozen=True, order=True)
class Bucket:
    """`seconds` from `start` on."""

    start: datetime
    seconds: float

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class Workspace:
    id: str
    name: str = ""


@dataclass(frozen=True)
class UsageEvent:
    """`workspace` None: of the tenant as a whole. `ms`: how long it took to ask, at least 1; None: not said."""

    tenant: str
    bucket: Bucket
    metrics: Metrics
    collected_at: datetime
    workspace: Workspace | None = None
    ms: int | None = None

    @property
    def missing(self) -> list[str]:
        return [name for name, value in self.metrics.items() if value is None]


def last_complete(now: datetime, seconds: float) -> Bucket:
    """The newest stretch of so many seconds that is over."""
    length = timedelta(seconds=seconds)
    return Bucket(_FIRST + ((now - _FIRST) // length - 1) * length, seconds)


def as_json(event: UsageEvent) -> str:
    """One line, with exactly the keys of the schema; `partial` and `missing` are there only if something is missing."""
    workspace = event.workspace
    said: dict[str, Any] = {
        "event_type": "usage_metrics",
        "event_version": "1.0",
        "timestamp": rfc3339(event.bucket.end - timedelta(seconds=min(1.0, event.bucket.seconds / 2))),
        "tenant_id": event.tenant,
        "workspace_id": workspace.id if workspace else None,
        **({"workspace_name": workspace.name} if workspace else {}),
        "time_bucket_start": rfc3339(event.bucket.start),
        "time_bucket_end": rfc3339(event.bucket.end),
        "metrics": dict(event.metrics),
        "metadata": {
            "collector_version": COLLECTOR_VERSION,
            "collection_timestamp": rfc3339(event.collected_at),
            **({"collection_duration_ms": event.ms} if event.ms is not None else {}),
            **({"partial": True, "missing": event.missing} if event.missing else {}),
        },
    }
    return json.dumps(said, allow_nan=False)  # in ASCII, which every locale writes as it is


def as_text(event: UsageEvent) -> str:
    """One line."""
    workspace = event.workspace
    whose = f"{workspace.name or workspace.id} ({workspace.id})" if workspace else "all workspaces"
    whose = printable(" ".join(whose.split()))
    figures = "  ".join(f"{name} {'?' if value is None else value}" for name, value in event.metrics.items())
    when = f"{rfc3339(event.bucket.start)} to {rfc3339(event.bucket.end)}"
    return f"{when}  {event.tenant}  {whose}  {figures}"


def rfc3339(moment: datetime) -> str:
    """In UTC, to the second: 2024-01-15T23:59:59Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def summed(names: Iterable[str], parts: Mapping[str, Metrics]) -> dict[str, int | float | None]:
    """The sums over all workspaces, and how many they are. What is missing in one is missing in the sum."""
    sums: dict[str, int | float | None] = {"workspace_count": len(parts)}
    for name in names:
        values = [part.get(name) for part in parts.values()]
        known = [value for value in values if value is not None]
        sums[name] = sum(known) if len(known) == len(values) else None
    return sums


def oddities(metrics: Metrics) -> Iterator[str]:
    """Figures that are reported as they are, though they cannot be right."""
    for name, value in metrics.items():
        if value is not None and value < 0:
            yield f"{name} is negative: {value}"
        elif value is not None and value > _MOST.get(name, value):
            yield f"{name} is {value}, which is unusually high"
