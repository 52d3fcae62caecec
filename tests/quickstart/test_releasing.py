"""One release: installed, upgraded, left alone, taken back, waited for, patched; and what is shown when it fails."""

from pathlib import Path

import pytest

from kfw.errors import KfwError
from kfw.quickstart import releases, releasing
from kfw.quickstart.kind_cluster import BootstrapCluster
from kfw.quickstart.releases import Installed, Patch, Release, Wait
from tests.quickstart.world import Machine

DEV = BootstrapCluster(Path("/k"), "kind-dev", "dev")
KUBECTL = "kubectl --kubeconfig /k --context kind-dev"
HELM = "--kubeconfig /k --kube-context kind-dev"
AMP = Release("amp", "wso2-amp", "oci://x/amp-chart", "1.2.3", timeout=1800, wait=True)


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.says("helm")
    machine.says("kubectl")
    return machine


def ensure(machine: Machine, release: Release, found: Installed | None = None) -> None:
    releasing.ensure(machine.steps(), release, DEV, found, fetch=lambda url, seconds: b"echo registered")


def test_a_release_is_installed_or_upgraded_by_one_line(machine: Machine) -> None:
    ensure(machine, AMP)
    assert machine.ran == [
        "helm upgrade --install amp oci://x/amp-chart --version 1.2.3 --namespace wso2-amp --create-namespace "
        f"--timeout 1800s --wait {HELM}"
    ]


def test_B3_one_that_is_deployed_in_its_version_is_left_alone(machine: Machine) -> None:
    ensure(machine, AMP, Installed("deployed", "amp-chart-1.2.3"))
    assert machine.ran == []


@pytest.mark.parametrize(
    "found", [Installed("deployed", "amp-chart-1.2.2"), Installed("failed", "amp-chart-1.2.3")]
)
def test_another_version_or_a_failed_one_is_upgraded(machine: Machine, found: Installed) -> None:
    ensure(machine, AMP, found)
    assert machine.ran[0].startswith("helm upgrade --install amp")


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("pending-install", f"helm uninstall amp --namespace wso2-amp {HELM}"),
        ("pending-upgrade", f"helm rollback amp --namespace wso2-amp {HELM}"),
    ],
)
def test_one_whose_helm_was_killed_is_taken_back_first(machine: Machine, status: str, line: str) -> None:
    ensure(machine, AMP, Installed(status, "amp-chart-1.2.3"))
    assert machine.ran[0] == line
    assert machine.ran[1].startswith("helm upgrade --install amp")


def test_when_it_fails_helms_last_lines_the_release_its_pods_and_events_are_shown(machine: Machine) -> None:
    machine.fails(
        "helm upgrade", "\n".join(f"line {n}" for n in range(60)) + "\nError: context deadline exceeded"
    )
    machine.says("helm status", "STATUS: failed")
    machine.says(f"{KUBECTL} get pods", "amp-api-1 CrashLoopBackOff")
    machine.says(f"{KUBECTL} get events", "\n".join(f"event {n}" for n in range(30)))
    with pytest.raises(KfwError, match="amp is not installed: Error: context deadline exceeded") as caught:
        ensure(machine, AMP)
    shown = "\n".join(machine.said)
    assert "line 59" in shown and "line 9\n" not in shown  # the last 50
    assert "STATUS: failed" in shown and "amp-api-1 CrashLoopBackOff" in shown
    assert "event 29" in shown and "event 9\n" not in shown  # the last 20
    assert caught.value.fix.startswith("helm upgrade --install amp")


def test_a_condition_that_does_not_come_true_is_a_failure(machine: Machine) -> None:
    release = Release(
        "amp", "ns", "c/amp", "1", until=(Wait(rollout="statefulset/amp-postgresql", timeout=600),)
    )
    machine.fails(f"{KUBECTL} rollout status", "error: timed out waiting for the condition")
    with pytest.raises(KfwError, match="timed out waiting") as caught:
        ensure(machine, release)
    assert (
        caught.value.fix
        == f"{KUBECTL} rollout status statefulset/amp-postgresql --namespace ns --timeout=600s"
    )


def test_an_optional_one_is_a_warning(machine: Machine) -> None:
    release = Release("cp", "ns", "c/cp", "1", until=(Wait(pods="", timeout=600, optional=True),))
    machine.fails(f"{KUBECTL} wait", "error: timed out")
    ensure(machine, release)
    assert machine.said[-1] == "platform: cp is not completely ready yet: error: timed out"


def test_pods_of_jobs_that_are_done_are_not_waited_for() -> None:
    line = releases.until(Wait(pods=""), "ns", DEV)
    assert "--field-selector=status.phase!=Succeeded,status.phase!=Failed" in line
    assert "--for=condition=Ready" in line
    assert "--selector" in releases.until(Wait(pods="k8s-app=cilium"), "ns", DEV)


def test_a_plane_is_registered_with_our_kubeconfig_and_never_the_current_context(
    machine: Machine, tmp_path: Path
) -> None:
    machine.says("env")
    there = BootstrapCluster(tmp_path / "kubeconfig", "kind-dev", "dev")
    release = Release("dp", "ns", "c/dp", "1", register="https://x/register.sh")
    releasing.ensure(machine.steps(), release, there, None, fetch=lambda url, seconds: url.encode())
    script = tmp_path / "register-dp.sh"
    assert machine.ran[-1] == f"env KUBECONFIG={there.kubeconfig} bash {script}"
    assert script.read_text() == "https://x/register.sh"


def test_a_registration_that_fails_is_a_warning(machine: Machine, tmp_path: Path) -> None:
    def refused(url: str, seconds: float) -> bytes:
        raise OSError("no route to host")

    there = BootstrapCluster(tmp_path / "kubeconfig", "kind-dev", "dev")
    release = Release("dp", "ns", "c/dp", "1", register="https://x")
    releasing.ensure(machine.steps(), release, there, None, fetch=refused)
    assert machine.said[-1] == "platform: dp is not registered: no route to host"


CORS = Patch("apiclass", "cors", "default", "json", [{"op": "add"}], unless="http://localhost:3000")


@pytest.mark.parametrize(
    ("there", "patched"), [("{}", True), ('{"origins": ["http://localhost:3000"]}', False)]
)
def test_a_patch_is_applied_once(machine: Machine, there: str, patched: bool) -> None:
    machine.says(f"{KUBECTL} get apiclass cors", there)
    ensure(machine, Release("amp", "ns", "c/amp", "1", patches=(CORS,)))
    assert machine.ran_any(f"{KUBECTL} patch apiclass cors") is patched


def test_what_cannot_be_patched_is_a_warning(machine: Machine) -> None:
    machine.fails(f"{KUBECTL} get apiclass", "Error from server (NotFound): apiclass not found")
    ensure(machine, Release("amp", "ns", "c/amp", "1", patches=(CORS,)))
    assert "does not exist, so it is not patched" in machine.said[-1]
    machine.says(f"{KUBECTL} get apiclass", "{}")
    machine.fails(f"{KUBECTL} patch", "forbidden")
    ensure(machine, Release("amp", "ns", "c/amp", "1", patches=(CORS,)))
    assert machine.said[-1] == "platform: apiclass/cors is not patched: forbidden"


def test_helms_list_is_read_by_namespace_and_name() -> None:
    out = '[{"name": "amp", "namespace": "wso2-amp", "status": "deployed", "chart": "amp-chart-1.2.3"}]'
    assert releases.installed(out) == {("wso2-amp", "amp"): Installed("deployed", "amp-chart-1.2.3")}
    assert releases.installed("Error: x") == {}
