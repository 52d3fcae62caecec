"""The platform: what is missing, why helm is not a way, releases in their order, stand-ins instead."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kfw.engine.reachability import Here
from kfw.errors import KfwError, TimedOut
from kfw.quickstart import platform
from kfw.quickstart.bootstrap import Bootstrap
from kfw.quickstart.kind_cluster import BootstrapCluster, manifests
from kfw.quickstart.options import BootstrapOptions, Namespaces, quick_start
from kfw.system import tools
from tests.quickstart.world import Machine

HOST = Here("linux", in_container=False, env={})
DEV = BootstrapCluster(Path("/k"), "kind-dev", "dev")
NAMES = ["amp-console", "amp-api", "amp-traces-observer", "data-prepper", "gateway-external"]
KUBECTL = "kubectl --kubeconfig /k --context kind-dev"


@pytest.fixture
def options(tmp_path: Path) -> BootstrapOptions:
    return BootstrapOptions(cluster_name="dev", folder=tmp_path, config=quick_start() / "kfw.yaml")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A cluster without the services, helm there and its registry answering."""
    monkeypatch.setattr(tools, "find", lambda tool, path=None: f"/bin/{tool}")
    machine = Machine()
    machine.says("kubectl")
    machine.says("helm")
    machine.says("env")
    has_services(machine)
    machine.says("helm list", "[]")
    return machine


def has_services(machine: Machine, *names: tuple[str, str]) -> None:
    items = [{"metadata": {"namespace": namespace, "name": name}} for namespace, name in names]
    machine.says(f"{KUBECTL} get services", json.dumps({"items": items}))


def ensure(machine: Machine, options: BootstrapOptions, *, agree: bool = True, dry: bool = False) -> None:
    steps = machine.steps(agree=agree, dry=dry)
    Bootstrap(steps, options, {}, here=HOST, fetch=_refused).platform(DEV)


def _refused(url: str, seconds: float) -> bytes:
    """The makers' scripts cannot be fetched; that is a warning."""
    raise OSError("no route to host")


def installed(machine: Machine) -> list[str]:
    return [line.split()[3] for line in machine.ran if line.startswith("helm upgrade --install")]


def test_B3_nothing_is_done_when_all_services_are_there(machine: Machine, options: BootstrapOptions) -> None:
    spaces = ["wso2-amp"] * 2 + ["openchoreo-observability-plane"] * 2 + ["openchoreo-data-plane"]
    has_services(machine, *zip(spaces, NAMES, strict=True))
    ensure(machine, options)
    assert machine.said == ["platform: all services are installed"]
    assert len(machine.ran) == 1


def test_the_releases_come_in_their_order(machine: Machine, options: BootstrapOptions) -> None:
    ensure(machine, options)
    planes = ["control-plane", "data-plane", "build-plane", "observability-plane"]
    assert installed(machine) == (
        ["cilium", *planes, "amp", "amp-observability-traces", "build-workflow-extensions"]
    )


def test_B1_minimal_leaves_out_what_the_five_services_do_not_need(
    machine: Machine, options: BootstrapOptions
) -> None:
    ensure(machine, replace(options, minimal=True))
    assert "build-plane" not in installed(machine)
    assert "amp-observability-traces" in installed(machine)


def test_the_agent_platforms_services_are_asked_for_as_node_ports(
    machine: Machine, options: BootstrapOptions
) -> None:
    ensure(machine, replace(options, values=(Path("/mine.yaml"),)))
    (amp,) = [line for line in machine.ran if line.startswith("helm upgrade --install amp ")]
    assert "--set console.service.type=NodePort --set agentManagerService.service.type=NodePort" in amp
    assert "--values /mine.yaml" in amp
    assert amp.endswith("--kubeconfig /k --kube-context kind-dev")


def test_a_cluster_with_kinds_network_gets_no_second_one(machine: Machine, options: BootstrapOptions) -> None:
    machine.says(f"{KUBECTL} get daemonset kindnet", "daemonset.apps/kindnet\n")
    ensure(machine, options)
    assert "cilium" not in installed(machine)
    assert "control-plane" in installed(machine)


def test_other_namespaces_go_into_the_releases(options: BootstrapOptions) -> None:
    spaces = Namespaces(amp="agents", observability="seeing")
    found = {release.name: release for release in platform.platform(replace(options, namespaces=spaces), {})}
    assert found["amp"].namespace == "agents"
    assert found["amp-observability-traces"].namespace == "seeing"
    assert found["data-plane"].patches[0].patch["spec"]["observer"]["url"] == "http://observer.seeing:8080"


