"""kfw add as people type it: without a name, without a port, and once more after a mistake."""

from collections.abc import Callable

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.place import Place
from tests.whole.program import Program

Ports = Callable[[int], list[int]]


def test_a_target_alone_has_its_name_and_the_local_port_of_its_port(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    free, taken = ports(2)
    shared.apply(
        deployment(namespace, "high", ports={"http": 8080}),
        service(namespace, "high", service_port(free, "http", 8080)),
        service(namespace, "low", service_port(taken, "http", 8080), selector={"app": "high"}),
    )
    kfw("add", "svc/high", "-n", namespace)
    assert kfw.status("high")["localPort"] == free
    assert talk.pod_behind(free).startswith("high-")
    with talk.listener(taken):
        kfw("add", "svc/low", "-n", namespace)
    row = kfw.status("low")
    assert row["configuredPort"] == taken
    assert row["localPort"] != taken


def test_a_mistake_is_corrected_by_typing_it_again(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    [free] = ports(1)
    shared.apply(
        deployment(namespace, "high", ports={"http": 8080}),
        service(namespace, "high", service_port(free, "http", 8080)),
    )
    kfw("add", "one", "svc/hihg", str(free), "-n", namespace, code=None)
    assert kfw.status("one")["status"] == "error"
    kfw("add", "one", "svc/high", str(free), "-n", namespace)
    assert talk.pod_behind(free).startswith("high-")
