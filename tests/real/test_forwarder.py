"""The method forwarder on the real docker and kind's network: the container, the published port, and what is left."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real import socat_image
from tests.real.rig import Rig, run
from tests.real.running import until
from tests.real.talk import exchange, get
from tests.whole.program import Program


def docker(*argv: str) -> str:
    return run("docker", *argv, timeout=60).strip()


@pytest.fixture
def context(rig: Rig, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig as the real kind writes it: its context tells that kind made the cluster."""
    cache = rig.directory.parents[2]
    file = tmp_path / "kubeconfig"
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    line = ["kind", "export", "kubeconfig", "--name", rig.name, "--kubeconfig", str(file)]
    subprocess.run(line, env=env, check=True, capture_output=True)
    yield file


@pytest.fixture
def cli(context: Path, make_cli: Callable[..., Program], free_ports: Callable[[int], list[int]]) -> Program:
    """Four forwards of the demo, all through the forwarder container."""
    made = make_cli(context, KFW_FORWARDER_IMAGE=socat_image.make(), KFW_IN_CONTAINER="0")
    web, echo, late, many = free_ports(4)
    multi = {"target": "service/multi", "namespace": "demo", "method": "forwarder"}
    made.configure(
        {
            "web": {"target": "service/web", "namespace": "demo", "method": "forwarder", "localPort": web},
            "echo": {**multi, "targetPort": 9000, "localPort": echo},
            "late": {**multi, "targetPort": 9001, "localPort": late},
            "many": {**multi, "targetPort": 9002, "localPort": many},
        }
    )
    return made


def containers(rig: Rig) -> list[str]:
    return docker("ps", "--quiet", "--filter", f"label=io.kfw.forwarder={rig.name}").split()


def port(cli: Program, name: str) -> int:
    return int(cli.status(name)["localPort"])


def test_B9_all_forwards_of_the_cluster_go_through_one_container(cli: Program, rig: Rig) -> None:
    before = set(containers(rig))
    cli("up")
    (ours,) = set(containers(rig)) - before
    assert get(f"http://localhost:{port(cli, 'web')}")["pod"].startswith("web-")
    assert exchange(port(cli, "echo"), b"there and back") == b"there and back"
    assert exchange(port(cli, "late"), b"abc").decode().strip() == hashlib.sha256(b"abc").hexdigest()
    published = json.loads(docker("inspect", ours))[0]["NetworkSettings"]["Ports"]["7000/tcp"]
    assert [one["HostIp"] for one in published] == ["127.0.0.1"]
    assert f"127.0.0.1:{published[0]['HostPort']}" in cli("explain", "web").stdout.replace(
        "\n             ", " "
    )
    cli("down")
    until(lambda: set(containers(rig)) == before, 5, lambda: "the container has ended")


def test_64_mib_arrive_as_they_were_sent(cli: Program) -> None:
    cli("up", "many")
    size = 64 * 1024 * 1024
    data = exchange(port(cli, "many"), f"{size}\n".encode())
    assert len(data) == size
    assert data == (bytes(range(251)) * (size // 251 + 1))[:size]


def test_B15_a_container_that_is_killed_is_replaced_and_the_ports_stay(cli: Program, rig: Rig) -> None:
    before = set(containers(rig))
    cli("up", "web", "echo")
    (ours,) = set(containers(rig)) - before
    docker("kill", ours)
    assert exchange(port(cli, "echo"), b"held until it is back") == b"held until it is back"
    assert cli.wait("web", "active")["restarts"] == 1
    assert ours not in containers(rig)


def test_B17_B20_a_killed_daemon_leaves_no_container_and_strangers_live(cli: Program, rig: Rig) -> None:
    image = socat_image.make()
    stranger = docker(
        *("run", "--detach", "--rm", "--name", f"kfw-forwarder-{rig.name}-stranger"),
        *(
            "--label",
            "io.kfw.forwarder=other",
            "--entrypoint",
            "socat",
            image,
            "TCP-LISTEN:7000,fork",
            "TCP:x:1",
        ),
    )
    try:
        before = set(containers(rig))
        cli("up", "web")
        cli.kill_daemon()
        until(lambda: set(containers(rig)) == before, 10, lambda: "the killed daemon's container has ended")
        cli("up", "web")
        assert get(f"http://localhost:{port(cli, 'web')}")["pod"]
        cli("down")
        assert docker("inspect", "--format", "{{.State.Running}}", stranger) == "true"
    finally:
        docker("kill", stranger)
