"""quick-start/bootstrap.sh with stubs for docker, kind, kubectl, kfw and the package manager."""

import pytest

from tests.scripts.conftest import ROOT, Machine

BOOTSTRAP = "quick-start/bootstrap.sh"
NAMES = ["amp-console", "amp-api", "amp-traces-observer", "data-prepper", "gateway-external"]
#: A kfw that says yes to everything and has one of the five up.
KFW = """
case "$1 ${2-}" in
"sandbox start") echo /sandbox/kubeconfig ;;
"up --config") echo "up, in $5 $7" >&2 ;;
"verify "*) echo "amp-api: HTTP 200" ;;
"status --json") echo '{"forwards": [
    {"name": "amp-api", "url": "http://localhost:8080", "since": "NOW"},
    {"name": "data-prepper", "url": null, "since": "NOW"},
    {"name": "another", "url": "http://localhost:1", "since": "NOW"}]}' ;;
esac
"""


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """A machine on which kfw is installed; there is no docker."""
    machine.installed(KFW)
    return machine


def with_kind(machine: Machine, *, clusters: str = "openchoreo-local", has_services: bool = True) -> None:
    machine.stub("docker")
    machine.stub(
        "kind", f'case $2 in clusters) printf "{clusters}\\n" ;; kubeconfig) echo "server: kind" ;; esac'
    )
    machine.stub("kubectl", "exit 0" if has_services else "case $* in *amp-api*) exit 1 ;; esac")


def test_A1_help_shows_the_options_and_does_nothing(machine: Machine) -> None:
    done = machine.run(BOOTSTRAP, "--help")
    assert done.returncode == 0
    assert "--yes" in done.stdout and "CLUSTER_NAME" in done.stdout
    assert not done.stderr
    assert machine.calls() == []


