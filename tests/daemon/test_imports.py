"""What the daemon carries for ever: nothing that only front ends, reload or the sandbox need."""

import subprocess
import sys

import pytest

HEAVY = (
    "typer",
    "click",
    "rich",
    "textual",
    "docker",
    "grpc",
    "prometheus_client",
    "pydantic",
    "requests",
    "yaml",
    "cryptography",
    "sh",
    "kfw.web",  # the page, while it is off
    "google",
    "kfw.extras",  # pages, until a forward has one, and notices
    "kfw.http.pages",
    "kfw.http.reverse_proxy",
    "kfw.target.listing",
    "kfw.target.declared_ports",
)


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    code = "import sys, kfw.daemon.run; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


@pytest.mark.parametrize("name", HEAVY)
def test_the_daemon_does_not_load(name: str, loaded: set[str]) -> None:
    assert name not in loaded
