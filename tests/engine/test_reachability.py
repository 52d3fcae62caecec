"""Which runtimes let their nodes be reached: the table of who can reach a node port."""

import pytest

from kfw.engine.docker import Engine
from kfw.engine.reachability import Here, Runtime, no_detour, no_direct_way, runtime

LINUX = Here("linux", in_container=False, env={})
MAC = Here("darwin", in_container=False, env={})
INSIDE = Here("linux", in_container=True, env={})

DESKTOP = Engine(name="docker-desktop", os="Docker Desktop")
COLIMA = Engine(name="colima", os="Ubuntu 24.04 LTS")
PROFILE = Engine(name="colima-dev", os="Ubuntu 24.04 LTS")
RANCHER = Engine(name="lima-rancher-desktop", os="Alpine Linux v3.20")
ORBSTACK = Engine(name="orbstack", os="OrbStack")
ROOTFUL = Engine(name="box", os="Debian GNU/Linux 12")
ROOTLESS = Engine(name="box", os="Debian GNU/Linux 12", security=("name=rootless",))
PODMAN = Engine(name="localhost.localdomain", os="fedora")


@pytest.mark.parametrize(
    ("engine", "here", "expected"),
    [
        (ROOTFUL, LINUX, Runtime.LINUX),
        (ROOTLESS, LINUX, Runtime.ROOTLESS),
        (DESKTOP, LINUX, Runtime.DOCKER_DESKTOP),
        (DESKTOP, MAC, Runtime.DOCKER_DESKTOP),
        (COLIMA, MAC, Runtime.COLIMA),
        (PROFILE, MAC, Runtime.COLIMA),
        (RANCHER, MAC, Runtime.RANCHER),
        (ORBSTACK, MAC, Runtime.ORBSTACK),
        (PODMAN, MAC, Runtime.PODMAN_MACHINE),
        (ROOTFUL, Here("linux", False, {"DOCKER_HOST": "ssh://far"}), Runtime.REMOTE),
        (ROOTFUL, MAC, Runtime.UNKNOWN),
    ],
)
def test_a_runtime_is_told_by_what_it_calls_itself(engine: Engine, here: Here, expected: Runtime) -> None:
    assert runtime(engine, here) is expected


@pytest.mark.parametrize("engine", [DESKTOP, COLIMA, PROFILE, RANCHER, PODMAN])
def test_behind_a_wall_node_addresses_are_not_tried_and_a_container_helps(engine: Engine) -> None:
    assert "keeps the addresses of its containers to itself" in (no_direct_way(engine, MAC) or "")
    assert no_detour(engine, MAC) is None


@pytest.mark.parametrize(("engine", "here"), [(ROOTFUL, LINUX), (ORBSTACK, MAC)])
def test_without_a_wall_they_are_and_a_container_would_not_help(engine: Engine, here: Here) -> None:
    assert no_direct_way(engine, here) is None
    assert "would not reach more" in (no_detour(engine, here) or "")


def test_in_doubt_a_probe_decides_and_then_a_container_may_help() -> None:
    assert no_direct_way(ROOTFUL, MAC) is None
    assert no_detour(ROOTFUL, MAC) is None


def test_beside_the_nodes_there_is_no_wall_whatever_the_engine() -> None:
    assert no_direct_way(DESKTOP, INSIDE) is None
    assert no_detour(DESKTOP, INSIDE)
