"""kfw collect on services in pods of the sandbox, through forwards: real HTTP, real gRPC with reflection."""

import asyncio
import json
import signal
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.node.workloads import WORKLOADS, Box, Workload
from tests.collector.collecting import (
    COMPONENTS,
    PODS,
    Collecting,
    assert_a_killed_run_is_gone_on_with,
    assert_org_a_of_yesterday,
    two_tenants,
)
from tests.collector.servers import Catalog, serving
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Program


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
    with serving(two_tenants()) as known:
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
    """The services are in pods, and asked through forwards."""
    for name, pod in PODS.items():
        shared.apply(
            deployment(namespace, pod, "test/relay", ports={"app": catalog.ports[name]}),
            service(namespace, pod, service_port(80, "app")),
        )
    return Collecting(kfw, namespace, ports(4), tmp_path / "collector_state.json")


def test_A23_a_line_for_each_workspace_and_one_for_the_tenant_in_the_schema(collecting: Collecting) -> None:
    assert_org_a_of_yesterday(collecting("--format", "json"))


def test_A24_a_bucket_is_written_once_for_each_tenant_and_length(collecting: Collecting) -> None:
    assert len(collecting()) == 3
    assert collecting() == []
    assert "org_a: collected already" in collecting.told
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
    assert "recommendation_count is missing" in collecting.told
    assert "the database is away" in collecting.told
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
    assert "the forward recommendations is stopped" in collecting.told


def test_A26_what_a_killed_run_has_written_is_not_written_again(
    collecting: Collecting, catalog: Catalog, tmp_path: Path
) -> None:
    assert_a_killed_run_is_gone_on_with(collecting, catalog, tmp_path / "collector_state.json")


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
