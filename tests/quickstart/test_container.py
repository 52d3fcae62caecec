"""kfw inside a container: found by docker, put on kind's network after the cluster is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from kfw.engine.reachability import Here
from kfw.errors import ClusterUnreachable, KfwError
from kfw.quickstart import kind_cluster
from kfw.quickstart.bootstrap import Bootstrap
from kfw.quickstart.options import BootstrapOptions, Where
from kfw.system import tools
from tests.quickstart.world import Machine

INSIDE = Here("linux", in_container=True, env={"KFW_CONTAINER": "me"})


def told(*networks: str) -> str:
    """As docker tells of this container."""
    attached: dict[str, Any] = {name: {"IPAddress": "172.18.0.9"} for name in networks}
    return json.dumps([{"Id": "id-of-me", "Name": "/me", "NetworkSettings": {"Networks": attached}}])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(tools, "find", lambda tool, path=None: f"/bin/{tool}")
    machine = Machine()
    machine.has_engine()
    machine.has_cluster("dev")
    machine.says("docker network connect")
    return machine


@pytest.fixture
def run(machine: Machine, tmp_path: Path) -> Bootstrap:
    options = BootstrapOptions(where=Where.KIND, cluster_name="dev", folder=tmp_path)
    return Bootstrap(machine.steps(), options, INSIDE.env, lambda: 0.0, lambda _: None, INSIDE)


def test_B7_a_container_is_attached_after_the_cluster_is_there_and_uses_the_nodes_names(
    machine: Machine, run: Bootstrap
) -> None:
    machine.says("docker inspect --type container me", told("bridge"))
    run.pick()
    attached = machine.ran.index("docker network connect kind id-of-me")
    exported = next(n for n, line in enumerate(machine.ran) if line.startswith("kind export kubeconfig"))
    assert machine.ran.index("kind get clusters") < attached < exported
    assert machine.ran[exported].endswith("--internal")


def test_a_container_that_is_on_the_network_is_not_attached_again(machine: Machine, run: Bootstrap) -> None:
    machine.says("docker inspect --type container me", told("bridge", "kind"))
    run.pick()
    assert not machine.ran_any("docker network connect")


def test_B8_with_host_networking_it_uses_what_is_published(machine: Machine, run: Bootstrap) -> None:
    machine.says("docker inspect --type container me", told("host"))
    run.pick()
    assert not machine.ran_any("docker network connect")
    assert not any("--internal" in line for line in machine.ran)


def test_B8_one_that_docker_does_not_know_is_told_what_to_pass_when_the_api_is_out_of_reach(
    machine: Machine, run: Bootstrap
) -> None:
    machine.fails("docker inspect", "Error: No such container")
    machine.has_cluster("dev")
    machine.fails("kubectl", "connection refused")
    run.clock = iter(range(0, 1000, 10)).__next__
    with pytest.raises(KfwError, match="cannot find out which container this is") as caught:
        run.pick()
    assert not isinstance(caught.value, ClusterUnreachable)
    assert "KFW_CONTAINER=NAME" in caught.value.fix


def test_a_machine_with_a_containers_mark_that_reaches_the_api_is_fine(
    machine: Machine, run: Bootstrap
) -> None:
    machine.fails("docker inspect", "Error: No such container")
    machine.has_cluster("dev")
    assert run.pick().name == "dev"


def test_an_attachment_by_somebody_else_in_the_same_moment_is_no_error(machine: Machine) -> None:
    machine.says("docker inspect --type container me", told("bridge"))
    machine.fails("docker network connect", "endpoint with name me already exists in network kind")
    assert kind_cluster.attach(machine.steps(), INSIDE)


def test_why_it_cannot_be_attached_is_in_dockers_words(machine: Machine) -> None:
    machine.says("docker inspect --type container me", told("bridge"))
    machine.fails("docker network connect", "Error: network kind not found")
    with pytest.raises(KfwError, match="Error: network kind not found") as caught:
        kind_cluster.attach(machine.steps(), INSIDE)
    assert caught.value.fix == "docker network connect kind id-of-me"


def test_attach_alone_waits_for_a_network(machine: Machine, run: Bootstrap) -> None:
    machine.fails("docker network inspect kind", "not found")
    run.attach()
    assert machine.said == ["container: the network kind does not exist yet"]
    with pytest.raises(KfwError, match="this is not a container"):
        Bootstrap(machine.steps(), run.options, {}, here=Here("linux", in_container=False, env={})).attach()
