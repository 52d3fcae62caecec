"""`kfw bootstrap` as a process, on a machine whose docker, kind, kubectl, helm and colima are stubs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quickstart.world import DESKTOP, LINUX

#: What any machine has.
BASIC = ("sh", "cat", "true")


class Stubbed:
    """An empty home and a PATH of stubs, each of which notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in BASIC:
            (self.bin / tool).symlink_to(f"/bin/{tool}")

    def stub(self, tool: str, body: str = "") -> None:
        path = self.bin / tool
        path.write_text(f'#!/bin/sh\necho "{tool} $*" >>"{self.folder}/calls"\n{body}\n')
        path.chmod(0o755)

    def has_engine(self) -> None:
        self.stub("docker", f"case $1 in info) echo '{json.dumps(LINUX)}' ;; esac")

    def run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        own = {"PATH": str(self.bin), "HOME": str(self.folder / "home"), "KFW_HOME": str(self.folder / "kfw")}
        return subprocess.run(
            [sys.executable, "-m", "kfw", "bootstrap", *argv],
            env={**own, "KFW_IN_CONTAINER": "0", "LC_ALL": "C.UTF-8", **env},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> list[str]:
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def bare(tmp_path: Path) -> Stubbed:
    """Nothing is installed."""
    return Stubbed(tmp_path)


@pytest.fixture
def ready(bare: Stubbed) -> Stubbed:
    """Docker answers, kind has no cluster."""
    bare.has_engine()
    bare.stub("kind")
    bare.stub("kubectl")
    return bare


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The lines of a run that leaves nothing out."""
    machine = Stubbed(tmp_path_factory.mktemp("whole"))
    machine.has_engine()
    for tool in ("kind", "kubectl", "helm"):
        machine.stub(tool)
    return machine.run("--dry-run", "--yes").stdout


@pytest.mark.parametrize("verb", ["all", "colima"])
def test_B1_help_does_nothing(ready: Stubbed, verb: str) -> None:
    done = ready.run(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert ready.calls() == []
    assert not (ready.folder / "kfw").exists()


def test_B1_an_unknown_option_is_bad_usage_and_does_nothing(ready: Stubbed) -> None:
    done = ready.run("--no-such-thing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--no-such-thing" in done.stderr
    assert ready.calls() == []


@pytest.mark.parametrize(
    ("flag", "variable", "there", "not_there"),
    [
        ("--no-port-forward", {"AUTO_PORT_FORWARD": "false"}, "kubectl", "kfw up"),
        ("--skip-openchoreo", {"SKIP_OPENCHOREO": "true"}, "services-openchoreo-local.json", "helm"),
        ("--minimal", {"MINIMAL_MODE": "1"}, "helm upgrade --install amp ", "build-plane"),
    ],
)
@pytest.mark.parametrize("by_flag", [True, False])
def test_B1_a_stage_is_left_out_by_flag_and_by_variable(
    ready: Stubbed, flag: str, variable: dict[str, str], there: str, not_there: str, by_flag: bool, whole: str
) -> None:
    assert not_there in whole
    ready.stub("helm")
    done = ready.run("--dry-run", "--yes", flag) if by_flag else ready.run("--dry-run", "--yes", **variable)
    assert done.returncode == 0
    assert there in done.stdout
    assert not_there not in done.stdout


def test_B1_without_leave_to_make_a_cluster_one_must_be_there(ready: Stubbed) -> None:
    done = ready.run("--dry-run", SKIP_KIND="yes")
    assert done.returncode == 4
    assert (
        "the kind cluster openchoreo-local does not exist\n     `kfw bootstrap` makes it (without --skip-kind)"
        in done.stderr
    )


@pytest.mark.parametrize("nothing", ["", "false"])
def test_B1_a_variable_that_says_no_or_nothing_leaves_nothing_out(ready: Stubbed, nothing: str) -> None:
    done = ready.run("--dry-run", SKIP_KIND=nothing, VERBOSE=nothing, CLUSTER_NAME="", WORKER_NODE="")
    assert (done.returncode, "kind create cluster --name openchoreo-local" in done.stdout) == (0, True)


def test_a_dry_run_prints_command_lines_and_changes_nothing(ready: Stubbed) -> None:
    done = ready.run("--dry-run", "--cluster-name", "dev")
    lines = done.stdout.splitlines()
    order = [
        "docker info",
        "kind create cluster --name dev",
        "kind export kubeconfig --name dev",
        "kubectl",
        "kfw up",
    ]
    positions = [next(n for n, line in enumerate(lines) if line.startswith(each)) for each in order]
    assert positions == sorted(positions)
    assert re.match(r"kfw verify \S+/amp-console \S+/amp-api", lines[-1])
    assert {call.split()[0] for call in ready.calls()} == {"docker", "kind"}
    assert not any("create" in call or "export" in call for call in ready.calls())
    assert not (ready.folder / "kfw").exists()


@pytest.mark.parametrize(
    ("there", "words", "code"),
    [
        ([], "cannot find docker on PATH", 8),
        (["docker"], "docker does not answer", 4),
        (["engine"], "cannot find kind on PATH", 8),
        (["engine", "kind"], "cannot find kubectl on PATH", 8),
    ],
)
def test_B2_what_is_missing_is_one_line_with_its_fix_and_nothing_is_made(
    bare: Stubbed, there: list[str], words: str, code: int
) -> None:
    for tool in there:
        if tool == "engine":
            bare.has_engine()
        else:
            bare.stub(
                tool, "echo 'Cannot connect to the Docker daemon' >&2; exit 1" if tool == "docker" else ""
            )
    done = bare.run("--kind")
    assert done.returncode == code
    what, fix = done.stderr.splitlines()
    assert words in what
    assert fix.strip()
    assert done.stdout == ""
    assert not any("create" in call for call in bare.calls())
    assert not (bare.folder / "kfw").exists()


def test_B2_without_kind_being_demanded_it_is_the_sandbox_and_why(bare: Stubbed) -> None:
    done = bare.run("--dry-run")
    assert done.returncode == 0
    assert "bootstrap: cluster: the embedded sandbox, because cannot find docker on PATH" in done.stderr
    assert done.stdout.splitlines()[0] == "kfw sandbox start"


def test_B5_each_line_of_kubectl_and_helm_names_its_cluster_and_the_users_kubeconfig_stays(
    ready: Stubbed,
) -> None:
    ready.stub("helm")
    theirs = ready.folder / "home" / ".kube" / "config"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("current-context: rancher-desktop\n")
    ready.run("--no-port-forward", "--cluster-name", "dev", KUBECONFIG=str(theirs))
    kubectl = [call for call in ready.calls() if call.startswith("kubectl ")]
    assert kubectl
    assert all("--context kind-dev" in call and str(theirs) not in call for call in kubectl)
    assert all(
        f"--kubeconfig {ready.folder}" in call for call in ready.calls() if call.startswith("kind export")
    )
    assert theirs.read_text() == "current-context: rancher-desktop\n"


def test_B23_only_data_goes_to_stdout(ready: Stubbed) -> None:
    done = ready.run("kind", "--cluster-name", "dev")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{ready.folder}/kfw/state/quick-start/kubeconfig-dev\n"


def test_kind_and_sandbox_exclude_each_other(ready: Stubbed) -> None:
    assert ready.run("--kind", "--sandbox").returncode == 2


def test_a_file_that_is_not_there_is_bad_usage(ready: Stubbed) -> None:
    done = ready.run("--config", "nowhere.yaml")
    assert done.returncode == 2
    assert "cannot read nowhere.yaml" in done.stderr
    assert ready.calls() == []


def test_uninstall_wants_a_yes(ready: Stubbed) -> None:
    done = ready.run("uninstall")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert ready.calls() == []


# -- the engine's and kind's own words


@pytest.mark.parametrize(
    ("stub", "words", "fix"),
    [
        (
            "echo 'permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock: connect: permission denied' >&2; exit 1",
            "permission denied while trying to connect",
            "sudo usermod -aG docker $USER",
        ),
        (
            """echo 'Failed to initialize: context "gone": context not found: open /x/meta.json' >&2; exit 1""",
            "context not found",
            "docker context use default",
        ),
        (
            'echo "The command \'docker\' could not be found in this WSL 2 distro."; echo "We recommend to activate the '
            'WSL integration in Docker Desktop settings."; echo; echo "For details see"; exit 1',
            "could not be found in this WSL 2 distro",
            "Settings > Resources > WSL integration",
        ),
        (
            "echo 'Error response from daemon: client version 1.50 is too new. Maximum supported API version is 1.41' >&2;"
            " exit 1",
            "client version 1.50 is too new",
            "docker version",
        ),
        (
            "echo 'Cannot connect to the Docker daemon at tcp://far:1. Is the docker daemon running?' >&2; exit 1",
            "Cannot connect to the Docker daemon",
            "start the engine at tcp://far:1",
        ),
        (
            "echo 'WARNING: Error loading config file: open /root/.docker/config.json: permission denied' >&2; echo "
            "'Cannot connect to the Docker daemon at unix:///run/docker.sock. Is it running?' >&2; exit 1",
            "docker does not answer: Cannot connect",
            "sudo systemctl start docker" if sys.platform == "linux" else "start",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", [["--kind"], ["docker"]])
def test_what_docker_says_comes_with_its_own_fix(
    bare: Stubbed, stub: str, words: str, fix: str, verb: list[str]
) -> None:
    bare.stub("docker", stub)
    done = bare.run(*verb)
    assert done.returncode == 4
    said = done.stderr + done.stdout
    assert words in said
    assert fix in said


def test_podman_is_told_in_its_own_words_with_its_own_fix(bare: Stubbed) -> None:
    bare.stub(
        "podman",
        "echo 'Cannot connect to Podman. Please verify your connection to the Linux system' >&2\n"
        "echo 'Error: unable to connect to Podman socket: dial unix /run/podman.sock: connect: refused' >&2; exit 125",
    )
    done = bare.run("--kind", KIND_EXPERIMENTAL_PROVIDER="podman")
    assert done.returncode == 4
    assert "podman does not answer: Cannot connect to Podman" in done.stderr
    assert "podman" in done.stderr.splitlines()[-1] and "docker" not in done.stderr


@pytest.mark.parametrize(
    ("said", "words", "fix"),
    [
        (
            'command "docker run --name dev-control-plane --publish=0.0.0.0:80:80/TCP kindest/node" failed with error: exit '
            "status 125\nCommand Output: docker: Error: Bind for 0.0.0.0:80 failed: port is already allocated.",
            "Bind for 0.0.0.0:80 failed",
            "free port 80 ",
        ),
        ("node(s) already exist for a cluster with the name", "already exist", "kind delete cluster --name dev"),
        (
            'failed to pull image "kindest/node": command "docker pull kindest/node" failed with error: exit status 1\n'
            "Command Output: dial tcp: lookup registry-1.docker.io: no such host",
            "no such host",
            "docker images kindest/node",
        ),
        (
            'could not find a log line that matches "Reached target .*Multi-User System.*"',
            "could not find a log line",
            "fs.inotify.max_user_instances",
        ),
        ("docker run failed\nCommand Output: write /x: no space left on device", "no space left", "system prune"),
        ('requires setting systemd property "Delegate=yes"', "Delegate=yes", "systemd-run --scope --user"),
    ],
)  # fmt: skip
def test_why_kind_made_no_cluster_is_shown_with_the_fix_that_fits(
    ready: Stubbed, said: str, words: str, fix: str
) -> None:
    (ready.folder / "said").write_text(
        f"Creating cluster ...\n x Preparing nodes\nERROR: failed to create cluster: {said}\n"
    )
    ready.stub("kind", f'case $1 in create) cat "{ready.folder}/said" >&2; exit 1 ;; esac')
    done = ready.run("kind", "--cluster-name", "dev")
    assert done.returncode == 1
    assert words in done.stderr
    assert fix in done.stderr
    assert "--publish" not in done.stderr
    assert "Preparing nodes" not in done.stderr


def test_a_paused_node_is_unpaused_by_bootstrap(ready: Stubbed) -> None:
    told = {
        "Id": "one",
        "Name": "/dev-control-plane",
        "State": {"Status": "paused", "StartedAt": "2026-01-01T00:00:00Z"},
        "Config": {"Labels": {"io.x-k8s.kind.role": "control-plane"}},
    }
    ready.stub("kind", "[ $1 != get ] || echo dev")
    ready.stub(
        "docker",
        f"case $1 in info) echo '{json.dumps(LINUX)}' ;; ps) echo one ;; inspect) echo '[{json.dumps(told)}]' ;; esac",
    )
    done = ready.run("kind", "--cluster-name", "dev")
    assert done.returncode == 0, done.stderr
    assert "docker unpause dev-control-plane" in ready.calls()
    assert not any(call.startswith("docker start") for call in ready.calls())
    assert "the kind cluster dev exists; unpaused dev-control-plane" in done.stderr


# -- Colima

RUNS = {"runtime": "docker", "cpu": 4, "memory": 8 * 1024**3}
STOPPED = '{{"name": "default", "status": "Stopped"}}'
STUB = f"""case "$*" in "status --json") {{status}} ;; "list --json") echo '{STOPPED}' ;; esac"""


def test_B29_colima_that_does_not_run_comes_with_the_start_line_and_stays_so(bare: Stubbed) -> None:
    bare.has_engine()
    bare.stub("colima", STUB.format(status="exit 1"))
    done = bare.run("colima")
    assert done.returncode == 4
    assert "colima start --cpu 4 --memory 8" in done.stdout
    assert not any(call.startswith("colima start") for call in bare.calls())


@pytest.mark.skipif(sys.platform != "linux", reason="on a Mac there are more flags")
def test_B29_with_consent_it_is_started_without_flags_of_another_system(bare: Stubbed) -> None:
    bare.has_engine()
    bare.stub("colima", STUB.format(status="exit 1"))
    bare.run("colima", "--yes")
    assert "colima start --cpu 4 --memory 8" in bare.calls()


@pytest.mark.parametrize(
    ("told", "code"), [({"cpu": 2, "memory": 2 * 1024**3}, 0), ({"runtime": "containerd"}, 1)]
)
def test_B30_too_small_is_a_warning_and_containerd_an_error(
    bare: Stubbed, told: dict[str, object], code: int
) -> None:
    socket = bare.folder / "docker.sock"
    socket.touch()
    status = {**RUNS, **told, "docker_socket": f"unix://{socket}"}
    bare.has_engine()
    bare.stub("colima", STUB.format(status=f"echo '{json.dumps(status)}'"))
    done = bare.run("colima")
    assert done.returncode == code, done.stdout
    assert "colima stop && colima start" in done.stdout or "--runtime docker" in done.stdout


def test_B31_another_DOCKER_HOST_is_told_with_both_values_and_docker_decides(bare: Stubbed) -> None:
    socket = bare.folder / "docker.sock"
    socket.touch()
    bare.has_engine()
    bare.stub(
        "colima", STUB.format(status=f"echo '{json.dumps({**RUNS, 'docker_socket': f'unix://{socket}'})}'")
    )
    done = bare.run("colima", DOCKER_HOST="tcp://far:2375")
    assert done.returncode == 0
    assert f"DOCKER_HOST is tcp://far:2375, colima's socket is unix://{socket}" in done.stdout
    assert "unset DOCKER_HOST" in done.stdout
    assert "docker talks to box, not to colima" in done.stdout  # what docker itself reaches is what is used


# -- other engines and helm


def test_on_docker_desktop_a_new_cluster_publishes_its_node_ports(ready: Stubbed) -> None:
    ready.stub("docker", f"case $1 in info) echo '{json.dumps(DESKTOP)}' ;; esac")
    done = ready.run("kind", "--cluster-name", "dev")
    assert done.returncode == 0, done.stderr
    assert "node addresses cannot be reached from here, so docker publishes its node ports" in done.stderr
    config = ready.folder / "kfw/state/quick-start/kind-config.json"
    assert any(f"kind create cluster --name dev --config {config}" in call for call in ready.calls())
    first = json.loads(config.read_text())["nodes"][0]
    assert {mapping["listenAddress"] for mapping in first["extraPortMappings"]} == {"127.0.0.1"}
    assert len(first["extraPortMappings"]) == 5


def test_a_helm_without_network_is_told_in_its_words_and_stand_ins_take_the_platforms_place(
    ready: Stubbed,
) -> None:
    ready.stub("helm", "echo 'Error: dial tcp: lookup ghcr.io: no such host' >&2; exit 1")
    done = ready.run("--yes", "--no-port-forward", "--cluster-name", "dev")
    assert done.returncode == 0, done.stderr
    assert "small stand-ins take the place of OpenChoreo" in done.stderr
    assert "lookup ghcr.io: no such host" in done.stderr
    assert any("apply --filename" in call for call in ready.calls())
    assert not any(call.startswith("helm upgrade") for call in ready.calls())


def test_when_helm_fails_its_words_the_pods_and_the_events_are_shown(ready: Stubbed) -> None:
    ready.stub("kind", "[ $1 != get ] || echo dev")
    ready.stub(
        "helm", 'case $1 in upgrade) echo "Error: timed out waiting" >&2; exit 1 ;; list) echo "[]" ;; esac'
    )
    ready.stub(
        "kubectl",
        'case $* in *" pods "*) echo ImagePullBackOff ;; *" events "*) echo "Failed to pull" ;; esac',
    )
    options = ("--chart", "oci://charts/redis", "--version", "1.2.3", "-n", "cache", "--cluster-name", "dev")
    done = ready.run("release", "redis", *options)
    assert (done.returncode, done.stdout) == (1, "")
    for words in ("Error: timed out waiting", "ImagePullBackOff", "Failed to pull", "redis is not installed"):
        assert words in done.stderr
    assert "helm upgrade --install redis oci://charts/redis --version 1.2.3" in done.stderr  # to try again


@pytest.mark.parametrize("provider", ["podman", "nerdctl"])
def test_what_runs_kinds_nodes_is_the_engine(bare: Stubbed, provider: str) -> None:
    bare.stub(provider, f"case $1 in info) echo '{json.dumps(LINUX)}' ;; esac")
    bare.stub("kind")
    bare.stub("kubectl")
    done = bare.run("kind", "--cluster-name", "dev", KIND_EXPERIMENTAL_PROVIDER=provider)
    assert done.returncode == 0, done.stderr
    asked = {call.split()[0] for call in bare.calls()}
    assert asked == {provider, "kind", "kubectl"}
    assert any(call.startswith("kind create cluster --name dev") for call in bare.calls())


def test_brew_is_the_hint_on_a_mac_and_the_package_manager_elsewhere(bare: Stubbed) -> None:
    done = bare.run("docker")
    assert done.returncode == 8
    manager = "brew install" if sys.platform == "darwin" else ("apt-get", "dnf", "apk", "pacman", "zypper")
    assert any(word in done.stdout for word in ([manager] if isinstance(manager, str) else manager))
