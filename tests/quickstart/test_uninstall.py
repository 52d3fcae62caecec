"""Taking back: only what is ours, harmless twice."""

import json
import os
from pathlib import Path

import pytest

from kfw import paths
from kfw.errors import ClusterUnreachable, ToolMissing
from kfw.methods.forwarder.container import owner
from kfw.quickstart import uninstall as stage
from kfw.quickstart.options import BootstrapOptions, quick_start
from kfw.system import process_identity, tools
from tests.quickstart.world import Machine


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BootstrapOptions:
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "home"))
    folder = tmp_path / "state"
    folder.mkdir()
    return BootstrapOptions(cluster_name="dev", folder=folder, config=quick_start() / "kfw.yaml")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(tools, "find", lambda tool, path=None: f"/bin/{tool}")
    machine = Machine()
    machine.has_engine()
    machine.has_cluster("dev")
    machine.says("helm list", "[]")
    machine.says("docker ps")
    return machine


def uninstall(
    machine: Machine, options: BootstrapOptions, *, keep_cluster: bool = False, dry: bool = False
) -> None:
    stage.uninstall(machine.steps(dry=dry), options, {}, "docker", keep_cluster=keep_cluster)


def test_nothing_up_is_no_error(machine: Machine, options: BootstrapOptions) -> None:
    assert stage.stop(machine.steps(), options) == []
    assert machine.said == ["no forwards were up"]
    assert machine.kfw == []


def test_a_dry_run_says_what_it_would_stop_of_a_daemon_that_was_killed(
    machine: Machine, options: BootstrapOptions
) -> None:
    store = paths.store_file()
    store.parent.mkdir(parents=True)
    ours = str(options.overlay)
    kept = [("amp-api", ours), ("mine", ours), ("amp-console", "/home/joe/kfw.yaml")]
    store.write_text(json.dumps({"forwards": [{"name": name, "source": source} for name, source in kept]}))
    assert stage.stop(machine.steps(dry=True), options) == ["amp-api"]
    assert machine.shown == ["kfw down state/overlay/amp-api"]


def test_B17_a_cluster_that_bootstrap_did_not_make_stays(machine: Machine, options: BootstrapOptions) -> None:
    uninstall(machine, options)
    assert not machine.ran_any("kind delete")
    assert machine.said[-1] == (
        "cluster: dev was not created by kfw, so it stays: kind delete cluster --name dev"
    )


def test_a_cluster_that_it_made_is_deleted_and_its_kubeconfig_with_it(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.says("kind delete cluster")
    options.made.touch()
    options.kubeconfig.touch()
    uninstall(machine, options)
    assert f"kind delete cluster --name dev --kubeconfig {options.kubeconfig}" in machine.ran
    assert not options.folder.exists()


def test_what_bootstrap_wrote_for_itself_goes_and_what_another_cluster_needs_stays(
    machine: Machine, options: BootstrapOptions
) -> None:
    other = options.folder / "made-another"
    for file in (options.overlay, options.new_cluster, options.folder / "register-data-plane.sh", other):
        file.touch()
    uninstall(machine, options)
    assert list(options.folder.iterdir()) == [other]


@pytest.mark.parametrize("made", [True, False])
def test_without_an_engine_the_cluster_that_it_made_is_not_forgotten(
    machine: Machine, options: BootstrapOptions, made: bool
) -> None:
    machine.fails("kind get clusters", "ERROR: failed to list clusters: Cannot connect to the Docker daemon")
    if not made:
        uninstall(machine, options)
        return
    options.made.touch()
    with pytest.raises(ClusterUnreachable, match="Cannot connect to the Docker daemon"):
        uninstall(machine, options)
    assert options.made.exists()


def test_without_kind_the_cluster_that_it_made_is_not_forgotten(
    machine: Machine, options: BootstrapOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(tool: str, path: str | None = None) -> str:
        raise ToolMissing(f"cannot find {tool} on PATH", f"brew install {tool}")

    monkeypatch.setattr(tools, "find", find)
    uninstall(machine, options)
    options.folder.mkdir()
    options.made.touch()
    with pytest.raises(ToolMissing, match="cannot find kind"):
        uninstall(machine, options)
    assert options.made.exists()


def test_keep_cluster_takes_only_the_releases_that_are_ours_the_last_one_first(
    machine: Machine, options: BootstrapOptions
) -> None:
    there = [
        {
            "name": "amp",
            "namespace": "wso2-amp",
            "status": "deployed",
            "chart": "wso2-ai-agent-management-platform-1",
        },
        {"name": "cilium", "namespace": "cilium", "status": "deployed", "chart": "cilium-0.3.2"},
        {
            "name": "control-plane",
            "namespace": "openchoreo-control-plane",
            "status": "deployed",
            "chart": "other-1",
        },
        {"name": "mine", "namespace": "wso2-amp", "status": "deployed", "chart": "mine-1"},
    ]
    machine.says("helm list", json.dumps(there))
    machine.says("helm uninstall")
    options.made.touch()
    options.kubeconfig.touch()
    uninstall(machine, options, keep_cluster=True)
    assert [line.split()[2] for line in machine.ran if line.startswith("helm uninstall")] == ["amp", "cilium"]
    assert not machine.ran_any("kind delete")
    assert options.made.exists()


def test_twice_is_harmless(machine: Machine, options: BootstrapOptions) -> None:
    machine.says("kind get clusters", "dev-2\n")
    options.made.touch()
    uninstall(machine, options)
    uninstall(machine, options)
    assert not machine.ran_any("kind delete")
    assert not options.made.exists()


def test_a_dry_run_deletes_nothing(machine: Machine, options: BootstrapOptions) -> None:
    options.made.touch()
    uninstall(machine, options, dry=True)
    assert options.made.exists()
    assert any(line.startswith("kind delete cluster --name dev") for line in machine.shown)
    assert machine.said[-1] == "cluster: the kind cluster dev would be deleted"
    assert not machine.ran_any("kind delete")


def test_B17_containers_of_ours_that_nobody_ended_go_those_of_a_running_kfw_stay(
    machine: Machine, options: BootstrapOptions
) -> None:
    me = process_identity.look(os.getpid())
    assert me
    told = [
        {"Id": "dead", "Config": {"Labels": {"io.kfw.process": "99999999:gone"}}},
        {"Id": "live", "Config": {"Labels": {"io.kfw.process": f"{me.pid}:{me.start}"}}},
    ]
    machine.says("docker ps --all --quiet --no-trunc --filter label=io.kfw.owner=" + owner(), "dead\nlive\n")
    machine.says("docker inspect --type container dead live", json.dumps(told))
    machine.says("docker rm")
    uninstall(machine, options)
    assert [line for line in machine.ran if line.startswith("docker rm")] == [
        "docker rm --force --volumes dead"
    ]


def test_the_sandbox_ends_if_bootstrap_has_started_it(machine: Machine, options: BootstrapOptions) -> None:
    machine.says("kind get clusters", "")
    uninstall(machine, options)
    assert machine.kfw == []
    options.folder.mkdir()
    options.made_sandbox.touch()
    uninstall(machine, options)
    uninstall(machine, options)
    assert machine.kfw == ["sandbox stop"]
    assert not options.folder.exists()
