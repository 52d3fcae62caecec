"""Moments of a first hour with kfw (4, 5, 6, 7, 9 and 27 of those that were noted), typed as they were typed then."""

from collections.abc import Callable

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.place import Place
from tests.whole.program import Program, listens

Ports = Callable[[int], list[int]]


def test_kubectls_order_a_typo_and_its_correction(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    local, other = ports(2)
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080, "admin": 9000}),
        service(
            namespace,
            "multi",
            service_port(local, "http", 8080),
            service_port(9000, "admin"),
            selector={"app": "web"},
        ),
        service(namespace, "amp-console", service_port(80, "http", 8080), selector={"app": "web"}),
    )
    # 7: a port has to be named; 9: what is in error holds one
    done = kfw("add", "svc/multi", f"{local}:htp", "-n", namespace, code=None)
    said = kfw.status("multi")["message"]
    assert said.endswith(
        f"; try `kfw add multi service/multi {local}`; its ports: {local} (http), 9000 (admin)"
    )
    assert "targetPort" not in done.stdout + done.stderr
    # 27: nothing is said five times, and nothing that is not so
    ways = " ".join(kfw("explain", "multi").stdout.split())
    assert ways.count("has no TCP port") == 1
    assert "one before it carries" not in ways
    # 9: who comes next gets it
    kfw("add", "console", "svc/amp-console", f"{local}:80", "-n", namespace)
    assert talk.pod_behind(local).startswith("web-")
    assert f"port {local} went to 'console'" in kfw.status("multi")["message"]
    # 7: a port that is taken
    done = kfw("add", "svc/multi", f"{local}:9000", "-n", namespace, code=6)
    assert "--next-port" in done.stderr
    kfw("add", "svc/multi", f"{local}:9000", "-n", namespace, "--next-port")
    assert kfw.status("multi")["localPort"] not in (0, local)
    # 27: of what is not up
    kfw("down", "console")
    said = " ".join(kfw("explain", "console").stdout.split())
    assert "nothing goes through it: `kfw up console` starts it" in said
    assert not listens(local)
    # 6, and -l: the same name typed again
    kfw("add", "console", "svc/amp-consol", f"{other}:80", "-n", namespace, code=None)
    kfw("add", "console", "-l", "app=web", f"{other}:8080", "-n", namespace)
    assert kfw.status("console")["target"] == "pods/app=web"
    assert talk.pod_behind(other).startswith("web-")


def test_the_row_says_which_port_was_taken_and_that_it_is_http(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    [local] = ports(1)
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(local, "http", 8080)),
    )
    shown = kfw("add", "web", "svc/web", "-n", namespace).stdout
    assert f"http://localhost:{local}" in shown
    assert f"service/web:{local}" in shown
    [replicaset] = shared.do(lambda sandbox: sandbox.list("replicasets", namespace))
    kfw("add", "old", f"rs/{replicaset['metadata']['name']}", ":http", "-n", namespace)
    assert talk.pod_behind(kfw.status("old")["localPort"]).startswith("web-")
