"""What the daemon tells of itself: counters over its restarts, a page of metrics, a dump, notices, health of an app."""

import http.client
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Entry, Program, connected

pytestmark = pytest.mark.sandbox

Ports = Callable[[int], list[int]]


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def metric(page: str, name: str) -> float:
    return next(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name + " "))


def test_FR_CONN_05_FR_MON_02_FR_MON_03_counters_and_metrics_go_on_after_the_daemon_was_stopped(
    own_kfw: Program, web: Entry, ports: Ports
) -> None:
    pytest.importorskip("prometheus_client")
    port, page = ports(2)
    own_kfw.up({"api": {**web, "localPort": port}}, daemon={"metricsListen": f"127.0.0.1:{page}"})
    assert own_kfw.daemon()["metrics"] == f"127.0.0.1:{page}"
    assert len(get(port, "/bytes?n=50000")) == 50000
    project = own_kfw.status("api")["project"]
    name = f'kfw_forward_bytes_total{{direction="in",forward="api",project="{project}"}}'
    until(lambda: metric(get(page, "/metrics"), name) > 50000, 20, lambda: get(page, "/metrics"))
    before = own_kfw.status("api")["totals"]
    assert before["connections"] >= 1
    own_kfw("stop")
    own_kfw("up")
    assert metric(get(page, "/metrics"), name) >= before["bytesIn"]
    assert own_kfw.status("api")["bytesIn"] < 50000
    after = own_kfw.status("api")["totals"]
    assert {key: after[key] >= before[key] for key in before if key != "since"} == dict.fromkeys(
        [key for key in before if key != "since"], True
    )


def test_FR_CONN_06_an_app_whose_status_is_not_a_good_one_is_not_active_and_is_told_why(
    own_kfw: Program, web: Entry, ports: Ports
) -> None:
    good, bad, run = ports(3)
    quick = {"type": "http", "interval": "500ms"}
    command = [sys.executable, "-c", "import sys, urllib.request as u; u.urlopen(sys.argv[1])"]
    own_kfw.up(
        {
            "good": {**web, "localPort": good, "health": {**quick, "path": "/healthz"}},
            "bad": {**web, "localPort": bad, "health": {**quick, "path": "/status/500"}},
            "run": {
                **web,
                "method": "tunnel",
                "localPort": run,
                "health": {
                    "type": "exec",
                    "timeout": "30s",
                    "command": [*command, "http://127.0.0.1:{port}/healthz"],
                },
            },
        },
        "--no-wait",
    )
    own_kfw.until_row("good", 30, status="active")
    own_kfw.until_row("run", 60, status="active")
    row = own_kfw.until_row("bad", 30, reason="unhealthy")
    assert "answered GET /status/500 with 500, good are 2xx, 3xx" in row["message"]
    assert "active" not in [told["status"] for told in own_kfw.history("bad")]


def test_SIGUSR1_writes_what_the_daemon_is_doing_and_it_goes_on(
    own_kfw: Program, web: Entry, ports: Ports
) -> None:
    (port,) = ports(1)
    own_kfw.up({"api": {**web, "localPort": port}})
    pid = own_kfw.daemon_pid()
    os.kill(pid, signal.SIGUSR1)
    state = own_kfw.home / "state"
    until(lambda: list(state.glob("kfw-dump-*.txt")), 20, lambda: own_kfw.log())
    (file,) = state.glob("kfw-dump-*.txt")
    assert "api: active" in file.read_text()
    assert "forward api: " in file.read_text()
    assert own_kfw.daemon_pid() == pid
    with connected(port):
        pass


def test_FR_MON_04_a_lost_cluster_is_one_notice_on_the_desktop(
    own: Place, make_kfw: Callable[..., Program], ports: Ports, tmp_path: Path
) -> None:
    one, two = ports(2)
    program = tmp_path / "notify-send"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"open({str(tmp_path / 'said')!r}, 'a').write(json.dumps(sys.argv[1:]) + chr(10))\n"
    )
    program.chmod(0o700)
    own.apply(
        deployment("default", "web", ports={"http": 8080}),
        service("default", "web", service_port(80, "http")),
    )
    kfw = make_kfw(own.kubeconfig, PATH=f"{tmp_path}:{os.environ['PATH']}", DISPLAY=":9")
    entry = {"target": "service/web", "namespace": "default", "method": "tunnel"}
    kfw.up({"a": {**entry, "localPort": one}, "b": {**entry, "localPort": two}}, daemon={"notices": True})
    own.stop_api()
    said = tmp_path / "said"
    until(lambda: said.exists() and said.read_text().endswith("\n"), 60, lambda: kfw.log())
    own.start_api()
    for name in ("a", "b"):
        kfw.until_row(name, 60, status="active")
    until(lambda: len(said.read_text().splitlines()) == 2, 30, lambda: said.read_text())
    lost, back = (json.loads(line)[2] for line in said.read_text().splitlines())
    assert "down" in lost
    assert back.endswith("is back")