# -- why helm is not a way


def test_B1_skipping_asks_helm_nothing(machine: Machine, options: BootstrapOptions) -> None:
    why = platform.why_no_helm(machine.steps(agree=True), replace(options, skip_openchoreo=True), {})
    assert why == "--skip-openchoreo was given"
    assert machine.ran == []


def test_without_helm_the_line_that_installs_it_is_told(
    options: BootstrapOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    why = platform.why_no_helm(Machine().steps(agree=True), options, {})
    assert why is not None
    assert why.startswith("cannot find helm on PATH; ")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (TimedOut("helm did not answer"), "did not answer within 30 s"),
        ("Error: failed to do request: dial tcp: lookup ghcr.io: no such host", "no such host"),
    ],
)
def test_without_network_the_registrys_silence_or_helms_words_are_told(
    machine: Machine, options: BootstrapOptions, said: KfwError | str, words: str
) -> None:
    if isinstance(said, str):
        machine.fails("helm show chart", said)
    else:
        machine.says("helm show chart", said)
    why = platform.why_no_helm(machine.steps(agree=True), options, {})
    assert why is not None
    assert words in why


def test_nobody_gets_the_platform_unasked(machine: Machine, options: BootstrapOptions) -> None:
    assert (
        platform.why_no_helm(machine.steps(agree=False), options, {})
        == "you did not agree to install them (--yes does)"
    )


# -- stand-ins


def test_the_rest_works_with_stand_ins_when_helm_is_no_way(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.fails("helm show chart", "no such host")
    ensure(machine, options)
    assert f"{KUBECTL} apply --filename {options.manifests}" in machine.ran
    waited = [line for line in machine.ran if " rollout status deployment/" in line]
    assert [line.split("deployment/")[1].split()[0] for line in waited] == NAMES
    assert any("take the place of OpenChoreo" in line and "no such host" in line for line in machine.said)


def test_the_stand_ins_are_the_five_services_with_their_ports(options: BootstrapOptions) -> None:
    objects = platform.adapted(manifests(quick_start() / "services.yaml"), options)
    services = [one for one in objects if one["kind"] == "Service"]
    assert {one["spec"]["type"] for one in services} == {"NodePort"}
    assert [(one["metadata"]["name"], one["spec"]["ports"][0]["port"]) for one in services] == (
        list(zip(NAMES, [3000, 8080, 9098, 21893, 443], strict=True))
    )


def test_other_namespaces_and_another_image_go_into_the_stand_ins(options: BootstrapOptions) -> None:
    changed = replace(options, namespaces=Namespaces(amp="agents"), image="mine:1")
    objects = platform.adapted(manifests(quick_start() / "services.yaml"), changed)
    assert "agents" in [one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"]
    apis = [one for one in objects if one["metadata"]["name"] == "amp-api"]
    assert {one["metadata"]["namespace"] for one in apis} == {"agents"}
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    assert {container["image"] for pod in pods for container in pod["containers"]} == {"mine:1"}


def test_stand_ins_that_do_not_come_up_show_their_pods(machine: Machine, options: BootstrapOptions) -> None:
    machine.fails(
        f"{KUBECTL} rollout status deployment/amp-api", "error: timed out waiting for the condition"
    )
    machine.says(f"{KUBECTL} get pods", "amp-api-1 ImagePullBackOff")
    with pytest.raises(
        KfwError, match="the stand-in amp-api does not become ready: error: timed out"
    ) as caught:
        platform.apply(machine.steps(), options, DEV)
    assert machine.said == ["amp-api-1 ImagePullBackOff"]
    assert caught.value.fix == f"{KUBECTL} describe pods --namespace wso2-amp"


def test_what_was_applied_is_deleted_again_but_no_namespace(
    machine: Machine, options: BootstrapOptions
) -> None:
    platform.apply(machine.steps(), options, DEV)
    machine.ran.clear()
    platform.delete(machine.steps(), options, DEV)
    (line,) = machine.ran
    assert line.startswith(f"{KUBECTL} delete --ignore-not-found")
    assert not options.manifests.exists()
    machine.ran.clear()
    platform.delete(machine.steps(), options, DEV)
    assert machine.ran == []
