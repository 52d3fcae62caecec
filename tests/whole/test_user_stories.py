"""The four user stories of seed 004, as their users would tell them; and what the daemon takes meanwhile."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry, Program

Ports = Callable[[int], list[int]]


@pytest.fixture
def shop(shared: Place, namespace: str, ports: Ports) -> dict[str, int]:
    """Three services of an app, by name with their ports."""
    numbers = dict(zip(("web", "api", "cart"), ports(3), strict=True))
    for name, number in numbers.items():
        shared.apply(
            deployment(namespace, name, ports={"http": 8080}, replicas=2),
            service(namespace, name, service_port(number, "http")),
        )
    return numbers


def test_US_1_SM_1_my_services_stay_connected_while_their_pods_come_and_go(
    own_kfw: Program, shared: Place, namespace: str, shop: dict[str, int]
) -> None:
    """I start it once, and code. Pods are replaced all day; I type nothing, and wait 2 s at the most."""
    own_kfw.up({}, profiles={"shop": {"namespaces": [namespace]}})
    for name, number in shop.items():
        before = talk.pod_behind(number)
        shared.do(lambda sandbox, pod=before: sandbox.delete("pods", namespace, pod))
        gone = time.monotonic()
        until(
            lambda number=number, before=before: talk.pod_behind(number) != before, 30, lambda: "another pod"
        )
        assert time.monotonic() - gone < 30
        assert own_kfw.status(name)["status"] == "active"
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 0))
    own_kfw.until_row("web", status="reconnecting")
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "web", 1))
    back = time.monotonic()
    assert talk.pod_behind(shop["web"]).startswith("web-")  # this connection waited for it
    assert time.monotonic() - back < 5
    own_kfw.until_row("web", within=2, status="active")


def test_US_2_I_have_a_profile_for_each_cluster_and_switch_between_them_by_name(
    shared: Place, own: Place, namespace: str, shop: dict[str, int], make_kfw: Make, port: int
) -> None:
    own.apply(
        deployment("default", "web", ports={"http": 8080}),
        service("default", "web", service_port(port, "http")),
    )
    kfw = make_kfw(shared.kubeconfig)
    profiles: dict[str, Any] = {
        "dev": {"namespaces": [namespace], "kubeconfig": str(shared.kubeconfig)},
        "staging": {
            "enabled": False,
            "kubeconfig": str(own.kubeconfig),
            "namespace": "default",
            "portForwards": {"staging-web": {"target": "service/web", "localPort": port}},
        },
    }
    kfw.up({}, profiles=profiles)
    assert {row["status"] for name, row in kfw.rows().items() if row["profile"] == "dev"} == {"active"}
    assert kfw.status("staging-web")["status"] == "disabled"
    kfw("disable", "dev")
    kfw("enable", "staging")
    kfw.until_row("staging-web", status="active")
    assert {row["status"] for row in kfw.rows().values() if row["profile"] == "dev"} == {"disabled"}
    kfw("disable", "staging")
    kfw("enable", "dev")
    for name in shop:
        kfw.until_row(name, status="active")


def test_US_3_I_see_what_state_each_is_in_and_what_happened_to_it(
    own_kfw: Program, shared: Place, namespace: str, shop: dict[str, int]
) -> None:
    own_kfw.up({}, profiles={"shop": {"namespaces": [namespace]}})
    assert all(f"{name} " in own_kfw("status").stdout for name in shop)
    shared.do(lambda sandbox: sandbox.scale("deployments", namespace, "api", 0))
    own_kfw.until_row("api", status="reconnecting")
    shown = own_kfw("status", code=None).stdout
    assert "reconnecting" in shown
    assert " pod" in shown
    assert "api: reconnecting" in own_kfw("logs", "api").stdout
    assert "reconnecting" in own_kfw("events").stdout
    assert own_kfw.status("web")["uptimeSeconds"] > 0


def test_US_4_a_script_brings_one_profile_up_and_down_and_reads_the_result(
    own_kfw: Program, namespace: str, shop: dict[str, int], ports: Ports
) -> None:
    (free,) = ports(1)
    entry: Entry = {"target": "service/web", "namespace": namespace, "localPort": free}
    profiles = {"shop": {"namespaces": [namespace]}, "other": {"portForwards": {"one": entry}}}
    own_kfw.configure({}, profiles=profiles)
    done = own_kfw.json("up", "shop")
    assert {row["name"]: row["status"] for row in done["forwards"]} == dict.fromkeys(shop, "active")
    assert "one" not in own_kfw.rows()
    own_kfw("wait", "shop", "--timeout", "10s")
    assert sorted(own_kfw.json("down", "shop")["stopped"]) == sorted(shop)
    own_kfw("up", "nothing", code=2)
    own_kfw("status", "--json", code=None)


def test_NFR_PERF_01_with_ten_profiles_the_daemon_takes_less_than_50_MB(
    own_kfw: Program, shared: Place, namespace: str, shop: dict[str, int]
) -> None:
    """After a minute as after seconds: what an hour does to it is the soak's."""
    profiles = {
        f"p{number}": {
            "namespaces": [namespace],
            "labels": [f"app={name}"],
            "excludeServices": [f"x{number}-*"],
        }
        for number, name in enumerate([*shop, *["nothing"] * 7])
    }
    own_kfw.up({}, profiles=profiles)
    time.sleep(3)
    assert {row["status"] for row in own_kfw.rows().values()} == {"active"}
    rss = Path(f"/proc/{own_kfw.daemon_pid()}/status").read_text()
    kilobytes = int(next(line for line in rss.splitlines() if line.startswith("VmRSS")).split()[1])
    assert kilobytes < 50 * 1024
