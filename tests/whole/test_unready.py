"""Pods that run and are not ready: refused with the key that opens it, taken with it, published by a service; as kubectl."""

from collections.abc import Callable

import pytest

from kfw.sandbox.manifests import deployment, pod, service, statefulset
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.objects import Object
from tests.kubectl_compat.programs import KFW, KUBECTL, environment, needs_kubectl, running
from tests.real import talk
from tests.real.running import until
from tests.whole.place import Place
from tests.whole.program import Entry, Program
from tests.whole.test_refused import WEB, agent, annotated

Ports = Callable[[int], list[int]]

METHODS = ("tunnel", pytest.param("kubectl", marks=needs_kubectl), "auto")
TARGETS = ("pod/alone", "deployment/web", "statefulset/db", "daemonset/agent", "service/web")


def headless(one: Object) -> Object:
    one["spec"]["clusterIP"] = "None"
    return one


def published(one: Object) -> Object:
    one["spec"]["publishNotReadyAddresses"] = True
    return one


def make_unready(shared: Place, where: str) -> None:
    """Each kind of target, all of its pods running and not ready."""
    things = [
        deployment(where, "web", ports=WEB, replicas=2),
        agent(where),
        statefulset(where, "db", "kfw/http", ports=WEB),
        pod(where, "alone", ports=WEB),
    ]
    web = service(where, "web", service_port(8080, "http"))
    _make(shared, [*(annotated(thing, ready="false") for thing in things), web])
    until(lambda: _running(shared, where) >= 6, 10, lambda: "all pods run")


def _make(shared: Place, things: list[Object]) -> None:
    """Without waiting until they are ready."""
    shared.do(lambda sandbox: [sandbox.apply(thing) for thing in things])


def _running(shared: Place, where: str) -> int:
    listed = shared.do(lambda sandbox: sandbox.list("pods", where))
    return sum(one["status"].get("phase") == "Running" for one in listed)


def forwards(where: str, **more: object) -> dict[str, Entry]:
    locals_ = zip(TARGETS, talk.free_ports(len(TARGETS)), strict=True)
    here = {"targetPort": 8080, "namespace": where, **more}
    return {to.replace("/", "-"): {"target": to, "localPort": local, **here} for to, local in locals_}


def test_of_each_kind_it_is_refused_and_the_fix_names_the_key(
    kfw: Program, shared: Place, namespace: str
) -> None:
    make_unready(shared, namespace)
    wanted = forwards(namespace)
    kfw.up(wanted, "--timeout", "2s", code=7)
    for name in wanted:
        row = kfw.until_row(name, reason="no-ready-pod", status="starting")
        assert "its readiness probe has not succeeded" in row["message"], row
        assert "write readiness: running to forward to it anyway" in row["message"], row
    assert kfw.status("pod-alone")["message"].startswith("pod alone is not ready: ")


@pytest.mark.parametrize("method", METHODS)
def test_of_each_kind_the_key_opens_it_and_a_ready_pod_is_preferred_when_there_is_one(
    kfw: Program, shared: Place, namespace: str, method: str
) -> None:
    make_unready(shared, namespace)
    wanted = forwards(namespace, method=method, readiness="running")
    kfw.up(wanted)
    for name, entry in wanted.items():
        assert talk.pod_behind(entry["localPort"]), name
        explained = kfw("explain", name).stdout
        assert "no pod is ready" in explained, explained
    pods = [one["metadata"]["name"] for one in shared.do(lambda sandbox: sandbox.list("pods", namespace))]
    last = max(name for name in pods if name.startswith("web-"))
    shared.do(lambda sandbox: sandbox.annotate("pods", namespace, last, ready="true"))
    for name in ("deployment-web", "service-web"):
        local = wanted[name]["localPort"]
        until(
            lambda local=local: {talk.pod_behind(local) for _ in range(4)} == {last},  # type: ignore[misc]
            10,
            lambda name=name: f"{name} goes to {last}\n{kfw.log()}",  # type: ignore[misc]
        )


