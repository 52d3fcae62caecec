"""Moments of a first hour, see test_first_hour.py, in which the VPN went away and came back."""

from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.tui.tmux import KFW, terminal
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program

NAMES = tuple(f"api-{number}" for number in range(9))


@pytest.fixture
def nine(own: Place, make_kfw: Make) -> Program:
    """Nine forwards through an API server of their own."""
    own.apply(
        deployment("default", "web", ports={"http": 8080}),
        service("default", "web", service_port(80, "http", 8080)),
    )
    kfw = make_kfw(own.kubeconfig)
    entry = {"target": "service/web", "targetPort": 80, "namespace": "default", "method": "tunnel"}
    kfw.up({name: {**entry, "localPort": port} for name, port in zip(NAMES, talk.free_ports(9), strict=True)})
    return kfw


def test_moments_11_17_an_outage_is_one_line_and_over_at_once_for_a_new_forward(
    nine: Program, own: Place, port: int, tmp_path: Path
) -> None:
    with terminal(nine.folder, size=(80, 24), **{**nine.env, "NO_COLOR": ""}) as shown:
        shown.type(f"clear; {KFW} status --watch")
        shown.wait_for("NAME ", "● active")
        own.stop_api()
        screen = shown.until(lambda text: text.count("‖ suspended") == len(NAMES), "not all are suspended")
        painted = shown.screen(escapes=True)
        assert "NAME " in screen and "daemon: " in screen
        assert screen.count("cannot be reached") == 1 and "9 forwards wait" in screen
        assert sum(line.startswith("api-") for line in screen.splitlines()) == len(NAMES)
        assert "\x1b[33m‖ suspended" in painted and "\x1b[90m‖" not in painted
        shown.keys("C-c")
    # 17: what comes when the VPN is back does not believe what was true before
    own.start_api()
    nine("add", "two", "svc/web", f"{port}:80", "-n", "default")
    assert talk.pod_behind(port).startswith("web-")
