"""Scripts as people have them, with `kubectl port-forward` and with `kfw port-forward`: the same output, word for word.

What a script prints is in its own comments, in lines that begin with `#> `.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kubectl_compat.programs import KFW, KUBECTL, needs_kubectl
from tests.real import talk

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.sh"))
PROGRAMS = [pytest.param(KUBECTL, marks=needs_kubectl, id="kubectl"), pytest.param(KFW, id="kfw")]

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")), reason="curl or bash is not on PATH"
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_script_prints_what_it_says(
    program: tuple[str, ...], script: Path, env: dict[str, str], tmp_path: Path
) -> None:
    prints_what_it_says(program, script, env, tmp_path)


def prints_what_it_says(program: tuple[str, ...], script: Path, env: dict[str, str], folder: Path) -> None:
    done = _run(script, " ".join(program), env, folder)
    expected = [
        line.removeprefix("#> ") for line in script.read_text().splitlines() if line.startswith("#> ")
    ]
    assert done.stdout.splitlines() == expected, done.stderr
    assert done.returncode == 0


def test_there_are_enough_of_them() -> None:
    assert len(SCRIPTS) >= 10


def _run(script: Path, program: str, env: dict[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    one, two = talk.free_ports(2)
    own = {**env, "PROG": program, "PORT_A": str(one), "PORT_B": str(two)}
    return subprocess.run([script], env=own, cwd=folder, capture_output=True, text=True, timeout=60)
