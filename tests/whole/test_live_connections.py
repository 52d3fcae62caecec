"""What a client has open to a healthy pod stays open, whatever is changed about its service, or opened again by kfw."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.objects import Object
from tests.real import talk
from tests.real.running import until
from tests.sandbox.kubectl import needs_kubectl
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program, kill
from tests.whole.test_pairs import AWAY, USER, the_api

pytestmark = needs_kubectl

METHODS = ("tunnel", "nodeport", "kubectl", "socat")
ECHO = {"echo": 9000}
#: Seconds that a fault lasts once kfw has noticed it.
A_WHILE = 1.0

Live = dict[str, socket.socket]


def entries(where: str) -> dict[str, Entry]:
    ports = zip(METHODS, talk.free_ports(len(METHODS)), strict=True)
    entry = {"target": "service/echo", "targetPort": 7, "namespace": where}
    return {method: {**entry, "localPort": port, "method": method} for method, port in ports}


def echo_service(where: str, **more: object) -> Object:
    made = service(where, "echo", service_port(7, "echo"))
    return {**made, "spec": {**made["spec"], **more}}


@contextmanager
def live(forwards: dict[str, Entry]) -> Iterator[Live]:
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(socket.create_connection(("127.0.0.1", entry["localPort"]), 10))
            for name, entry in forwards.items()
        }
        assert cut(clients) == {}
        yield clients


def cut(clients: Live) -> dict[str, str]:
    """Those that do not answer any more, and why."""
    dead = {}
    for name, client in clients.items():
        client.settimeout(5)
        try:
            if not talk.answered(client, b"are you there?"):
                dead[name] = "closed"
        except OSError as error:
            dead[name] = str(error) or type(error).__name__
    return dead


def last(clients: Live, seconds: float) -> None:
    """All answer, again and again for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert cut(clients) == {}
        time.sleep(0.1)


def new_ones_work(forwards: dict[str, Entry]) -> None:
    for name, entry in forwards.items():
        until(lambda port=entry["localPort"]: echoes(port), 15, lambda name=name: f"{name} works")  # type: ignore[misc]


