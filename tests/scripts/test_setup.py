"""scripts/setup.sh with a stub for the interpreter; that it makes a working .venv is shown by every run of `make`."""

from tests.scripts.conftest import Machine

SETUP = "scripts/setup.sh"
#: An interpreter that makes a .venv whose python notes what it is asked.
PYTHON = """
case $* in
--version) echo "Python 3.12.1" ;;
"-m venv --clear "*)
	mkdir -p "$4/bin"
	printf '#!/bin/sh\\necho "venv-python $*" >>"%s"\\n' "$CALLS" >"$4/bin/python"
	chmod +x "$4/bin/python"
	;;
esac
"""


def run(machine: Machine, *arguments: str, **env: str) -> tuple[int, str]:
    done = machine.run(SETUP, *arguments, CALLS=str(machine.folder / "calls"), **env)
    return done.returncode, done.stderr


def test_the_first_interpreter_that_is_new_enough_is_taken(machine: Machine) -> None:
    machine.stub("python3", "exit 1")
    machine.stub("python3.12", PYTHON)
    code, said = run(machine)
    assert code == 0, said
    assert "Python 3.12.1" in said
    assert (machine.venv / ".installed").exists()


def test_a_named_interpreter_is_the_only_one_tried(machine: Machine) -> None:
    machine.stub("python3", PYTHON)
    code, said = run(machine, PYTHON="python3.99")
    assert code == 8
    assert "cannot find python3.99 of version 3.11 or later" in said
    assert not (machine.venv / ".installed").exists()


def test_a_working_venv_is_kept_and_brought_up_to_date(machine: Machine) -> None:
    machine.stub("python3", PYTHON)
    run(machine)
    run(machine, "dev")
    assert len([call for call in machine.calls() if "-m venv" in call]) == 1
    assert machine.calls()[-1].startswith("venv-python -m pip install")
    assert machine.calls()[-1].endswith("[dev]")
    assert (machine.venv / ".installed-dev").exists()


def test_a_failed_installation_leaves_no_sign_of_success(machine: Machine) -> None:
    broken = machine.venv / "bin" / "python"
    broken.write_text('#!/bin/sh\n[ "$1" = -c ]\n')
    broken.chmod(0o755)
    code, _ = run(machine)
    assert code != 0
    assert not (machine.venv / ".installed").exists()
