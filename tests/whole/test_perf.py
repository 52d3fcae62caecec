"""kfw perf of live forwards: stages, and profiles of the daemon that carries them."""

import pstats
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program


@pytest.fixture
def web(kfw: Program, shared: Place, namespace: str, port: int) -> Iterator[int]:
    """Under load, through the tunnel, so that the daemon has something to do."""
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    kfw.up(
        {
            "web": {
                "target": "service/web",
                "namespace": namespace,
                "localPort": port,
                "method": "tunnel",
                "targetPort": 80,
            }
        }
    )
    with talk.asking(f"http://127.0.0.1:{port}/slow?ms=20"):
        yield port


def opened(kfw: Program) -> dict[str, Any]:
    """The daemon also remembers the forwards of tests before."""
    (found,) = (
        one for one in kfw.json("perf")["openings"] if one["project"] == str(kfw.project / "kfw.yaml")
    )
    return dict(found)


def test_A22_profiles_are_sampled_from_live_forwards(kfw: Program, web: int) -> None:
    cpu, memory = kfw.project / "kfw.pstats", kfw.project / "kfw.mem"
    said = kfw("perf", "--duration", "5s", "--cpuprofile", str(cpu), "--memprofile", str(memory)).stdout
    names = {name for file, _, name in pstats.Stats(str(cpu)).stats if "/kfw/" in file}  # type: ignore[attr-defined]
    assert "serve" in names
    assert len(names) > 5
    ET.parse(f"{cpu}.svg")
    assert "resident" in memory.read_text()
    assert ".py:" in memory.read_text()
    header, row, *_ = said.splitlines()
    assert header.split()[:3] == ["FORWARD", "OPENED", "LOST"]
    assert row.startswith("web ")
    assert row.endswith("the app")  # which takes 20 ms


def test_the_stages_of_what_was_opened_before_are_known_without_measuring(kfw: Program, web: int) -> None:
    talk.get(f"http://127.0.0.1:{web}/slow?ms=50")
    found = opened(kfw)
    assert found["forward"] == "web"
    assert found["connections"] >= 1
    assert found["firstByte"]["longest"] >= 0.05
    for stage in ("accept", "wait", "dial", "firstByte"):
        assert 0 <= found[stage]["median"] <= found[stage]["p99"] <= found[stage]["longest"]


def test_a_wait_for_a_pod_is_a_wait(kfw: Program, shared: Place, namespace: str, web: int) -> None:
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 0))
    kfw.until_row("web", 30, status="reconnecting")
    waits = threading.Thread(target=lambda: talk.get(f"http://127.0.0.1:{web}/", timeout=60))
    waits.start()
    kfw.until_row("web", 30, connections=2)
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 1))
    waits.join(60)
    found = opened(kfw)
    assert found["wait"]["longest"] > found["dial"]["median"]


def test_a_profile_needs_a_daemon(make_kfw: Make, shared: Place) -> None:
    assert "not running" in make_kfw(shared.kubeconfig)("perf", code=3).stderr