def echoes(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.settimeout(5)
            return talk.answered(client, b"hello")
    except OSError:
        return False


def none_is_active(kfw: Program) -> bool:
    return all(row["status"] != "active" for row in kfw.rows().values())


def service_deleted(kfw: Program, place: Place, where: str) -> None:
    place.do(lambda sandbox: sandbox.delete("services", where, "echo"))
    until(lambda: none_is_active(kfw), 10, lambda: str(kfw.rows()))


def selector_changed(kfw: Program, place: Place, where: str) -> None:
    place.apply(echo_service(where, selector={"app": "nothing"}))
    until(lambda: none_is_active(kfw), 10, lambda: str(kfw.rows()))


def port_changed(kfw: Program, place: Place, where: str) -> None:
    place.apply(echo_service(where, ports=[service_port(8, "other")]))
    until(lambda: none_is_active(kfw), 10, lambda: str(kfw.rows()))


def not_ready(kfw: Program, place: Place, where: str) -> None:
    place.annotate_pods(where, ready="false")
    kfw.until_row("tunnel", reason="no-ready-pod")
    time.sleep(A_WHILE)


def slices_deleted(kfw: Program, place: Place, where: str) -> None:
    for one in place.do(lambda sandbox: sandbox.list("endpointslices", where)):
        name = one["metadata"]["name"]
        place.do(lambda sandbox, name=name: sandbox.delete("endpointslices", where, name))  # type: ignore[misc]


def restarted_by_the_user(kfw: Program, place: Place, where: str) -> None:
    before = kfw.status("tunnel")["restarts"]
    kfw("restart")
    until(lambda: kfw.status("tunnel")["restarts"] > before, 10, lambda: str(kfw.rows()))


def restarted_three_times(kfw: Program, place: Place, where: str) -> None:
    for _ in range(3):
        restarted_by_the_user(kfw, place, where)
        until(lambda: not none_is_active(kfw), 10, lambda: str(kfw.rows()))


def reloaded(kfw: Program, place: Place, where: str) -> None:
    kfw("reload")


def retried(kfw: Program, place: Place, where: str) -> None:
    kfw("retry")


CHANGES = (
    service_deleted,
    selector_changed,
    port_changed,
    not_ready,
    slices_deleted,
    restarted_by_the_user,
    restarted_three_times,
    reloaded,
    retried,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_live_connections_go_on(
    kfw: Program, shared: Place, namespace: str, change: Callable[[Program, Place, str], None]
) -> None:
    shared.apply(deployment(namespace, "echo", "kfw/echo", ports=ECHO, replicas=2), echo_service(namespace))
    forwards = entries(namespace)
    kfw.up(forwards)
    with live(forwards) as clients:
        change(kfw, shared, namespace)
        last(clients, A_WHILE)
        shared.annotate_pods(namespace, ready="true")
        shared.apply(echo_service(namespace))
        new_ones_work(forwards)
        last(clients, A_WHILE)
        assert sum(row["lostConnections"] for row in kfw.rows().values()) == 0
    for name in forwards:
        kfw.until_row(name, status="active")
    until(lambda: len(kfw.children("port-forward")) <= 1, 10, lambda: "the old kubectl is gone")
    until(lambda: len(kfw.children("TCP")) <= 2, 10, lambda: f"the old socats are gone: {kfw.processes()}")


def test_pods_that_go_take_only_their_own_connections(kfw: Program, shared: Place, namespace: str) -> None:
    shared.apply(deployment(namespace, "echo", "kfw/echo", ports=ECHO, replicas=3), echo_service(namespace))
    forwards = {name: entry for name, entry in entries(namespace).items() if name == "tunnel"}
    kfw.up(forwards)
    with live(forwards) as clients:
        mine = kfw.ask("/v1/connections")["connections"][0]["endpoint"]
        for name in shared.pods(namespace, "echo"):
            if name != mine:
                shared.do(lambda sandbox, name=name: sandbox.delete("pods", namespace, name))  # type: ignore[misc]
        until(lambda: len(shared.pods(namespace, "echo")) == 3, 10, lambda: "there are others")
        last(clients, A_WHILE)


def test_what_is_live_survives_the_death_of_socats_listener_and_ends_with_the_forward(
    kfw: Program, shared: Place, namespace: str
) -> None:
    shared.apply(deployment(namespace, "echo", "kfw/echo", ports=ECHO), echo_service(namespace))
    forwards = {name: entry for name, entry in entries(namespace).items() if name == "socat"}
    kfw.up(forwards)
    with live(forwards) as clients:
        for _ in range(2):
            before = kfw.status("socat")["pid"]
            kill([before])
            until(lambda before=before: kfw.status("socat")["pid"] not in (None, before), 10, kfw.log)  # type: ignore[misc]
            new_ones_work(forwards)
            last(clients, A_WHILE)
        kfw("down", "socat")
        until(lambda: not kfw.children("TCP"), 5, lambda: "down ends also what drains")
        assert cut(clients)


def test_what_a_killed_daemon_left_draining_is_ended_by_the_next(
    shared: Place, make_kfw: Make, namespace: str
) -> None:
    kfw = make_kfw(shared.kubeconfig)
    shared.apply(deployment(namespace, "echo", "kfw/echo", ports=ECHO), echo_service(namespace))
    forwards = {name: entry for name, entry in entries(namespace).items() if name in ("socat", "kubectl")}
    kfw.up(forwards)
    with live(forwards) as clients:
        restarts = {name: kfw.status(name)["restarts"] for name in forwards}
        kfw("restart")
        for name, before in restarts.items():
            until(lambda name=name, before=before: kfw.status(name)["restarts"] > before, 10, kfw.log)  # type: ignore[misc]
        assert cut(clients) == {}
        old = {pid for pid in kfw.processes() if "TCP" in _line(pid) or "port-forward" in _line(pid)}
        assert len(old) >= 4
        kfw.kill_daemon()
        kfw("start")
        until(lambda: not old & set(kfw.processes()), 10, lambda: str(kfw.processes()))
        new_ones_work(forwards)


@pytest.mark.parametrize("away", AWAY, ids=lambda away: away.__name__)
def test_live_connections_go_on_while_what_kfw_asks_by_is_away(
    own: Place, make_kfw: Make, away: Callable[[Place, Path], Iterator[None]]
) -> None:
    """Those that pass the API server end with it; the others do not notice."""
    own.apply(
        deployment("default", "echo", "kfw/echo", ports=ECHO),
        echo_service("default"),
    )
    file = own.user(USER, "default")
    kfw = make_kfw(file)
    through_api = ("tunnel", "kubectl") if away is the_api else ()
    forwards = {name: entry for name, entry in entries("default").items() if name not in through_api}
    kfw.up(forwards)
    with live(forwards) as clients:
        with away(own, file):  # type: ignore[attr-defined]
            kfw("retry", code=None)
            last(clients, 2 * A_WHILE)
        last(clients, A_WHILE)
        new_ones_work(forwards)
        last(clients, A_WHILE)


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