@pytest.mark.parametrize("arguments", [["--nope"], ["now"], ["--config"], ["--config", "/not/there.yaml"]])
def test_A1_bad_usage_exits_2_with_one_line_and_does_nothing(machine: Machine, arguments: list[str]) -> None:
    done = machine.run(BOOTSTRAP, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("bootstrap: ") and done.stderr.count("\n") == 1
    assert not done.stdout
    assert machine.calls() == []


def test_the_urls_are_all_that_is_on_stdout(ready: Machine) -> None:
    done = ready.run(BOOTSTRAP, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "amp-api\thttp://localhost:8080\n"
    assert "quick-start/stop.sh" in done.stderr


def test_the_five_are_brought_up_and_verified_by_name(ready: Machine) -> None:
    ready.run(BOOTSTRAP, "--yes")
    names = " ".join(NAMES)
    where = "--kubeconfig /sandbox/kubeconfig --context kfw-sandbox"
    assert f"kfw up --config {ROOT}/quick-start/kfw.yaml {where} {names}" in ready.calls()
    assert f"kfw verify {names}" in ready.calls()


@pytest.mark.parametrize(
    ("stubs", "why"),
    [
        ({}, "docker is not installed"),
        ({"docker": "exit 1"}, "docker does not answer"),
        ({"docker": ""}, "kind is not installed"),
        ({"docker": "", "kind": ""}, "kind has no cluster openchoreo-local"),
        ({"docker": "", "kind": "echo openchoreo-local-2"}, "kind has no cluster openchoreo-local"),
        ({"docker": "", "kind": "echo openchoreo-local"}, "kubectl is not installed"),
    ],
)
def test_without_a_kind_cluster_it_is_the_sandbox_and_the_reason_is_said(
    ready: Machine, stubs: dict[str, str], why: str
) -> None:
    for tool, body in stubs.items():
        ready.stub(tool, body)
    done = ready.run(BOOTSTRAP, "--yes")
    assert done.returncode == 0
    assert f"cluster: the embedded sandbox, because {why}" in done.stderr
    assert "up, in /sandbox/kubeconfig kfw-sandbox" in done.stderr


def test_a_kind_cluster_without_one_of_the_services_is_not_taken(ready: Machine) -> None:
    with_kind(ready, has_services=False)
    done = ready.run(BOOTSTRAP, "--yes")
    assert (
        "because the kind cluster openchoreo-local has no service/amp-api in the namespace wso2-amp"
        in done.stderr
    )
    assert "kfw sandbox start" in ready.calls()


def test_a_kind_cluster_with_all_services_is_taken(ready: Machine) -> None:
    with_kind(ready)
    done = ready.run(BOOTSTRAP, "--yes")
    assert "cluster: the kind cluster openchoreo-local" in done.stderr
    assert not [call for call in ready.calls() if call.startswith("kfw sandbox")]


def test_A4_the_cluster_name_is_matched_whole_and_can_be_another(ready: Machine) -> None:
    with_kind(ready, clusters="mine-2\\nmine")
    assert "the kind cluster mine," in ready.run(BOOTSTRAP, "--yes", CLUSTER_NAME="mine").stderr
    assert "no cluster min\n" in ready.run(BOOTSTRAP, "--yes", CLUSTER_NAME="min").stderr


def test_A5_the_users_kubeconfig_is_neither_written_nor_asked(ready: Machine) -> None:
    with_kind(ready)
    theirs = ready.home / "theirs"
    theirs.write_text("current-context: rancher-desktop")
    done = ready.run(BOOTSTRAP, "--yes", KUBECONFIG=str(theirs))
    ours = ready.folder / "kfw" / "state" / "quick-start" / "kubeconfig"
    assert theirs.read_text() == "current-context: rancher-desktop"
    assert f"up, in {ours} kind-openchoreo-local" in done.stderr
    assert ours.read_text() == "server: kind\n" and ours.stat().st_mode & 0o077 == 0
    asked = [call for call in ready.calls() if call.startswith("kubectl")]
    assert asked and all(f"--kubeconfig {ours} --context kind-openchoreo-local" in call for call in asked)


def test_A3_a_second_run_says_that_nothing_changed(ready: Machine) -> None:
    assert "bootstrap: nothing changed\n" in ready.run(BOOTSTRAP, "--yes").stderr


def test_a_run_that_changed_something_does_not_say_the_contrary(machine: Machine) -> None:
    machine.has("date")
    machine.installed(KFW.replace("NOW", "'$(date +%N)'"))
    done = machine.run(BOOTSTRAP, "--yes")
    assert done.returncode == 0
    assert "nothing changed" not in done.stderr


def test_when_nothing_comes_up_nothing_is_said_to_be_as_it_was(machine: Machine) -> None:
    machine.installed(KFW.replace("http://localhost:8080", "").replace('echo "up, in $5 $7"', "exit 1"))
    assert "nothing changed" not in machine.run(BOOTSTRAP, "--yes").stderr


def test_sandbox_is_taken_when_it_is_asked_for(ready: Machine) -> None:
    with_kind(ready)
    assert "because --sandbox was given" in ready.run(BOOTSTRAP, "--yes", "--sandbox").stderr


def test_A16_when_one_cannot_come_up_the_others_are_shown_and_the_exit_code_is_kfws(machine: Machine) -> None:
    machine.installed(KFW.replace('echo "up, in $5 $7" >&2', "exit 6"))
    done = machine.run(BOOTSTRAP, "--yes")
    assert done.returncode == 6
    assert done.stdout == "amp-api\thttp://localhost:8080\n"


def test_other_forwards_can_be_brought_up(ready: Machine) -> None:
    own = ready.folder / "own.yaml"
    own.write_text("portForwards: {shop: {target: service/shop, namespace: shop, localPort: 9000}}")
    ready.run(BOOTSTRAP, "--yes", "--config", str(own))
    assert [
        call for call in ready.calls() if call.startswith(f"kfw up --config {own}") and call.endswith(" shop")
    ]


# --- on a machine where something is missing

#: A python3 that is new enough; `-c 'import ensurepip ...'` fails as on a Debian without python3-venv.
PYTHON_WITHOUT_VENV = 'case $* in *ensurepip*) exit 1 ;; --version) echo "Python 3.11.2" ;; esac'
APT_LINE = "apt-get install -y make python3-venv socat"


@pytest.fixture
def bare(machine: Machine) -> Machine:
    """Debian with a python that cannot make venvs, as an ordinary user, with apt-get and without sudo."""
    machine.stub("python3", PYTHON_WITHOUT_VENV)
    machine.stub("apt-get")
    machine.stub("id", "echo 1000")
    return machine


def test_A2_what_is_missing_is_named_with_the_line_that_installs_it(bare: Machine) -> None:
    done = bare.run(BOOTSTRAP, "--yes")
    assert done.returncode == 8
    assert "cannot make .venv without venv make socat; install with: " in done.stderr
    assert f"sudo {APT_LINE}" in done.stderr
    assert not [call for call in bare.calls() if call.startswith("apt-get")]


@pytest.mark.parametrize(
    ("manager", "line"),
    [
        ("brew", "brew install make python@3.13 socat"),
        ("apk", "sudo apk add make python3 socat"),
        ("dnf", "sudo dnf install -y make python3 socat"),
        ("pacman", "sudo pacman -S --noconfirm make python socat"),
    ],
)
def test_A2_the_line_is_the_one_of_this_system(machine: Machine, manager: str, line: str) -> None:
    machine.stub(manager, "exit 1")
    machine.stub("id", "echo 1000")
    done = machine.run(BOOTSTRAP, "--yes")
    assert done.returncode == 8
    assert line in done.stderr


def test_as_root_and_with_yes_it_is_installed(bare: Machine) -> None:
    bare.stub("id", "echo 0")
    done = bare.run(BOOTSTRAP, "--yes")
    assert APT_LINE in bare.calls()
    assert "sudo" not in done.stderr


def test_with_a_silent_sudo_it_is_installed(bare: Machine) -> None:
    bare.stub("sudo", '[ "$1" = -n ] && shift; exec "$@"')
    bare.has("true")
    bare.run(BOOTSTRAP, "--yes")
    assert APT_LINE in bare.calls()


def test_A33_a_sudo_that_wants_a_password_is_not_asked_for_one(bare: Machine) -> None:
    bare.stub("sudo", '[ "$1" = -n ] && exit 1; cat')
    assert bare.run(BOOTSTRAP, "--yes").returncode == 8
    assert [call for call in bare.calls() if call.startswith("sudo")] == ["sudo -n true"]


def test_nothing_is_installed_without_a_yes(bare: Machine) -> None:
    bare.stub("id", "echo 0")
    assert bare.run(BOOTSTRAP).returncode == 8
    assert not [call for call in bare.calls() if call.startswith("apt-get")]


def test_a_failed_installation_says_which_line_failed(bare: Machine) -> None:
    bare.stub("id", "echo 0")
    bare.stub("apt-get", "exit 100")
    done = bare.run(BOOTSTRAP, "--yes")
    assert done.returncode == 8
    assert "cannot install venv make socat with: " in done.stderr


def test_an_old_python_is_no_python(bare: Machine) -> None:
    bare.stub("python3", "exit 1")
    done = bare.run(BOOTSTRAP, "--yes")
    assert done.returncode == 8
    assert "cannot make .venv without python3 venv" in done.stderr
