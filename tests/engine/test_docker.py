"""docker's command lines and answers."""

import json

import pytest

from kfw.engine import docker
from kfw.engine.docker import Choice, Engine
from kfw.errors import KfwError
from tests.quickstart.world import LINUX, node


def test_labels_are_filters_a_value_or_any() -> None:
    assert docker.labelled({"a": "1", "b": None}, "podman")[-4:] == [
        "--filter",
        "label=a=1",
        "--filter",
        "label=b",
    ]


def test_an_engine_tells_its_size() -> None:
    engine = docker.engine(json.dumps({**LINUX, "SecurityOptions": ["name=seccomp", "name=rootless"]}))
    assert isinstance(engine, Engine)
    assert (engine.cpus, engine.gib, engine.rootless) == (8, 16.0, True)


def test_podman_tells_it_in_its_own_shape() -> None:
    told = {
        "host": {"hostname": "m", "cpus": 2, "memTotal": 2 * 1024**3, "security": {"rootless": True}},
        "version": {"Version": "5.2.0"},
    }
    engine = docker.engine(json.dumps(told))
    assert isinstance(engine, Engine)
    assert (engine.name, engine.version, engine.cpus, engine.rootless) == ("m", "5.2.0", 2, True)


@pytest.mark.parametrize("out", ["", "{}", "no json", json.dumps({"ServerErrors": ["Cannot connect to X"]})])
def test_an_engine_that_does_not_answer_is_an_error_although_docker_says_0(out: str) -> None:
    assert isinstance(docker.engine(out), KfwError)


def test_a_container_tells_where_its_ports_are_published() -> None:
    ports = {
        "30080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "49153"}],
        "53/udp": [{"HostIp": "", "HostPort": "53"}],
        "6443/tcp": None,
    }
    (found,) = docker.containers(json.dumps([node("dev-worker", "dev", ports=ports)]))
    assert (found.name, found.running, dict(found.published)) == (
        "dev-worker",
        True,
        {30080: ("127.0.0.1", 49153)},
    )
    assert found.addresses == {"kind": "172.18.0.2"}


def test_a_stopped_container_is_not_running_and_nonsense_is_none() -> None:
    (found,) = docker.containers(json.dumps([node("dev-worker", "dev", running=False)]))
    assert not found.running
    assert docker.containers("<html>") == []


def test_the_port_is_the_first_lines() -> None:
    assert docker.port_of("127.0.0.1:49153\n[::1]:49153\n") == 49153
    assert docker.port_of("") is None


def test_docker_itself_heeds_DOCKER_HOST_first_then_DOCKER_CONTEXT_then_the_current_context() -> None:
    both = {"DOCKER_HOST": "tcp://far:2375", "DOCKER_CONTEXT": "colima"}
    assert docker.choice(both, "desktop-linux") == Choice("default", "DOCKER_HOST", "tcp://far:2375")
    assert docker.choice({"DOCKER_CONTEXT": "colima"}, "desktop-linux") == Choice("colima", "DOCKER_CONTEXT")
    assert docker.choice({}, "desktop-linux") == Choice("desktop-linux", "docker context use")
    assert docker.choice({}, "").context == "default"


def test_a_contexts_endpoint() -> None:
    told = [{"Name": "colima", "Endpoints": {"docker": {"Host": "unix:///h/.colima/docker.sock"}}}]
    assert docker.context_host(json.dumps(told)) == "unix:///h/.colima/docker.sock"
    assert docker.context_host("") == ""


@pytest.mark.parametrize("out", ["[" * 100_000, '{"a":' * 100_000, "[{}]" + "[" * 100_000])
def test_an_answer_that_is_nested_too_deeply_is_none(out: str) -> None:
    assert docker.containers(out) == []
    assert docker.context_host(out) == ""
    assert not isinstance(docker.engine(out), Engine) or docker.engine(out) == docker.engine("{}")