@needs_kubectl
@pytest.mark.parametrize("program", [KUBECTL, KFW], ids=["kubectl", "kfw"])
def test_port_forward_takes_them_without_a_word_as_kubectl(
    program: tuple[str, ...], shared: Place, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_unready(shared, namespace)
    env = environment(shared.kubeconfig, tmp_path_factory.mktemp("home"))
    for target in TARGETS:
        with running(program, f"-n {namespace} {target} :8080 --address 127.0.0.1", env) as one:
            one.until(1)
            assert talk.pod_behind(one.ports[0]), target


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "headless"])
def test_what_a_service_publishes_is_followed_without_the_key(
    kfw: Program, shared: Place, namespace: str, port: int, method: str, kind: str
) -> None:
    """As the members of a database that find each other before they are ready."""
    svc = published(
        service(
            namespace,
            "db",
            service_port(8080, "http"),
            kind="NodePort" if kind == "NodePort" else "ClusterIP",
        )
    )
    db = annotated(statefulset(namespace, "db", "kfw/http", ports=WEB), ready="false")
    _make(shared, [headless(svc) if kind == "headless" else svc, db])
    entry = {"target": "service/db", "targetPort": 8080, "localPort": port, "namespace": namespace}
    kfw.up({"db": {**entry, "method": method}})
    assert talk.pod_behind(port) == "db-0"


def test_of_what_is_published_that_which_terminates_is_left_as_soon_as_there_is_another(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    svc = published(headless(service(namespace, "web", service_port(8080, "http"), kind="ClusterIP")))
    web = annotated(deployment(namespace, "web", ports=WEB, replicas=2), ready="false", drain="20s")
    _make(shared, [svc, web])
    until(lambda: _running(shared, namespace) == 2, 10, lambda: "both run")
    entry = {"target": "service/web", "targetPort": 8080, "localPort": port, "namespace": namespace}
    kfw.up({"web": entry})
    before = {talk.pod_behind(port) for _ in range(6)}
    assert len(before) == 2
    dying = min(before)
    shared.do(lambda sandbox: sandbox.delete("pods", namespace, dying))
    until(lambda: dying not in {talk.pod_behind(port) for _ in range(6)}, 5, kfw.log)
    assert all(talk.pod_behind(port) != dying for _ in range(10))


def test_a_pod_that_gets_ready_and_loses_it_again_is_followed_by_the_key_on_the_same_port(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    shared.apply(deployment(namespace, "web", ports=WEB))
    entry = {"target": "deployment/web", "targetPort": "http", "localPort": port, "namespace": namespace}
    kfw.up({"web": {**entry, "readiness": "running"}})
    for ready in ("false", "true", "false"):
        shared.annotate_pods(namespace, ready=ready)
        assert talk.pod_behind(port).startswith("web-")
    assert kfw.status("web")["restarts"] == 0


def test_add_takes_the_key_as_a_flag(kfw: Program, shared: Place, namespace: str, port: int) -> None:
    make_unready(shared, namespace)
    kfw("add", "one", "pod/alone", f"{port}:http", "-n", namespace, "--readiness", "running")
    assert talk.pod_behind(port) == "alone"
    refused = kfw("add", "two", "pod/alone", ":http", "-n", namespace, "--readiness", "soon", code=2)
    assert "unknown readiness 'soon'" in refused.stderr
    assert "use one of ready, running" in refused.stderr


def test_the_key_waits_for_a_pod_that_does_not_run_yet(
    kfw: Program, shared: Place, namespace: str, port: int
) -> None:
    _make(shared, [annotated(pod(namespace, "alone", ports=WEB), ready="false", start_after="4s")])
    entry = {"target": "pod/alone", "targetPort": "http", "localPort": port, "namespace": namespace}
    kfw.up({"alone": {**entry, "readiness": "running"}}, "--timeout", "1s", code=7)
    assert kfw.status("alone")["reason"] == "no-ready-pod"
    assert "readiness: running" not in kfw.status("alone")["message"]
    kfw.until_row("alone", status="active")
    assert talk.pod_behind(port) == "alone"
