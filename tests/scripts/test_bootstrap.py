"""quick-start/bootstrap.sh with stubs for kfw and the package manager: what it is told it hands to `kfw bootstrap`."""

import pytest

from tests.scripts.conftest import ROOT, Machine

BOOTSTRAP = "quick-start/bootstrap.sh"


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """A machine on which kfw is installed."""
    machine.installed(
        'echo "in $KFW_QUICK_START" >&2; echo "amp-api\thttp://localhost:8080"; exit ${CODE:-0}'
    )
    return machine


def test_B1_help_shows_the_options_and_does_nothing(machine: Machine) -> None:
    done = machine.run(BOOTSTRAP, "--help")
    assert done.returncode == 0
    assert "--yes" in done.stdout and "CLUSTER_NAME" in done.stdout
    assert not done.stderr
    assert machine.calls() == []


@pytest.mark.parametrize(
    "arguments", [["--nope"], ["now"], ["--config"], ["--yes", "--skip-kindly"], ["--yes=1"]]
)
def test_B1_bad_usage_exits_2_with_one_line_and_does_nothing(machine: Machine, arguments: list[str]) -> None:
    done = machine.run(BOOTSTRAP, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("bootstrap: ") and done.stderr.count("\n") == 1
    assert not done.stdout
    assert machine.calls() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--yes"],
        ["--skip-kind", "--skip-openchoreo", "--minimal", "--no-port-forward", "--use-context", "--verbose"],
        ["--dry-run", "--kind"],
        ["--config", "own with spaces.yaml", "--cluster-name=mine", "--worker-node", "w"],
    ],
)
def test_B1_every_stage_can_be_left_out_kfw_gets_the_options_as_they_are(
    ready: Machine, arguments: list[str]
) -> None:
    done = ready.run(BOOTSTRAP, *arguments)
    assert done.returncode == 0, done.stderr
    assert ready.calls() == [f"kfw bootstrap all {' '.join(arguments)}"]


def test_every_option_of_the_help_is_one_and_kfw_knows_it() -> None:
    from typer.testing import CliRunner

    from kfw.commands.bootstrap import app

    told = CliRunner().invoke(app, ["all", "--help"], env={"COLUMNS": "200"}).output
    script = (ROOT / BOOTSTRAP).read_text()
    explained = {line.split()[1].rstrip(",") for line in script.splitlines() if line.startswith("#   --")}
    taken = script.partition("OPTIONS='")[2].partition("'")[0].replace("=", "").split()
    assert explained == {"--help", *(option for option in taken if option.startswith("--"))}
    assert [option for option in explained if option not in told] == []


def test_stdout_and_exit_code_are_those_of_kfw(ready: Machine) -> None:
    done = ready.run(BOOTSTRAP, "--yes", CODE="6")
    assert done.returncode == 6
    assert done.stdout == "amp-api\thttp://localhost:8080\n"


def test_kfw_is_told_where_the_files_of_the_quick_start_are(ready: Machine) -> None:
    assert f"in {ROOT}/quick-start\n" in ready.run(BOOTSTRAP, "--yes").stderr


def test_B1_a_dry_run_on_a_bare_machine_makes_nothing(machine: Machine) -> None:
    machine.stub("python3")
    done = machine.run(BOOTSTRAP, "--dry-run", "--yes")
    assert (done.returncode, done.stdout) == (0, f"{ROOT}/scripts/setup.sh tui\n")
    assert machine.calls() == []


def test_what_is_set_up_already_is_not_set_up_again(ready: Machine) -> None:
    ready.stub("python3")
    ready.run(BOOTSTRAP)
    assert ready.calls() == ["kfw bootstrap all"]


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


def test_B2_what_is_missing_is_named_with_the_line_that_installs_it(bare: Machine) -> None:
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
def test_B2_the_line_is_the_one_of_this_system(machine: Machine, manager: str, line: str) -> None:
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


def test_B33_a_sudo_that_wants_a_password_is_not_asked_for_one(bare: Machine) -> None:
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
