"""The kind cluster: exact names, stopped nodes, a new one, its configuration, its API."""

import json
from pathlib import Path

import pytest

from kfw.engine.reachability import Here
from kfw.errors import ClusterUnreachable, KfwError, UsageError
from kfw.quickstart import engine_checks, kind_cluster
from kfw.quickstart.bootstrap import Bootstrap
from kfw.quickstart.kind_cluster import BootstrapCluster
from kfw.quickstart.options import BootstrapOptions, Where
from tests.quickstart.world import DESKTOP, LINUX, Machine

HOST = Here("linux", in_container=False, env={})

KIND = "kind: Cluster\nnodes:\n- role: control-plane\n- role: worker\n"
SERVICES = """
kind: Service
metadata: {name: api, namespace: wso2-amp}
spec: {ports: [{port: 80, nodePort: 30808}]}
---
kind: Service
metadata: {name: web, namespace: wso2-amp}
spec: {ports: [{port: 80}]}
"""


@pytest.fixture
def options(tmp_path: Path) -> BootstrapOptions:
    (tmp_path / "kind.yaml").write_text(KIND)
    (tmp_path / "services.yaml").write_text(SERVICES)
    return BootstrapOptions(
        where=Where.KIND,
        cluster_name="dev",
        folder=tmp_path / "state",
        kind_config=tmp_path / "kind.yaml",
        services=tmp_path / "services.yaml",
    )


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.has_engine()
    machine.says("kind get clusters")
    machine.says("kind create cluster")
    return machine


def ensure(machine: Machine, options: BootstrapOptions, *, no_network: bool = False) -> None:
    kind_cluster.ensure(machine.steps(), options, HOST, "docker", lambda: no_network)


def test_B4_a_longer_name_is_another_cluster(machine: Machine, options: BootstrapOptions) -> None:
    machine.says("kind get clusters", "dev-2\nmy-dev\n")
    ensure(machine, options)
    assert machine.ran_any("kind create cluster --name dev --config")


def test_a_new_cluster_is_written_into_our_own_kubeconfig(
    machine: Machine, options: BootstrapOptions
) -> None:
    ensure(machine, options)
    line = f"kind create cluster --name dev --config {options.kind_config} --kubeconfig {options.kubeconfig}"
    assert machine.ran[-1] == line
    assert options.made.exists()


def test_B3_a_cluster_that_is_there_is_not_made_again(machine: Machine, options: BootstrapOptions) -> None:
    machine.has_cluster("dev")
    ensure(machine, options)
    assert not machine.ran_any("kind create")
    assert not machine.ran_any("docker start")
    assert machine.said == ["cluster: the kind cluster dev exists"]
    assert not options.made.exists()


