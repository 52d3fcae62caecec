"""The four user stories of seed 004 on the rig; with a sandbox and in more detail: tests/whole/test_user_stories.py."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.real import app, talk
from tests.real.rig import Rig
from tests.real.running import until
from tests.whole.program import Entry, Program

NAMES = ("web", "api", "cart")


@pytest.fixture(scope="module")
def shop(rig: Rig) -> Iterator[str]:
    """A namespace of an app with three services of two pods each."""
    name = f"kfw-story-{os.getpid()}"
    rig.kubectl("create", "namespace", name)
    try:
        apply_shop(rig, name)
        yield name
    finally:
        rig.kubectl("delete", "namespace", name, "--wait=false")


def apply_shop(rig: Rig, namespace: str) -> None:
    numbers = dict(zip(NAMES, talk.free_ports(len(NAMES)), strict=True))
    services = [app.service(name, app.port(number, "http", "http")) for name, number in numbers.items()]
    workloads = [app.workload("Deployment", name, replicas=2) for name in NAMES]
    rig.kubectl("-n", namespace, "apply", "-f", "-", stdin=app.together(*services, *workloads))
    for name in NAMES:
        rig.kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=60s")


def selecting(namespace: str) -> dict[str, object]:
    return {"namespaces": [namespace]}


def port_of(kfw: Program, name: str) -> int:
    return int(kfw.status(name)["localPort"])


def scale(rig: Rig, namespace: str, name: str, replicas: int) -> None:
    rig.kubectl("-n", namespace, "scale", f"deployment/{name}", f"--replicas={replicas}")


def test_US_1_SM_1_my_services_stay_connected_while_their_pods_come_and_go(
    cli: Program, rig: Rig, shop: str
) -> None:
    cli.up({}, profiles={"shop": selecting(shop)})
    for name in NAMES:
        port = port_of(cli, name)
        before = talk.pod_behind(port)
        rig.kubectl("-n", shop, "delete", "pod", before, "--wait=false")
        until(lambda port=port, before=before: talk.pod_behind(port) != before, 30, cli.log)  # type: ignore[misc]
        assert cli.status(name)["status"] == "active"
    scale(rig, shop, "web", 0)
    cli.until_row("web", status="reconnecting")
    scale(rig, shop, "web", 2)
    began = time.monotonic()
    assert talk.pod_behind(port_of(cli, "web")).startswith("web-")  # this connection waited for it
    assert time.monotonic() - began < 30
    cli.until_row("web", status="active")


def test_US_2_I_have_a_profile_for_each_cluster_and_switch_between_them_by_name(
    cli: Program, own_cluster: Rig, shop: str
) -> None:
    there = "kfw-story"
    own_cluster.kubectl("create", "namespace", there)
    apply_shop(own_cluster, there)
    staging = {"enabled": False, "kubeconfig": str(own_cluster.kubeconfig), "namespace": there}
    entry: Entry = {"target": "service/web", "localPort": talk.free_ports(1)[0]}
    cli.up(
        {}, profiles={"dev": selecting(shop), "staging": {**staging, "portForwards": {"staging-web": entry}}}
    )
    assert statuses(cli, "dev") == {"active"} and statuses(cli, "staging") == {"disabled"}
    cli("disable", "dev")
    cli("enable", "staging")
    cli.until_row("staging-web", status="active")
    pods = own_cluster.kubectl("-n", there, "get", "pods", "-o", "name").split()
    assert f"pod/{talk.pod_behind(entry['localPort'])}" in pods
    assert statuses(cli, "dev") == {"disabled"}
    cli("disable", "staging")
    cli("enable", "dev")
    for name in NAMES:
        cli.until_row(name, status="active")


def statuses(kfw: Program, profile: str) -> set[str]:
    return {row["status"] for row in kfw.rows().values() if row["profile"] == profile}


def test_US_3_I_see_what_state_each_is_in_and_what_happened_to_it(cli: Program, rig: Rig, shop: str) -> None:
    cli.up({}, profiles={"shop": selecting(shop)})
    scale(rig, shop, "api", 0)
    try:
        cli.until_row("api", status="reconnecting")
        assert "reconnecting" in cli("status", code=None).stdout
        assert "api: reconnecting" in cli("logs", "api").stdout
        assert "reconnecting" in cli("events").stdout
        assert cli.status("web")["uptimeSeconds"] > 0
    finally:
        scale(rig, shop, "api", 2)
    cli.until_row("api", status="active")


def test_US_4_a_script_brings_one_profile_up_and_down_and_reads_the_result(cli: Program, shop: str) -> None:
    entry: Entry = {"target": "service/web", "namespace": shop, "localPort": talk.free_ports(1)[0]}
    cli.configure({}, profiles={"shop": selecting(shop), "other": {"portForwards": {"one": entry}}})
    done = cli.json("up", "shop")
    assert {row["name"]: row["status"] for row in done["forwards"]} == dict.fromkeys(NAMES, "active")
    assert "one" not in cli.rows()
    cli("wait", "shop", "--timeout", "10s")
    assert sorted(cli.json("down", "shop")["stopped"]) == sorted(NAMES)
    cli("up", "nothing", code=2)
