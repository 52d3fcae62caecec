"""One sandbox for all of these tests, with what people forward to in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, namespace, pod, port, service, statefulset
from kfw.sandbox.node.behaviour import PREFIX
from kfw.sandbox.objects import Object
from tests.kubectl_compat.programs import environment
from tests.real import talk
from tests.whole.place import Place, place

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and not item.get_closest_marker("real"):
            item.add_marker("sandbox")


def objects() -> list[Object]:
    web = {"http": 8080, "echo": 9000}
    return [
        namespace("demo"),
        deployment("demo", "web", ports=web, replicas=2),
        service("demo", "web", port(80, "web", "http")),
        service("demo", "multi", *_many(), selector={"app": "web"}),
        statefulset("demo", "db", "kfw/greeter", ports={"db": 5432}),
        headless(service("demo", "db", port(5432, "postgres", 5432), kind="ClusterIP")),
        without_selector(service("demo", "away", port(80, "http"))),
        service("demo", "nobody", port(80, "http")),
        pod("demo", "single", ports={"http": 8080}),
        pod("demo", "unready", ports={"http": 8080}, annotations={PREFIX + "ready": "false"}),
        udp(pod("demo", "dns", ports={"dns": 5353})),
    ]


def _many() -> list[Object]:
    return [
        port(8080, "http"),
        port(9000, "echo"),
        port(7000, "number", 8080),
        {**port(9006, "udp", 9006), "protocol": "UDP"},
    ]


def headless(one: Object) -> Object:
    one["spec"]["clusterIP"] = "None"
    return one


def without_selector(one: Object) -> Object:
    del one["spec"]["selector"]
    return one


def udp(one: Object) -> Object:
    for declared in one["spec"]["containers"][0]["ports"]:
        declared["protocol"] = "UDP"
    return one


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("cluster"), *objects()) as here:
        yield here


@pytest.fixture(scope="session")
def env(cluster: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return environment(cluster.kubeconfig, tmp_path_factory.mktemp("home"))


@pytest.fixture
def free_port() -> int:
    return talk.free_ports(1)[0]