def test_nodes_that_stand_still_are_started_by_label_not_by_name(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.has_cluster("dev", nodes=("first-control-plane", "oddly-named"), stopped=("oddly-named",))
    machine.says("docker start oddly-named")
    ensure(machine, options)
    assert machine.said == ["cluster: the kind cluster dev exists; started oddly-named"]


def test_why_kind_cannot_tell_is_shown_without_its_command_line_and_with_its_fix(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.fails(
        "kind get clusters",
        'ERROR: failed to list clusters: command "docker ps -a --filter label=io.x-k8s.kind.cluster --format {{.Names}}" '
        "failed with error: exit status 1\nCommand Output: permission denied while trying to connect to the Docker "
        "daemon socket at unix:///var/run/docker.sock: connect: permission denied",
    )
    with pytest.raises(
        ClusterUnreachable, match="docker ps failed with error: exit status 1\nCommand Output: perm"
    ) as caught:
        ensure(machine, options)
    assert "--filter" not in caught.value.what
    assert caught.value.fix.startswith("sudo usermod -aG docker")


PAUSED = {"Status": "paused", "Running": True, "Paused": True, "StartedAt": "2026-01-02T03:04:05Z"}
NEVER = "0001-01-01T00:00:00Z"


def test_a_paused_node_is_unpaused_beside_one_that_is_started(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.has_cluster("dev", states={"dev-control-plane": PAUSED}, stopped=["dev-worker"])
    machine.says("docker start dev-worker")
    machine.says("docker unpause dev-control-plane")
    ensure(machine, options)
    assert machine.said == [
        "cluster: the kind cluster dev exists; started dev-worker; unpaused dev-control-plane"
    ]


def test_without_leave_the_line_that_unpauses_is_the_fix(machine: Machine, options: BootstrapOptions) -> None:
    from dataclasses import replace

    machine.has_cluster("dev", states={"dev-worker": PAUSED})
    with pytest.raises(ClusterUnreachable, match="the nodes dev-worker are paused") as caught:
        ensure(machine, replace(options, skip_kind=True))
    assert caught.value.fix == "docker unpause dev-worker"
    assert not machine.ran_any("docker unpause")


@pytest.mark.parametrize(
    ("state", "words", "fix"),
    [
        ({"Status": "created", "StartedAt": NEVER}, "was interrupted", "kind delete cluster --name dev, then again"),
        (
            {"Status": "created", "StartedAt": NEVER, "Error": "Bind for 127.0.0.1:80 failed: port is already allocated"},
            "port is already allocated",
            "free port 80 ",
        ),
        (
            {"Status": "created", "StartedAt": NEVER, "Error": "mkdir /var: no space left on device"},
            "no space left on device",
            "docker system prune",
        ),
        ({"Status": "initialized", "StartedAt": NEVER}, "was interrupted", "kind delete cluster --name dev"),
        ({"Status": "configured"}, "was interrupted", "kind delete cluster --name dev"),
    ],
)  # fmt: skip
def test_a_node_that_never_started_is_no_node_and_starting_it_would_not_make_one(
    machine: Machine, options: BootstrapOptions, state: dict[str, str], words: str, fix: str
) -> None:
    machine.has_cluster("dev", states={"dev-worker": state})
    with pytest.raises(
        ClusterUnreachable, match="dev-worker of the kind cluster dev were created and never"
    ) as caught:
        ensure(machine, options)
    assert words in caught.value.what
    assert fix in caught.value.fix
    assert "kind delete cluster --name dev" in caught.value.fix
    assert not machine.ran_any("docker start")


def test_a_node_that_podman_calls_created_after_a_boot_has_run_and_is_started(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.has_cluster(
        "dev", states={"dev-worker": {"Status": "created", "StartedAt": "2026-01-02T03:04:05Z"}}
    )
    machine.says("docker start dev-worker")
    ensure(machine, options)
    assert machine.said == ["cluster: the kind cluster dev exists; started dev-worker"]


def test_why_a_node_does_not_start_is_told_with_the_fix_that_fits(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.has_cluster("dev", stopped=["dev-worker"])
    machine.fails(
        "docker start dev-worker", "Bind for 127.0.0.1:39871 failed: port is already allocated\nError: failed"
    )
    with pytest.raises(ClusterUnreachable, match="cannot be started: Bind for 127") as caught:
        ensure(machine, options)
    assert caught.value.fix.startswith("free port 39871 ")


def test_a_single_node_is_a_cluster_too(machine: Machine, options: BootstrapOptions) -> None:
    machine.has_cluster("dev", nodes=("dev-control-plane",))
    ensure(machine, options)
    assert not machine.ran_any("kind create")


def test_without_leave_to_make_one_a_missing_cluster_is_an_error(
    machine: Machine, options: BootstrapOptions
) -> None:
    from dataclasses import replace

    with pytest.raises(ClusterUnreachable, match="the kind cluster dev does not exist"):
        ensure(machine, replace(options, skip_kind=True))
    machine.has_cluster("dev", stopped=("dev-worker",))
    with pytest.raises(ClusterUnreachable, match="of the kind cluster dev, the nodes dev-worker do not run"):
        ensure(machine, replace(options, skip_kind=True))
    assert not machine.ran_any("kind create")


def test_where_nodes_cannot_be_reached_their_ports_are_published(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.has_engine(DESKTOP)
    ensure(machine, options)
    file = options.folder / "kind-config.json"
    assert f"--config {file}" in machine.ran[-1]
    first, _ = json.loads(file.read_text())["nodes"]
    assert [mapping["containerPort"] for mapping in first["extraPortMappings"]] == [30808]
    assert options.kind_config.read_text() == KIND


def test_that_nodes_may_not_register_is_said_before_a_cluster_is_made(
    machine: Machine, options: BootstrapOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("16")
    monkeypatch.setattr(engine_checks, "LIMIT", limit)
    ensure(machine, options)
    warning, making = machine.said
    assert "the nodes of another cluster may not register; sudo sysctl fs.inotify" in warning
    assert making.startswith("cluster: creating")


def test_where_the_platform_brings_a_network_kind_brings_none(
    machine: Machine, options: BootstrapOptions
) -> None:
    ensure(machine, options, no_network=True)
    config = json.loads((options.folder / "kind-config.json").read_text())
    assert config["networking"] == {"disableDefaultCNI": True}


def test_why_it_was_not_made_is_in_kinds_words_and_it_is_not_ours(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.fails("kind create cluster", "ERROR: failed to create cluster: pull access denied\n")
    with pytest.raises(KfwError, match="cannot create the kind cluster dev: failed to create cluster: pull"):
        ensure(machine, options)
    assert not options.made.exists()


def test_one_whose_making_was_interrupted_is_ours_to_delete(
    machine: Machine, options: BootstrapOptions
) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    machine.says("kind create cluster", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure(machine, options)
    assert options.made.exists()


def test_a_worker_that_is_named_must_be_one_of_the_nodes(machine: Machine, options: BootstrapOptions) -> None:
    from dataclasses import replace

    machine.has_cluster("dev")
    steps = machine.steps()
    kind_cluster.check_worker(steps, replace(options, worker_node="dev-worker"), "docker")
    with pytest.raises(UsageError, match="has no node dev-worker2, it has dev-control-plane, dev-worker"):
        kind_cluster.check_worker(steps, replace(options, worker_node="dev-worker2"), "docker")


def test_the_api_is_waited_for_and_its_last_words_are_told() -> None:
    machine, now = Machine(), [0.0]
    there = BootstrapCluster(Path("/k"), "kind-dev", "dev")

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 3:
            machine.says("kubectl", "ok")

    machine.fails("kubectl", "connection refused")
    kind_cluster.wait_for_api(machine.steps(), there, 90.0, lambda: now[0], sleep)
    assert 3 < now[0] < 4
    machine.fails("kubectl", "connection refused")
    now[0] = -1000.0
    with pytest.raises(
        ClusterUnreachable, match="the API of kind-dev does not answer: connection refused"
    ) as caught:
        kind_cluster.wait_for_api(machine.steps(), there, 90.0, lambda: now[0], sleep)
    assert caught.value.fix.startswith("docker logs dev-control-plane; if its creation was interrupted: ")


def test_B5_every_line_of_kubectl_names_kubeconfig_and_context() -> None:
    line = BootstrapCluster(Path("/k"), "kind-dev", "dev").kubectl("get", "svc")
    assert line == ["kubectl", "--kubeconfig", "/k", "--context", "kind-dev", "get", "svc"]


# -- picking one


@pytest.fixture
def tools_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from kfw.system import tools

    monkeypatch.setattr(tools, "find", lambda tool, path=None: f"/bin/{tool}")


def run(machine: Machine, options: BootstrapOptions, here: Here = HOST) -> Bootstrap:
    return Bootstrap(
        machine.steps(), options, env=here.env, clock=lambda: 0.0, sleep=lambda _: None, here=here
    )


@pytest.mark.usefixtures("tools_there")
def test_B6_the_kubeconfig_is_exported_each_time_for_the_host(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.has_cluster("dev")
    found = run(machine, options).pick()
    assert found == BootstrapCluster(options.kubeconfig, "kind-dev", "dev")
    assert f"kind export kubeconfig --name dev --kubeconfig {options.kubeconfig}" in machine.ran


@pytest.mark.usefixtures("tools_there")
def test_B5_only_use_context_touches_the_users_kubeconfig(
    machine: Machine, options: BootstrapOptions
) -> None:
    from dataclasses import replace

    machine.has_cluster("dev")
    run(machine, options).pick()
    assert "kind export kubeconfig --name dev" not in machine.ran
    run(machine, replace(options, use_context=True)).pick()
    assert "kind export kubeconfig --name dev" in machine.ran


@pytest.mark.usefixtures("tools_there")
def test_B6_a_lock_that_was_left_behind_is_named_with_the_line_that_removes_it(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.has_cluster("dev")
    machine.fails("kind export kubeconfig", "ERROR: failed to lock config file: open x.lock: file exists")
    with pytest.raises(KfwError, match="failed to lock config file") as caught:
        run(machine, options).pick()
    assert caught.value.fix.endswith(f"rm {options.kubeconfig}.lock")


@pytest.mark.usefixtures("tools_there")
def test_B2_with_kind_demanded_a_dead_engine_is_an_error_and_nothing_is_made(
    machine: Machine, options: BootstrapOptions
) -> None:
    machine.fails("docker info", "Cannot connect to the Docker daemon at unix:///x")
    with pytest.raises(ClusterUnreachable, match="Cannot connect to the Docker daemon"):
        run(machine, options).pick()
    assert machine.ran == ["docker info --format '{{json .}}'"]
    assert not options.folder.exists()


@pytest.mark.usefixtures("tools_there")
def test_the_engine_of_kinds_nodes_may_be_podman(machine: Machine, options: BootstrapOptions) -> None:
    machine.says("podman info", json.dumps(LINUX))
    machine.says("podman ps", "id\n")
    machine.says("podman inspect", "[]")
    machine.says("kind get clusters", "dev\n")
    machine.says("kind export kubeconfig")
    machine.says("kubectl", "ok")
    here = Here("linux", in_container=False, env={"KIND_EXPERIMENTAL_PROVIDER": "podman"})
    run(machine, options, here).pick()
    assert not machine.ran_any("docker")
