"""The page for Prometheus: off by default, readable by a scraper, and all that the dashboard asks for is on it."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kfw.daemon.metrics_page import MetricsPage, serving
from kfw.model import Status
from kfw.protocol import ForwardStatus, Totals
from kfw.system.installation import how_to_get

parser = pytest.importorskip("prometheus_client.parser")

ROOT = Path(__file__).parents[2]


def rows() -> list[ForwardStatus]:
    about = {"namespace": "shop", "target": "service/api", "method": "tunnel", "since": ""}
    totals = Totals(
        since="", restarts=2, failures=3, reconnects=1, bytes_in=500, bytes_out=7, uptime_seconds=9.5
    )
    names = (("api", Status.ACTIVE), ('odd"na\\me\n', Status.ERROR))
    return [
        ForwardStatus(
            name=name,
            project="/p/kfw.yaml",
            status=status,
            context="dev",
            local_port=80,
            configured_port=80,
            connections=4,
            totals=totals,
            **about,
        )
        for name, status in names
    ]


def free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def page() -> MetricsPage:
    return MetricsPage(rows, lambda: 12.5)


def samples() -> dict[tuple[str, str], float]:
    """Value by name and labels."""
    found = parser.text_string_to_metric_families(page().text().decode())
    return {
        (one.name, ",".join(f"{k}={v}" for k, v in sorted(one.labels.items()))): one.value
        for family in found
        for one in family.samples
    }


async def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    return int(head[9:12]), head.decode() + "\n" + body.decode()


def test_FR_MON_03_every_line_can_be_read_and_says_what_the_status_says() -> None:
    found = samples()
    assert found["kfw_forward_bytes_total", "direction=in,forward=api,project=/p/kfw.yaml"] == 500
    assert found["kfw_forward_bytes_total", "direction=out,forward=api,project=/p/kfw.yaml"] == 7
    assert found["kfw_forward_restarts_total", "forward=api,project=/p/kfw.yaml"] == 2
    assert found["kfw_forward_failures_total", "forward=api,project=/p/kfw.yaml"] == 3
    assert found["kfw_forward_uptime_seconds_total", "forward=api,project=/p/kfw.yaml"] == 9.5
    assert found["kfw_forward_open_connections", "forward=api,project=/p/kfw.yaml"] == 4
    assert found["kfw_forward_up", "forward=api,project=/p/kfw.yaml"] == 1
    assert found["kfw_forward_status", "forward=api,project=/p/kfw.yaml,status=active"] == 1
    assert found["kfw_forward_status", "forward=api,project=/p/kfw.yaml,status=error"] == 0
    assert found["kfw_forward_up", 'forward=odd"na\\me\n,project=/p/kfw.yaml'] == 0
    assert found["kfw_daemon_uptime_seconds", ""] == 12.5


def test_the_dashboard_and_the_page_about_metrics_name_only_what_there_is_and_all_of_it() -> None:
    there = {name for name, _ in samples()}
    dashboard = json.loads((ROOT / "quick-start" / "grafana-dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [each["query"] for each in dashboard["templating"]["list"]]
    names = [name for query in asked for name in re.findall(r"\bkfw_\w+", query)]
    assert len(names) > 10
    assert set(names) <= there
    documented = set(re.findall(r"^\| `(kfw_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert documented == there


@pytest.mark.asyncio
async def test_FR_MON_03_it_is_served_where_it_was_asked_for_and_only_there() -> None:
    port = free_port()
    one = page()
    async with serving(one, f"127.0.0.1:{port}"):
        assert (one.address, one.problem) == (f"127.0.0.1:{port}", "")
        status, text = await get(port, "/metrics")
        assert status == 200
        assert "text/plain" in text
        assert "# TYPE kfw_forward_bytes_total counter" in text
        assert (await get(port, "/"))[0] == 404
        assert (await get(port, "/metrics", "DELETE"))[0] == 405
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await get(port, "/metrics")


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_a_warning_and_nothing_more() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        one = page()
        async with serving(one, listen):
            assert one.address is None
            assert one.problem.startswith(f"cannot serve the metrics page: cannot listen on {listen}: ")


@pytest.mark.asyncio
async def test_without_prometheus_client_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    one = page()
    async with serving(one, f"127.0.0.1:{free_port()}"):
        what, _, fix = one.problem.partition("prometheus-client is not installed; ")
        assert what == "cannot serve the metrics page: "
        assert fix == how_to_get("metrics")


@pytest.mark.asyncio
async def test_FR_MON_03_it_is_off_by_default() -> None:
    one = page()
    async with serving(one, None):
        assert (one.address, one.problem) == (None, "")


def test_while_it_is_off_nothing_of_it_is_imported() -> None:
    code = "import sys, kfw.daemon.run; print('prometheus_client' in sys.modules, 'grpc' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"
    )
