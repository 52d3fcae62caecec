"""Profiles that select services by namespace and label: what comes, changes and goes in the cluster is followed."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import namespace as namespace_object
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.stopwatch import Stopwatch
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program

Ports = Callable[[int], list[int]]


@pytest.fixture
def put(shared: Place, namespace: str) -> Callable[..., None]:
    """`put("web", 24001)`: a deployment and its service with that port."""

    def one(name: str, number: int, where: str = namespace) -> None:
        shared.apply(
            deployment(where, name, ports={"http": 8080}),
            service(where, name, service_port(number, "http")),
        )

    return one


def profile(namespace: str, **more: Any) -> dict[str, Any]:
    return {"dev": {"namespaces": [namespace], **more}}


def test_FR_CFG_03_what_a_profile_selects_is_up_and_carries(
    own_kfw: Program, namespace: str, put: Callable[..., None], ports: Ports
) -> None:
    one, two, three = ports(3)
    put("web", one)
    put("api", two)
    put("legacy-db", three)
    own_kfw.up({}, profiles=profile(namespace, excludeServices=["legacy-*"]))
    rows = own_kfw.rows()
    assert {name: (row["status"], row["localPort"]) for name, row in rows.items()} == {
        "web": ("active", one),
        "api": ("active", two),
    }
    assert all(row["profile"] == "dev" and row["method"] == "tunnel" for row in rows.values())
    assert talk.pod_behind(one).startswith("web-")
    assert rows["web"]["url"] == f"http://localhost:{one}"


def test_a_service_that_comes_is_active_within_a_second_and_one_that_goes_is_gone(
    own_kfw: Program, namespace: str, put: Callable[..., None], ports: Ports, shared: Place
) -> None:
    one, two = ports(2)
    put("web", one)
    put("late", two)
    shared.do(lambda sandbox: sandbox.delete("services", namespace, "late"))
    own_kfw.up({}, profiles=profile(namespace))
    assert list(own_kfw.rows()) == ["web"]
    watch = Stopwatch(os.getpid(), own_kfw.daemon_pid(), shared.thread_id)
    put("late", two)  # its pods run already
    own_kfw.until_row("late", status="active", localPort=two)
    assert watch.seconds() < 1
    pid = own_kfw.status("web")["since"]
    shared.do(lambda sandbox: sandbox.delete("services", namespace, "late"))
    until(lambda: list(own_kfw.rows()) == ["web"], 2, lambda: f"only web is left of {list(own_kfw.rows())}")
    assert own_kfw.status("web")["since"] == pid
    told = [event["message"] for event in own_kfw.ask("/v1/events") if event["type"] == "reload"]
    assert told[-2:] == ["started: late", "stopped: late"]


def test_a_port_once_given_stays_with_its_service_and_a_second_of_the_same_number_gets_another(
    own_kfw: Program, namespace: str, put: Callable[..., None], port: int, shared: Place
) -> None:
    put("b", port)
    own_kfw.up({}, profiles=profile(namespace))
    put("a", port)
    other = own_kfw.until_row("a", status="active")["localPort"]
    assert own_kfw.status("b")["localPort"] == port
    assert other not in (0, port)
    shared.do(lambda sandbox: sandbox.delete("services", namespace, "b"))
    until(lambda: "b" not in own_kfw.rows(), 2, lambda: "b is gone")
    own_kfw("stop")
    own_kfw("start")
    put("b", port)
    own_kfw.until_row("b", status="active", localPort=port)
    own_kfw.until_row("a", status="active", localPort=other)


def test_what_is_down_stays_down_whatever_comes_and_a_name_or_the_profile_brings_it_back(
    own_kfw: Program, namespace: str, put: Callable[..., None], ports: Ports
) -> None:
    one, two = ports(2)
    put("web", one)
    own_kfw.up({}, profiles=profile(namespace))
    own_kfw("down", "web")
    put("api", two)
    own_kfw.until_row("api", status="active")
    assert own_kfw.status("web").get("status") in (None, "stopped")
    own_kfw("up", "web")
    assert own_kfw.status("web")["status"] == "active"
    own_kfw("disable", "web")
    own_kfw("up")
    assert own_kfw.status("web")["status"] == "disabled"
    own_kfw("enable", "web")
    own_kfw.until_row("web", status="active")
    said = own_kfw("up", "web", "--method", "kubectl", code=2).stderr
    assert "name the profile in place of the forward" in said


def test_a_namespace_that_is_made_later_is_waited_for_and_that_is_said(
    own_kfw: Program, put: Callable[..., None], port: int, shared: Place
) -> None:
    own_kfw.up({}, profiles=profile("made-later"), code=None)
    assert any("made-later" in said for said in own_kfw.daemon()["warnings"])
    shared.do(lambda sandbox: sandbox.apply(namespace_object("made-later")))
    try:
        put("web", port, "made-later")
        own_kfw.until_row("web", within=20, status="active")
        until(
            lambda: own_kfw.daemon()["warnings"] == [], 5, lambda: f"none of {own_kfw.daemon()['warnings']}"
        )
    finally:
        shared.do(lambda sandbox: sandbox.delete("namespaces", "", "made-later"))


def test_labels_select_and_two_namespaces_of_one_profile_do_not_mix_up_names(
    own_kfw: Program, namespace: str, put: Callable[..., None], ports: Ports, shared: Place
) -> None:
    numbers = ports(4)
    other = f"{namespace}-b"
    shared.do(lambda sandbox: sandbox.apply(namespace_object(other)))
    try:
        put("web", numbers[0])
        put("web", numbers[1], other)
        put("api", numbers[2])
        own_kfw.up({}, profiles={"dev": {"namespaces": [namespace, other], "labels": ["app=web"]}})
        rows = own_kfw.rows()
        assert {name: row["localPort"] for name, row in rows.items()} == {
            "web": numbers[0],
            f"web.{other}": numbers[1],
        }
        assert {row["status"] for row in rows.values()} == {"active"}
    finally:
        shared.do(lambda sandbox: sandbox.delete("namespaces", "", other))


def test_reload_with_a_changed_profile_touches_only_what_differs(
    own_kfw: Program, namespace: str, put: Callable[..., None], ports: Ports
) -> None:
    one, two = ports(2)
    put("web", one)
    put("api", two)
    own_kfw.up({}, profiles=profile(namespace))
    before = own_kfw.status("web")["since"]
    own_kfw.configure({}, profiles=profile(namespace, excludeServices=["api"]))
    until(lambda: list(own_kfw.rows()) == ["web"], 5, lambda: f"only web is left of {list(own_kfw.rows())}")
    assert own_kfw.status("web")["since"] == before


def test_of_three_namespaces_the_one_that_may_be_listed_is_up_and_the_others_are_told(
    shared: Place, make_kfw: Make, namespace: str, put: Callable[..., None], port: int
) -> None:
    put("web", port)
    kfw = make_kfw(shared.user(f"only-{namespace}", namespace))
    kfw.up({}, profiles={"dev": {"namespaces": [namespace, "kube-system", "default"]}}, code=None)
    kfw.until_row("web", status="active")
    until(lambda: len(kfw.daemon()["warnings"]) == 2, 5, lambda: f"two of {kfw.daemon()['warnings']}")
    for said, where in zip(sorted(kfw.daemon()["warnings"]), ("default", "kube-system"), strict=True):
        assert said.startswith("profile dev: ")
        assert 'cannot list resource "services"' in said
        assert f'in the namespace "{where}"' in said


def test_two_hundred_services_are_two_hundred_forwards_and_one_event(
    own_kfw: Program, shared: Place, namespace: str
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        *(
            service(namespace, f"s{number:03}", service_port(80, "http"), selector={"app": "web"})
            for number in range(200)
        ),
    )
    own_kfw.up({}, "--timeout", "50s", profiles=profile(namespace), code=None)
    rows = own_kfw.rows()
    assert len(rows) == 200
    busy = [
        name for name, row in rows.items() if row["reason"] == "port-in-use"
    ]  # other programs of this machine
    assert len(busy) < 5
    assert {row["status"] for name, row in rows.items() if name not in busy} == {"active"}
    assert len({row["localPort"] for row in rows.values()}) == 200
    told = [event["message"] for event in own_kfw.ask("/v1/events") if event["type"] == "reload"]
    assert told == ["started: 200 (s000, s001, s002, s003, s004, ...)"]


def test_after_the_daemon_was_replaced_profiles_and_files_are_followed_and_the_word_of_the_user_is_kept(
    own_kfw: Program, namespace: str, put: Callable[..., None], ports: Ports
) -> None:
    one, two, other = ports(3)
    put("web", one)
    own_kfw.up({}, profiles=profile(namespace))
    own_kfw("restart", "--daemon")
    put("late", two)
    own_kfw.until_row("late", status="active", localPort=two)
    entry = {"target": "service/web", "targetPort": "http", "localPort": other, "namespace": namespace}
    own_kfw.configure({"more": entry}, profiles=profile(namespace))
    own_kfw.until_row("more", status="active", localPort=other)
    own_kfw("down", "web")
    os.kill(own_kfw.daemon_pid(), signal.SIGKILL)
    own_kfw("start")
    own_kfw.until_row("late", status="active")
    assert own_kfw.rows().get("web", {"status": "stopped"})["status"] == "stopped"
