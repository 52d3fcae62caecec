"""While every new connection fails `active` is not said for more than 2 s, and each lost connection is counted."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.kubectl_compat.programs import needs_kubectl
from tests.whole.load import load, until
from tests.whole.place import Place
from tests.whole.program import Entry, Program

needs_socat = pytest.mark.skipif(shutil.which("socat") is None, reason="socat is not installed")

#: Seconds for which `active` may be said while all fail.
AT_MOST = 2.0


def web(shared: Place, where: str, local: int, method: str, **more: object) -> dict[str, Entry]:
    """A service with node ports, and the forward to it."""
    shared.apply(
        deployment(where, "web", ports={"http": 8080}, replicas=2),
        service(where, "web", service_port(8080, "http"), kind="NodePort"),
    )
    entry = {"target": "service/web", "targetPort": 8080, "localPort": local, "namespace": where}
    return {"web": {**entry, "method": method, **more}}


def stopped_child(kfw: Program, shared: Place, where: str) -> AbstractContextManager[None]:
    @contextmanager
    def fault() -> Iterator[None]:
        pid = kfw.status("web")["pid"]
        os.kill(pid, signal.SIGSTOP)
        yield

    return fault()


def silent_tunnels(kfw: Program, shared: Place, where: str) -> AbstractContextManager[None]:
    @contextmanager
    def fault() -> Iterator[None]:
        silence = shared.do(lambda sandbox: sandbox.faults.silent("tunnels"))
        shared.do(lambda sandbox: silence.__enter__())
        try:
            yield
        finally:
            shared.do(lambda sandbox: silence.__exit__(None, None, None))

    return fault()


def refusing_pods(kfw: Program, shared: Place, where: str) -> AbstractContextManager[None]:
    @contextmanager
    def fault() -> Iterator[None]:
        shared.annotate_pods(where, listen="false")
        try:
            yield
        finally:
            shared.annotate_pods(where, listen="true")

    return fault()


Fault = Callable[[Program, Place, str], AbstractContextManager[None]]


@pytest.mark.parametrize(
    ("method", "fault", "says"),
    [
        pytest.param("kubectl", stopped_child, "kubectl is stopped (SIGSTOP)", marks=needs_kubectl),
        pytest.param("kubectl", silent_tunnels, "got no answer within", marks=needs_kubectl),
        pytest.param("kubectl", refusing_pods, "refused", marks=needs_kubectl),
        pytest.param("socat", stopped_child, "socat is stopped (SIGSTOP)", marks=needs_socat),
        pytest.param("socat", refusing_pods, "", marks=needs_socat),
        ("tunnel", silent_tunnels, ""),
        ("tunnel", refusing_pods, "nothing listens"),
        ("nodeport", refusing_pods, ""),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_while_all_connections_fail_active_is_not_said_and_it_is_again_soon_after(
    kfw: Program, shared: Place, namespace: str, port: int, method: str, fault: Fault, says: str
) -> None:
    kfw.up(web(shared, namespace, port, method))
    with load(kfw, "web", port) as seen:
        assert until(lambda: sum(one.how == "answered" for one in seen.tries) > 40, 10)
        began = time.monotonic()
        with fault(kfw, shared, namespace):
            time.sleep(4)
            ended = time.monotonic()
        assert until(lambda: seen.seen[-1][1]["status"] == "active", 15), seen.seen[-1]
        again = time.monotonic()
        assert until(lambda: any(one.began > again and one.how == "answered" for one in seen.tries), 5)
    assert seen.longest_untrue(began + 0.1) < AT_MOST, seen.statuses(began)
    if says:
        assert any(says in message for message in seen.messages(began)), seen.messages(began)
    assert again - ended < 10, seen.statuses(began)


SLOW = b"GET /slow?ms=3000 HTTP/1.1\r\nHost: web\r\n\r\n"
METHODS = (
    pytest.param("kubectl", marks=needs_kubectl),
    pytest.param("socat", marks=needs_socat),
    "tunnel",
    "nodeport",
)


@pytest.mark.parametrize("method", METHODS)
def test_an_app_that_is_slow_by_itself_stays_active(
    kfw: Program, shared: Place, namespace: str, port: int, method: str
) -> None:
    kfw.up(web(shared, namespace, port, method))
    with load(kfw, "web", port, per_second=5, says=SLOW) as seen:
        assert until(lambda: sum(one.how == "answered" for one in seen.tries) > 10, 20)
    assert seen.statuses() == ["active"], seen.messages()
    assert set(seen.hows()) == {"answered"}
    assert kfw.status("web")["lostConnections"] == 0


@pytest.mark.parametrize("method", METHODS)
def test_an_app_that_takes_and_never_answers_stays_active_and_loses_nothing(
    kfw: Program, shared: Place, namespace: str, port: int, method: str
) -> None:
    """What a client sends to kfw/digest is answered when it has ended its side, which it never does here."""
    shared.apply(
        deployment(namespace, "web", "kfw/digest", ports={"http": 8080}),
        service(namespace, "web", service_port(8080, "http"), kind="NodePort"),
    )
    entry = {"target": "service/web", "targetPort": 8080, "localPort": port, "namespace": namespace}
    kfw.up({"web": {**entry, "method": method}})
    with load(kfw, "web", port, per_second=5) as seen:
        time.sleep(5)
    assert seen.statuses() == ["active"], seen.messages()
    assert kfw.status("web")["lostConnections"] == 0


# -- losses


def killed_child(kfw: Program, shared: Place, where: str) -> AbstractContextManager[None]:
    @contextmanager
    def fault() -> Iterator[None]:
        os.kill(kfw.status("web")["pid"], signal.SIGKILL)
        yield

    return fault()


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        pytest.param("kubectl", killed_child, marks=needs_kubectl),
        pytest.param("kubectl", refusing_pods, marks=needs_kubectl),
        pytest.param("kubectl", stopped_child, marks=needs_kubectl),
        pytest.param("socat", killed_child, marks=needs_socat),
        pytest.param("socat", refusing_pods, marks=needs_socat),
        pytest.param("socat", stopped_child, marks=needs_socat),
        ("tunnel", refusing_pods),
        ("nodeport", refusing_pods),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_losses_that_are_counted_are_those_that_clients_see(
    kfw: Program, shared: Place, namespace: str, port: int, method: str, fault: Fault
) -> None:
    """Half of the clients stay for a while, so that some are connected in the moment of the fault."""
    kfw.up(web(shared, namespace, port, method))
    with load(kfw, "web", port, stays=True) as seen:
        assert until(lambda: sum(one.how == "answered" for one in seen.tries) > 40, 10)
        with fault(kfw, shared, namespace):
            time.sleep(4)
        assert until(lambda: seen.seen[-1][1]["status"] == "active", 15), seen.seen[-1]
        time.sleep(1)
    lost = seen.lost()
    if (method, fault) != ("socat", killed_child):  # what that has forked goes on
        assert lost > 0, seen.hows()
    assert until(lambda: kfw.status("web")["connections"] == 0, 5)
    assert kfw.status("web")["lostConnections"] == pytest.approx(lost, abs=1 + lost // 20), seen.hows()
