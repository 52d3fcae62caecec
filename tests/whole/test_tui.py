"""kfw tui over the real daemon and a cluster: a forward is added, carries, is stopped, started and removed, by keys."""

import socket
import time
from collections.abc import Callable

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.tui.tmux import KFW, terminal
from tests.whole.place import Place
from tests.whole.program import Program

pytestmark = pytest.mark.sandbox


def read_bytes(client: socket.socket, count: int) -> None:
    """As many, of the app."""
    client.sendall(f"GET /bytes?n={count} HTTP/1.1\r\nHost: web\r\n\r\n".encode())
    with client.makefile("rb") as answer:
        while answer.readline().strip():
            pass
        assert len(answer.read(count)) == count


def test_K26_a_forward_lives_its_life_in_the_terminal_app(
    kfw: Program, shared: Place, namespace: str, ports: Callable[[int], list[int]]
) -> None:
    [port] = ports(1)
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http", 8080)),
    )
    env = {name: value for name, value in kfw.env.items() if name.startswith(("KFW_", "KUBECONFIG"))}
    with terminal(kfw.home, size=(130, 40), **env) as shown:
        shown.type(f"cd {kfw.project}; {KFW} tui")
        shown.wait_for("nothing is forwarded", "? help")
        shown.keys("a")
        shown.wait_for("Add a forward")
        for text in ("svc/web", f"{port}:http", "", namespace):
            shown.keys("-l", text)
            shown.wait_for(text)
            shown.keys("Tab")
            time.sleep(0.5)  # the focus cannot be seen, and what is typed in one go is for one field
        shown.wait_for("service/web has: 80 (http)", f"web: http of service/web on localhost:{port}")
        shown.keys("Enter")
        shown.wait_for("● active", f"localhost:{port}", f"{namespace}/service/web:http")
        with socket.create_connection(("127.0.0.1", port)) as client:
            shown.wait_for("1 connection")
            while "B/s" not in shown.screen():
                read_bytes(client, 500_000)
            shown.keys("2")
            shown.wait_for("FIRST BYTE", "sandbox-")
        shown.keys("Escape")
        shown.wait_without("FIRST BYTE")
        shown.keys("d")
        shown.wait_for("· stopped")
        shown.keys("e")
        shown.wait_for("● active")
        shown.keys("x")
        shown.wait_for("Remove web?")
        shown.keys("y")
        shown.wait_for("nothing is forwarded")
        assert "web" not in kfw.rows()
        shown.keys("q")
        shown.wait_without("nothing is forwarded")


def test_L11_who_may_look_only_is_offered_services_in_the_dialog_and_told_that_pods_are_closed(
    kfw: Program, shared: Place, namespace: str
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http", 8080)),
    )
    looker = shared.do(lambda sandbox: sandbox.add_user("looker", namespace, verbs=["get", "list", "watch"]))
    for kubeconfig, said in (
        (kfw.kubeconfig, f"in {namespace}: service/web, deployment/web, pod/web-"),
        (looker, f"in {namespace}: service/web; you may not forward to pods there"),
    ):
        with terminal(kfw.home, size=(130, 40), KFW_HOME=str(kfw.home), KUBECONFIG=str(kubeconfig)) as shown:
            shown.type(f"cd {kfw.project}; {KFW} tui")
            shown.wait_for("nothing is forwarded", "? help")
            shown.keys("a")
            shown.wait_for("Add a forward")
            for key in ("Tab", "Tab", "Tab"):
                shown.keys(key)
            shown.keys("-l", namespace)
            shown.wait_for(said)
            shown.keys("Escape")
            shown.wait_without("Add a forward")
            shown.keys("q")
