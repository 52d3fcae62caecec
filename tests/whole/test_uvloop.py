"""The daemon on uvloop, which the extra `fast` brings. KFW_LOOP=uvloop runs all the other tests on it, too."""

from collections.abc import Callable

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program, connected, kill

METHODS = ("nodeport", "socat", "kubectl", "tunnel")
BLOCK = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def on_uvloop(shared: Place, make_kfw: Make) -> Program:
    return make_kfw(shared.kubeconfig, KFW_LOOP="uvloop")


def test_the_bytes_of_every_method_are_whole_and_a_killed_child_is_replaced(
    on_uvloop: Program, shared: Place, namespace: str, ports: Callable[[int], list[int]]
) -> None:
    shared.apply(
        deployment(namespace, "echo", "kfw/echo", ports={"echo": 9000}),
        service(namespace, "echo", service_port(7, "echo")),
    )
    local = dict(zip(METHODS, ports(len(METHODS)), strict=True))
    common = {"target": "service/echo", "namespace": namespace}
    on_uvloop.up({name: {**common, "method": name, "localPort": port} for name, port in local.items()})
    for port in local.values():
        assert _echo_of(port) == BLOCK
    for name in ("socat", "kubectl"):
        before = on_uvloop.status(name)["restarts"]
        kill([on_uvloop.status(name)["pid"]])
        on_uvloop.until_row(name, 20, status="active", restarts=before + 1)
        assert _echo_of(local[name]) == BLOCK


def test_the_daemon_says_which_loop_it_runs_on(on_uvloop: Program) -> None:
    on_uvloop("start")
    assert "on uvloop" in on_uvloop("logs").stdout


def _echo_of(port: int) -> bytes:
    got = bytearray()
    with connected(port) as connection:
        connection.sendall(BLOCK[: 64 * 1024])
        for start in range(64 * 1024, len(BLOCK) + 1, 64 * 1024):
            while len(got) < start:
                got += connection.recv(1 << 20)
            connection.sendall(BLOCK[start : start + 64 * 1024])
    return bytes(got)
