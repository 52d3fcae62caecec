"""The container on kind's network: five ports published on 127.0.0.1, and what happens to them when things break."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.quick_start.engine import ROOT, Box, box, docker, published
from tests.quick_start.host import app_behind
from tests.quick_start.kind import FORWARDS, KindCluster
from tests.real.running import until
from tests.real.talk import free_ports

pytestmark = pytest.mark.real

UP = ("kfw", "up", "--foreground", "--config", "/app/quick-start/kfw.yaml")


@dataclass(frozen=True)
class Published:
    """A container whose five forwards are published: `ports` by the forward's name."""

    box: Box
    ports: Mapping[str, int]

    def answers(self) -> dict[str, str]:
        """Which app is behind each port; "" where nobody is."""
        return {name: app_behind(name, port) for name, port in self.ports.items()}

    def until_all_answer(self, within: float) -> float:
        began = time.monotonic()
        wanted = {name: name for name in FORWARDS}
        until(lambda: self.answers() == wanted, within, lambda: f"{self.answers()}\n{self.box.logs()}")
        return time.monotonic() - began


def on_free_ports() -> dict[str, int]:
    return dict(zip(FORWARDS, free_ports(len(FORWARDS)), strict=True))


def as_options(ports: Mapping[str, int]) -> list[str]:
    return published({FORWARDS[name]["localPort"]: port for name, port in ports.items()})


@pytest.fixture
def five(image: str, cluster: KindCluster) -> Iterator[Published]:
    """Neither docker socket nor kind in there: a kubeconfig that only root can read is all it has."""
    kubeconfig = cluster.internal_kubeconfig()
    os.chown(kubeconfig, 0, 0)
    ports = on_free_ports()
    options = ["--network", "kind", "-v", f"{kubeconfig}:/kubeconfig:ro", *as_options(ports)]
    with box(image, *options, command=UP) as one:
        yield Published(one, ports)


def test_B9_B21_five_ports_published_on_localhost_answer_each_from_its_own_backend(five: Published) -> None:
    five.until_all_answer(within=20)
    bindings = five.box.inspect()["HostConfig"]["PortBindings"].values()
    assert {binding["HostIp"] for one in bindings for binding in one} == {"127.0.0.1"}
    lines = five.box.run("cat", "/proc/net/tcp").stdout.splitlines()
    heard = {line.split()[1] for line in lines if line.split()[3] == "0A"}  # LISTEN
    assert {f"00000000:{forward['localPort']:04X}" for forward in FORWARDS.values()} <= heard


def test_they_survive_the_deletion_of_every_pod(five: Published, cluster: KindCluster) -> None:
    five.until_all_answer(within=20)
    for namespace in {forward["namespace"] for forward in FORWARDS.values()}:
        cluster.kubectl("delete", "pod", "-n", namespace, "--all", "--wait=false", "--grace-period=1")
    assert five.until_all_answer(within=30) < 20


def test_they_survive_a_restart_of_the_node(five: Published, cluster: KindCluster) -> None:
    five.until_all_answer(within=20)
    cluster.fault("node-restart", "worker")
    five.until_all_answer(within=60)


def test_B13_a_service_made_anew_with_another_node_port_is_found_again(
    five: Published, cluster: KindCluster
) -> None:
    five.until_all_answer(within=60)
    where = ("-n", "wso2-amp")
    service = json.loads(cluster.kubectl("get", "service", "amp-api", *where, "-o", "json"))
    cluster.kubectl("delete", "service", "amp-api", *where)
    service["spec"]["ports"][0]["nodePort"] = 30809
    again = {
        "metadata": {"name": "amp-api", "namespace": "wso2-amp"},
        "spec": {key: service["spec"][key] for key in ("type", "selector", "ports")},
    }
    cluster.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Service", **again}))
    assert five.until_all_answer(within=15) < 10


def test_a_container_with_the_hosts_name_of_another_is_no_other(image: str, cluster: KindCluster) -> None:
    options = ["--network", "kind", "--hostname", f"{cluster.name}-worker2"]
    options += ["-v", f"{cluster.internal_kubeconfig()}:/kubeconfig:ro"]
    ports = on_free_ports()
    with box(image, *options, *as_options(ports), command=UP) as one:
        Published(one, ports).until_all_answer(within=30)


def test_it_ends_cleanly_and_the_ports_are_free(image: str, cluster: KindCluster) -> None:
    ports = on_free_ports()
    options = ["--network", "kind", "-v", f"{cluster.internal_kubeconfig()}:/kubeconfig:ro"]
    with box(image, *options, *as_options(ports), command=UP) as one:
        Published(one, ports).until_all_answer(within=30)
        seconds, code = one.stop()
        assert seconds < 8 and code != 137
        assert "forwards stopped" in one.logs()
        assert set(Published(one, ports).answers().values()) == {""}


def test_compose_brings_the_same(image: str, cluster: KindCluster) -> None:
    ports = on_free_ports()
    variables = dict(
        zip(("CONSOLE", "API", "TRACES", "PREPPER", "GATEWAY"), ports.values(), strict=True)
    )  # kfw.yaml's order
    env = {f"{name}_PORT": str(port) for name, port in variables.items()}
    env |= {"QUICK_START_IMAGE": image, "KUBECONFIG_FILE": str(cluster.internal_kubeconfig())}
    project = f"kfw-test-{os.getpid()}"
    compose = [*compose_command(), "-p", project, "-f", str(ROOT / "quick-start/compose.yaml")]

    def run(*words: str) -> None:
        done = subprocess.run(
            [*compose, *words], env={**os.environ, **env}, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr

    run("up", "-d", "--no-build")
    try:
        ids = docker("ps", "-q", "--filter", f"label=com.docker.compose.project={project}").stdout.split()
        Published(Box(ids[0]), ports).until_all_answer(within=30)
    finally:
        run("down", "-v")


def compose_command() -> list[str]:
    """The plugin, or Debian's standalone program."""
    if docker("compose", "version", code=None).returncode == 0:
        return ["docker", "compose"]
    assert shutil.which("docker-compose"), "install docker-compose"
    return ["docker-compose"]
