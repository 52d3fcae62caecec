"""quick-start/install-helpers.sh, sourced by a POSIX shell and by bash, with stubs for kubectl, helm and kfw."""

import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.scripts.conftest import ROOT, Machine

Call = Callable[..., subprocess.CompletedProcess[str]]
HELPERS = ROOT / "quick-start/install-helpers.sh"
#: What the stub of kubectl has: services of two node ports, of one, and of none.
KUBECTL = """
[ "$KUBECONFIG" = /kfw/kubeconfig ] || { echo "asked of $KUBECONFIG" >&2; exit 9; }
case $* in
*"service two "*"name=='http'"*) echo 30300 ;;
*"service two "*"port==9090"*) echo 30301 ;;
*"service two "*"[*]"*) echo 30300 30301 ;;
*"service one "*"[*]"*) echo 30400 ;;
*.spec.type*) echo ClusterIP ;;
*"service "*) ;;
*"deployment/good "* | "wait pod --all "*) echo "rolled out" ;;
*"deployment/bad "* | "wait pod --selector"*) echo "error: timed out waiting" >&2; exit 1 ;;
"get pods"*) echo "a-pod 0/1 ImagePullBackOff" ;;
"get events"*) echo "Failed to pull" ;;
esac
"""


@pytest.fixture(params=["bash", "dash"])
def call(machine: Machine, request: pytest.FixtureRequest) -> Call:
    """`call("node_port two shop")` in a shell that has sourced the functions."""
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(f"there is no {request.param} here")
    machine.has("tail")
    machine.installed('case $* in "bootstrap kind "*) echo /kfw/kubeconfig ;; esac')
    machine.stub("kubectl", KUBECTL)

    def run(line: str, **env: str) -> subprocess.CompletedProcess[str]:
        own = {"PATH": str(machine.bin), "VENV": str(machine.venv), "QUICK_START": str(HELPERS.parent)}
        return subprocess.run(
            [shell, "-c", f". {HELPERS}; {line}"],
            env={**own, **env},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    return run


def test_B23_a_node_port_is_all_that_is_on_stdout(call: Call) -> None:
    done = call('port=$(node_port one shop) && echo "<$port>"')
    assert done.stdout == "<30400>\n"


@pytest.mark.parametrize(("port", "node_port"), [("http", "30300"), ("9090", "30301")])
def test_B11_of_several_ports_the_one_that_is_named_is_taken(call: Call, port: str, node_port: str) -> None:
    assert call(f"node_port two shop {port}").stdout == f"{node_port}\n"


def test_B11_of_several_ports_none_is_guessed(call: Call) -> None:
    done = call("node_port two shop")
    assert (done.returncode, done.stdout) == (1, "")
    assert "service/two in shop has several ports, name one of them" in done.stderr


def test_B10_a_service_without_a_node_port_is_an_error_with_its_type(call: Call) -> None:
    done = call("node_port none shop")
    assert (done.returncode, done.stdout) == (1, "")
    assert "service/none in shop has no node port; it is of the type ClusterIP" in done.stderr


def test_a_wait_that_came_true_is_0_and_its_words_are_on_stderr(call: Call) -> None:
    done = call("wait_for_deployment good shop && wait_for_pods shop")
    assert (done.returncode, done.stdout) == (0, "")
    assert "rolled out" in done.stderr


@pytest.mark.parametrize("line", ["wait_for_deployment bad shop 1s", "wait_for_pods shop 1s app=bad"])
def test_a_wait_that_ran_out_is_1_and_shows_pods_and_events(call: Call, line: str) -> None:
    done = call(line)
    assert (done.returncode, done.stdout) == (1, "")
    assert "timed out waiting" in done.stderr
    assert "ImagePullBackOff" in done.stderr and "Failed to pull" in done.stderr


def test_pods_that_have_ended_are_not_waited_for(call: Call, machine: Machine) -> None:
    call("wait_for_pods shop")
    waited = next(call for call in machine.calls() if call.startswith("kubectl wait"))
    assert "--field-selector status.phase!=Succeeded,status.phase!=Failed" in waited


def test_a_release_is_the_work_of_kfw_whose_exit_code_it_has(call: Call, machine: Machine) -> None:
    machine.installed("exit 3")
    assert call("helm_install_or_upgrade shop oci://charts/shop 1.2.3 space --wait").returncode == 3
    options = "--chart oci://charts/shop --version 1.2.3 --namespace space --wait"
    assert machine.calls() == [f"kfw bootstrap release shop {options}"]


def test_B5_the_users_kubeconfig_is_not_asked(call: Call) -> None:
    assert call("node_port one shop", KUBECONFIG="/theirs").stdout == "30400\n"


def test_without_a_cluster_the_words_are_kfws(call: Call, machine: Machine) -> None:
    machine.installed("echo 'kfw: the kind cluster x does not exist' >&2; exit 4")
    done = call("wait_for_deployment good shop")
    assert done.returncode == 4
    assert "the kind cluster x does not exist" in done.stderr
    assert not [call for call in machine.calls() if call.startswith("kubectl")]


def test_setting_up_the_ports_is_port_forward_in_the_background(call: Call, machine: Machine) -> None:
    assert call("setup_amp_port_forwarding --verbose", CLUSTER_NAME="mine").returncode == 0
    assert machine.calls() == ["kfw bootstrap all --skip-kind --skip-openchoreo --no-services --verbose"]
