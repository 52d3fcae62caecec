"""kfw collect on services in pods of the sandbox, through forwards: real HTTP, real gRPC with reflection."""

import asyncio
import json
import signal
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.node.workloads import WORKLOADS, Box, Workload
from tests.collector.servers import Catalog, serving
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Program

DAY = timedelta(days=1)
COMPONENTS = "component_count"
NAMES = {COMPONENTS, "relationship_count", "recommendation_count", "requirements_count"}
Collecting = Callable[..., list[dict[str, Any]]]


async def relay(box: Box, port: int, reader: StreamReader, writer: StreamWriter) -> None:
    """To the server of the test that has this port on this machine."""
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)

    async def copy(source: StreamReader, sink: StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()

    try:
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
    finally:
        far_writer.close()


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    monkeypatch.setitem(WORKLOADS, "test/relay", Workload(relay, 1))
    known = Catalog()
    known.add("org_a", "env_1", "Production", 156, 423, 12, 87)
    known.add("org_a", "env_2", "Stage", 300, 811, 0, 114)
    known.add("org_b", "env_3", "Only", 1, 2, 3, 4)
    with serving(known):
        yield known


@pytest.fixture
def collecting(
    catalog: Catalog,
    kfw: Program,
    shared: Place,
    namespace: str,
    ports: Callable[[int], list[int]],
    tmp_path: Path,
) -> Collecting:
    """`collect(*arguments, code=0)`: the events that it wrote. The services are in pods, and asked through forwards."""
    names = {"environment": "environment", "architectureInventory": "inventory"}
    names |= {name: name for name in ("recommendations", "requirements")}
    for name, pod in names.items():
        shared.apply(
            deployment(namespace, pod, "test/relay", ports={"app": catalog.ports[name]}),
            service(namespace, pod, service_port(80, "app")),
        )
    local = dict(zip(names.values(), ports(4), strict=True))
    entries = {
        pod: {"target": f"service/{pod}", "targetPort": 80, "namespace": namespace, "localPort": local[pod]}
        for pod in names.values()
    }
    services = {
        "environment": {"url": f"http://localhost:{local['environment']}"},
        "architecture_inventory": {"host": f"localhost:{local['inventory']}"},
        "recommendations": {"forward": "recommendations"},
        "requirements": {"forward": "requirements"},
    }
    block = {
        "tenants": ["org_a"],
        "services": services,
        "idempotency": {"state_file": str(tmp_path / "collector_state.json")},
    }
    kfw.up(entries, collector=block)

    def collect(*arguments: str, code: int = 0) -> list[dict[str, Any]]:
        done = kfw("collect", "--once", *arguments, code=code)
        collect.told = done.stderr  # type: ignore[attr-defined]
        return [json.loads(line) for line in done.stdout.splitlines()]

    return collect


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def test_A23_a_line_for_each_workspace_and_one_for_the_tenant_in_the_schema(collecting: Collecting) -> None:
    first, second, rollup = collecting("--format", "json")
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


def test_A24_a_bucket_is_written_once_for_each_tenant_and_length(collecting: Collecting) -> None:
    assert len(collecting()) == 3
    assert collecting() == []
    assert "org_a: collected already" in collecting.told  # type: ignore[attr-defined]
    assert len(collecting("--force")) == 3
    assert len(collecting("--tenant-id", "org_b")) == 2
    assert collecting("--tenant-id", "org_b") == []
    assert len(collecting("--bucket-duration", "1h")) == 3
    assert collecting("--bucket-duration", "24h") == []


def test_A25_what_is_missing_is_marked_and_asked_for_again(collecting: Collecting, catalog: Catalog) -> None:
    catalog.broken.add("ListRecommendations")
    *parts, rollup = collecting(code=1)
    assert len(parts) == 2
    for event in (*parts, rollup):
        assert event["metrics"]["recommendation_count"] is None
        assert event["metadata"]["partial"] is True
        assert event["metadata"]["missing"] == ["recommendation_count"]
    assert rollup["metrics"][COMPONENTS] == 456
    assert "recommendation_count is missing" in collecting.told  # type: ignore[attr-defined]
    assert "the database is away" in collecting.told  # type: ignore[attr-defined]
    catalog.broken.clear()
    *parts, rollup = collecting()
    assert len(parts) == 2
    assert rollup["metrics"]["recommendation_count"] == 12
    assert "partial" not in rollup["metadata"]
    assert collecting() == []


def test_A25_a_tenant_that_fails_is_not_done_and_stops_no_other(
    collecting: Collecting, catalog: Catalog
) -> None:
    catalog.broken.add("org_a")
    events = collecting("--tenant-id", "org_a", "--tenant-id", "org_b", code=1)
    assert {event["tenant_id"] for event in events} == {"org_b"}
    assert collecting("--tenant-id", "org_a", code=1) == []
    catalog.broken.clear()
    assert len(collecting("--tenant-id", "org_a")) == 3


def test_A25_text_has_every_event_too(collecting: Collecting, kfw: Program) -> None:
    text = kfw("collect", "--format", "text").stdout
    assert len(text.splitlines()) == 3
    assert "org_a  Production (env_1)  component_count 156" in text
    assert collecting() == []


def test_a_file_gets_the_events_alone(collecting: Collecting, kfw: Program, tmp_path: Path) -> None:
    file = tmp_path / "usage.log"
    assert collecting("--output-file", str(file)) == []
    assert [json.loads(line)["tenant_id"] for line in file.read_text().splitlines()] == ["org_a"] * 3


def test_A25_a_forward_that_is_down_is_said_and_not_waited_for(collecting: Collecting, kfw: Program) -> None:
    kfw("down", "recommendations")
    *_, rollup = collecting(code=1)
    assert rollup["metadata"]["missing"] == ["recommendation_count"]
    assert "the forward recommendations is stopped" in collecting.told  # type: ignore[attr-defined]


def test_A26_what_a_killed_run_has_written_is_not_written_again(
    collecting: Collecting, catalog: Catalog, kfw: Program, tmp_path: Path
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(method: str, workspace: str) -> None:
        if workspace == "env_2":
            reached.set()
            go_on.wait(60)

    catalog.before = hold
    state = tmp_path / "collector_state.json"
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
        go_on.set()
        run.kill()
        run.communicate()
    assert before == ["env_1"]
    json.loads(state.read_text())
    catalog.before = lambda method, workspace: None
    left, rollup = collecting()
    assert left["workspace_id"] == "env_2"
    assert rollup["metrics"][COMPONENTS] == 456


def test_figures_of_ones_own_by_http_and_by_grpc(
    collecting: Collecting, catalog: Catalog, kfw: Program, namespace: str
) -> None:
    """No workspaces: one event of each tenant. A list counts its members."""
    metrics = {
        "env_count": {"forward": "environment", "path": "/api/environment/{tenant}", "value": "$"},
        "first_components": {
            "forward": "inventory",
            "method": "acme.Metadata/GetMetadata",
            "request": '{"tenant_id": "{tenant}", "environment_id": "env_1"}',
            "value": "$.component_count",
        },
    }
    config = kfw.project / "own.yaml"
    config.write_text(json.dumps({"collector": {"metrics": metrics, "tenants": ["org_a"]}}))
    file = kfw.project / "kfw.yaml"
    said = json.loads(file.read_text())
    del said["collector"]["services"]
    file.write_text(json.dumps(said))
    (event,) = collecting("--config", str(config))
    assert event["workspace_id"] is None
    assert event["metrics"] == {"env_count": 2, "first_components": 156}


def test_the_timer_names_the_config_that_is_read_here(collecting: Collecting, kfw: Program) -> None:
    units = kfw("collect", "--systemd-timer").stdout
    assert f"kfw collect --once --config {kfw.project}/kfw.yaml" in units
    assert "OnCalendar=*-*-* 00:05:00 UTC" in units


def test_A23_every_goes_on_by_itself(collecting: Collecting, kfw: Program, tmp_path: Path) -> None:
    file = tmp_path / "usage.log"
    run = kfw.popen("collect", "--every", "1s", "--bucket-duration", "1s", "--output-file", str(file))
    try:
        until(
            lambda: file.exists() and len(file.read_text().splitlines()) >= 6,
            60,
            lambda: "two buckets are there",
        )
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    buckets = [json.loads(line)["time_bucket_start"] for line in file.read_text().splitlines()]
    assert len(set(buckets)) >= 2
    assert all(buckets.count(one) <= 3 for one in buckets)
