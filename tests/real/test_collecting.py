"""kfw collect on the rig: its demo, and kportforward's four services in pods that lead to servers of the test, all through
forwards. On the sandbox and in more detail: tests/whole/test_collect.py."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collector.collecting import (
    COMPONENTS,
    PODS,
    Collecting,
    assert_a_killed_run_is_gone_on_with,
    assert_org_a_of_yesterday,
    two_tenants,
)
from tests.collector.servers import Catalog, serving
from tests.real import app
from tests.real.rig import Rig
from tests.whole.program import Program

#: The way to the services: as processes of kfw's own, and through the nodes.
METHODS = ("tunnel", "nodeport")


@pytest.fixture
def catalog(rig: Rig) -> Iterator[Catalog]:
    known = two_tenants()
    known.host = rig.host_ip
    with serving(known):
        yield known


@pytest.fixture
def in_pods(rig: Rig, catalog: Catalog, namespace: str) -> Callable[..., None]:
    """`in_pods("requirements")`: the pods of these services, made and ready."""

    def make(*names: str) -> None:
        made = [app.relay(PODS[name], catalog.host, catalog.ports[name]) for name in names]
        made += [app.service(PODS[name], app.port(80, "http", "http")) for name in names]
        rig.kubectl("-n", namespace, "apply", "-f", "-", stdin=app.together(*made))
        pods = [f"pod/{PODS[name]}" for name in names]
        rig.kubectl("-n", namespace, "wait", "--for=condition=Ready", *pods, "--timeout=60s")

    make(*PODS)
    return make


@pytest.fixture
def collecting(
    request: pytest.FixtureRequest,
    in_pods: Callable[..., None],
    cli: Program,
    namespace: str,
    free_ports: Callable[[int], list[int]],
    state: Path,
) -> Collecting:
    return Collecting(
        cli, namespace, free_ports(len(PODS)), state, method=getattr(request, "param", METHODS[0])
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "collected.json"


@pytest.mark.parametrize("collecting", METHODS, indirect=True)
def test_A23_each_workspace_and_the_tenant_in_the_schema(collecting: Collecting) -> None:
    assert_org_a_of_yesterday(collecting("--format", "json"))


def test_A24_a_bucket_is_written_once_for_each_tenant_and_length(collecting: Collecting) -> None:
    assert len(collecting()) == 3
    assert collecting() == []
    assert "org_a: collected already" in collecting.told
    assert len(collecting("--tenant-id", "org_b")) == 2
    assert collecting("--tenant-id", "org_a", "--tenant-id", "org_b") == []
    assert len(collecting("--bucket-duration", "1h")) == 3
    assert collecting("--bucket-duration", "24h") == []
    assert len(collecting("--force")) == 3


def test_A25_what_a_forward_without_a_pod_leads_to_is_missing_and_never_0(
    collecting: Collecting, in_pods: Callable[..., None], rig: Rig, cli: Program, namespace: str
) -> None:
    rig.kubectl("-n", namespace, "delete", "pod", "recommendations", "--now")
    cli.until_row("recommendations", 30, status="reconnecting")
    *parts, rollup = collecting(code=1)
    assert "the forward recommendations is reconnecting" in collecting.told
    assert [event["workspace_id"] for event in parts] == ["env_1", "env_2"]
    for event in (*parts, rollup):
        assert event["metrics"]["recommendation_count"] is None
        assert event["metadata"]["partial"] is True
        assert event["metadata"]["missing"] == ["recommendation_count"]
    assert rollup["metrics"][COMPONENTS] == 456
    assert "?" in cli("collect", "--format", "text", code=1).stdout  # it goes on to be asked for
    in_pods("recommendations")
    cli.until_row("recommendations", 30, status="active")
    assert_org_a_of_yesterday(collecting())
    assert collecting() == []


def test_A25_a_tenant_whose_workspaces_are_not_known_is_not_done_and_stops_no_other(
    collecting: Collecting, in_pods: Callable[..., None], catalog: Catalog
) -> None:
    both = ("--tenant-id", "org_a", "--tenant-id", "org_b")
    catalog.broken.add("org_a")
    assert {event["tenant_id"] for event in collecting(*both, code=1)} == {"org_b"}
    catalog.broken.clear()
    assert {event["tenant_id"] for event in collecting(*both)} == {"org_a"}


def test_A26_a_killed_run_is_gone_on_with_and_two_at_once_are_one(
    collecting: Collecting, catalog: Catalog, state: Path
) -> None:
    assert_a_killed_run_is_gone_on_with(collecting, catalog, state)


def test_A23_A25_the_demos_own_services_by_http_and_by_grpc(
    cli: Program, free_ports: Callable[[int], list[int]]
) -> None:
    """A Go server, which tells its files one by one. It has no method that counts: text is no number, and so not 0."""
    web, grpc = free_ports(2)
    hello = {"forward": "grpc", "method": "Hello", "request": '"{tenant}"'}
    metrics: dict[str, Any] = {
        "http_connections": {"forward": "web", "path": "/stats", "value": "$.http.total"},
        "hello_count": {**hello, "value": "$"},
        "stream_count": {"forward": "grpc", "method": "demo.Greeter/Count", "value": "$"},
    }
    forwards = {
        "web": {"target": "service/web", "namespace": "demo", "localPort": web},
        "grpc": {"target": "service/grpc", "namespace": "demo", "localPort": grpc},
    }
    cli.up(forwards, collector={"tenants": ["org_a"], "metrics": metrics})
    done = cli("collect", code=1)
    event = json.loads(done.stdout)
    assert event["metrics"].pop("http_connections") > 0
    assert event["metrics"] == {"hello_count": None, "stream_count": None}
    assert event["metadata"]["missing"] == ["hello_count", "stream_count"]
    assert "org_a: hello_count is missing: the answer is not a number but text" in done.stderr
    assert "demo.Greeter.Count sends a stream of answers, but kfw needs exactly one" in done.stderr
    del metrics["hello_count"], metrics["stream_count"]
    cli.configure(forwards, collector={"tenants": ["org_a"], "metrics": metrics})
    done = cli("collect")
    assert json.loads(done.stdout)["metrics"].keys() == {"http_connections"}
    assert done.stderr == ""
