"""kfw collect as a user runs it, of kportforward's four services behind forwards: its config, and what it writes."""

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.collector.servers import Catalog
from tests.real.running import until
from tests.whole.program import Program

COMPONENTS = "component_count"
DAY = timedelta(days=1)
#: Service of the config -> its pod, which bears the name of its service and of its forward, too.
PODS = {
    "environment": "environment",
    "architectureInventory": "inventory",
    "recommendations": "recommendations",
    "requirements": "requirements",
}


def two_tenants() -> Catalog:
    known = Catalog()
    known.add("org_a", "env_1", "Production", 156, 423, 12, 87)
    known.add("org_a", "env_2", "Stage", 300, 811, 0, 114)
    known.add("org_b", "env_3", "Only", 1, 2, 3, 4)
    return known


class Collecting:
    """With the forwards up. Call it like the command: the events that it wrote; `told`: what it said beside them."""

    def __init__(self, kfw: Program, namespace: str, ports: Sequence[int], state: Path, **entry: Any) -> None:
        """`entry`: more keys of each forward."""
        self.kfw = kfw
        self.told = ""
        local = dict(zip(PODS.values(), ports, strict=True))
        self.entries = {
            pod: {
                "target": f"service/{pod}",
                "targetPort": 80,
                "namespace": namespace,
                "localPort": local[pod],
                **entry,
            }
            for pod in PODS.values()
        }
        services = {
            "environment": {"url": f"http://localhost:{local['environment']}"},
            "architecture_inventory": {"host": f"localhost:{local['inventory']}"},
            "recommendations": {"forward": "recommendations"},
            "requirements": {"forward": "requirements"},
        }
        self.block = {
            "tenants": ["org_a"],
            "services": services,
            "idempotency": {"state_file": str(state)},
        }
        kfw.up(self.entries, collector=self.block)

    def __call__(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        done = self.kfw("collect", "--once", *arguments, code=code)
        self.told = done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def assert_org_a_of_yesterday(events: list[dict[str, Any]]) -> None:
    """Exactly the schema of seed 000's usage events, version 1.0."""
    first, second, rollup = events
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    assert list(first) == [
        *("event_type", "event_version", "timestamp", "tenant_id", "workspace_id", "workspace_name"),
        *("time_bucket_start", "time_bucket_end", "metrics", "metadata"),
    ]
    assert (first["event_type"], first["event_version"]) == ("usage_metrics", "1.0")
    assert (first["tenant_id"], first["workspace_id"], first["workspace_name"]) == (
        "org_a",
        "env_1",
        "Production",
    )
    assert moment(first["time_bucket_start"]) == start
    assert moment(first["time_bucket_end"]) == start + DAY
    assert moment(first["timestamp"]) == start + DAY - timedelta(seconds=1)
    assert first["metrics"] == {
        COMPONENTS: 156,
        "relationship_count": 423,
        "recommendation_count": 12,
        "requirements_count": 87,
    }
    assert set(first["metadata"]) == {"collector_version", "collection_timestamp", "collection_duration_ms"}
    assert first["metadata"]["collection_duration_ms"] > 0
    assert moment(first["metadata"]["collection_timestamp"]) > start + DAY
    assert second["metrics"]["recommendation_count"] == 0  # a real one
    assert rollup["workspace_id"] is None
    assert "workspace_name" not in rollup
    assert rollup["metrics"] == {
        "workspace_count": 2,
        COMPONENTS: 456,
        "relationship_count": 1234,
        "recommendation_count": 12,
        "requirements_count": 201,
    }
    assert set(rollup["metadata"]) == {"collector_version", "collection_timestamp"}


@contextmanager
def holding(catalog: Catalog, workspace: str) -> Iterator[threading.Event]:
    """Questions about it are answered when this ends; the event tells that one has come."""
    reached, go_on = threading.Event(), threading.Event()

    def hold(method: str, asked: str) -> None:
        if asked == workspace:
            reached.set()
            go_on.wait(60)

    catalog.before = hold
    try:
        yield reached
    finally:
        catalog.before = lambda method, asked: None
        go_on.set()


def assert_a_killed_run_is_gone_on_with(collecting: Collecting, catalog: Catalog, state: Path) -> None:
    """Of org_a, killed behind its first workspace. Another run meanwhile is refused."""
    kfw = collecting.kfw
    with holding(catalog, "env_2") as reached:
        run = kfw.popen("collect", "--once")
        try:
            assert reached.wait(60)
            until(
                lambda: state.exists() and "env_1" in state.read_text(),
                60,
                lambda: "the first workspace is on the disk",
            )
            two = kfw("collect", "--once", code=1)
            assert two.stdout == ""
            assert f"is already in use by pid {run.pid}" in two.stderr
            run.send_signal(signal.SIGKILL)
            before = [json.loads(line)["workspace_id"] for line in (run.communicate()[0] or "").splitlines()]
        finally:
            run.kill()
            run.communicate()
    assert before == ["env_1"]
    json.loads(state.read_text())
    left, rollup = collecting()
    assert left["workspace_id"] == "env_2"
    assert rollup["metrics"][COMPONENTS] == 456
    assert collecting() == []
