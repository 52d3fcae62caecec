"""The container with a docker socket: it finds out who it is, and puts itself on kind's network when there is one."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.quick_start.engine import SOCKET_MOUNT, Box, Done, box, docker
from tests.quick_start.kind import FORWARDS, FRONT_ENDS, KindCluster
from tests.quick_start.test_container import Published, as_options, on_free_ports
from tests.real.talk import free_ports

pytestmark = pytest.mark.real

ENTRYPOINT = "/app/quick-start/entrypoint.sh"
PORT_FORWARD = ("/app/quick-start/port-forward.sh", "--detach")
#: The rig's docker for kind, see its README; the socket is the real one.
CLIENT = (
    *SOCKET_MOUNT,
    *("-v", f"{FRONT_ENDS / 'docker'}:/rig/docker:ro"),
    *("-e", "PATH=/rig:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
)
NO_NETWORK = "KIND_EXPERIMENTAL_DOCKER_NETWORK=kfw-not-made-yet"


@contextmanager
def with_socket(image: str, cluster: KindCluster, *options: str) -> Iterator[Box]:
    with box(image, *CLIENT, "-e", f"CLUSTER_NAME={cluster.name}", *options) as one:
        yield one


def as_kfw(one: Box, *argv: str, env: Sequence[str] = (), code: int | None = 0) -> Done:
    """`docker exec` is root; the entrypoint makes it kfw with the socket's group."""
    return docker("exec", *env, one.name, ENTRYPOINT, *argv, code=code, timeout=120)


def test_B7_a_container_from_before_the_first_cluster_is_attached_by_the_scripts(
    image: str, cluster: KindCluster
) -> None:
    ports = on_free_ports()
    with with_socket(image, cluster, "-e", NO_NETWORK, *as_options(ports)) as one:
        one.until_logs("the network kfw-not-made-yet does not exist yet")
        assert one.networks() == {"bridge"}
        done = as_kfw(one, *PORT_FORWARD, env=["-e", "KIND_EXPERIMENTAL_DOCKER_NETWORK=kind"])
        assert len(done.stdout.splitlines()) == 5
        assert one.networks() == {"bridge", "kind"}
        Published(one, ports).until_all_answer(within=20)  # published before the network was there


def test_B6_in_a_container_the_kubeconfig_has_the_nodes_name(image: str, cluster: KindCluster) -> None:
    with with_socket(image, cluster) as one:
        path = as_kfw(one, "kfw", "bootstrap", "kind", "--skip-kind").stdout.strip()
        config = yaml.safe_load(one.run("cat", path).stdout)
    assert config["clusters"][0]["cluster"]["server"] == f"https://{cluster.name}-control-plane:6443"


@pytest.mark.parametrize("options", [(), ("--hostname", "my-laptop")], ids=["usual", "hostname"])
def test_B8_it_knows_itself_whatever_its_host_name(
    image: str, cluster: KindCluster, options: tuple[str, ...]
) -> None:
    with with_socket(image, cluster, *options) as one:
        one.until_logs("is on the network kind now")
        assert "kind" in one.networks()


def test_B8_B21_in_the_hosts_network_it_uses_what_is_published_there(
    image: str, cluster: KindCluster
) -> None:
    with five_on_free_ports() as (config, ports):
        mount = ("-v", f"{config}:/five.yaml:ro")
        with with_socket(image, cluster, "--network", "host", *mount) as one:
            as_kfw(one, *PORT_FORWARD, "--config", "/five.yaml")
            Published(one, ports).until_all_answer(within=20)
            rows = json.loads(one.kfw("status", "--json").stdout)["forwards"]
            assert {address for row in rows for address in row["localAddresses"]} <= {"127.0.0.1", "::1"}
            assert one.networks() == {"host"}
            one.kfw("stop")


@contextmanager
def five_on_free_ports() -> Iterator[tuple[Path, dict[str, int]]]:
    ports = dict(zip(FORWARDS, free_ports(len(FORWARDS)), strict=True))
    forwards = {name: {**forward, "localPort": ports[name]} for name, forward in FORWARDS.items()}
    with tempfile.TemporaryDirectory(prefix="kfw-five-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101 - for the user of the container
        config = Path(folder) / "five.yaml"
        config.write_text(yaml.safe_dump({"portForwards": forwards}))
        yield config, ports


def test_B28_without_a_socket_the_api_carries_the_ports(image: str, cluster: KindCluster) -> None:
    mount = ("-v", f"{cluster.internal_kubeconfig()}:/kubeconfig:ro", "--network", "kind")
    up = ("kfw", "up", "--foreground", "--config", "/app/quick-start/kfw.yaml", "--method", "tunnel")
    ports = on_free_ports()
    with box(image, *mount, *as_options(ports), command=up) as one:
        Published(one, ports).until_all_answer(within=30)
        assert "no docker socket" in one.logs()
