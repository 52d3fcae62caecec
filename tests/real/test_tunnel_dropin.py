"""kfw port-forward beside kubectl port-forward on a real cluster: the forms of their arguments, errors, scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubectl_compat.conftest import objects
from tests.kubectl_compat.objects import for_kubectl
from tests.kubectl_compat.programs import KFW, KUBECTL, environment, said_by
from tests.kubectl_compat.table import ERRORS, FORWARDS, filled, without_numbers
from tests.kubectl_compat.test_same_words import without_random
from tests.kubectl_compat.test_scripts import SCRIPTS, prints_what_it_says
from tests.real import rig as rigs
from tests.real import talk

#: Of the errors some are enough here: all are compared on the sandbox.
SOME_ERRORS = ERRORS[::3]


@pytest.fixture(scope="module")
def env(_cluster_of_this_run: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A cluster of one's own, whose demo is what the table and the scripts are written for."""
    rig = rigs.up(_cluster_of_this_run)
    rig.kubectl("delete", "namespace", "demo")
    rig.kubectl("apply", "-f", "-", stdin=for_kubectl(objects()))
    for one in ("deployment/web", "statefulset/db"):
        rig.kubectl("rollout", "status", one, "-n", "demo", "--timeout=60s", timeout=70)
    rig.kubectl("wait", "pod/single", "pod/dns", "-n", "demo", "--for=condition=Ready", "--timeout=60s")
    yield environment(rig.kubeconfig, tmp_path_factory.mktemp("home"))
    rig.kubectl("delete", "namespace", "demo")  # who uses the cluster next gets the rig's again


@pytest.fixture
def taken() -> Iterator[int]:
    with talk.listener() as port:
        yield port


@pytest.mark.parametrize("line", FORWARDS)
def test_the_lines_and_the_exit_code_are_kubectls(line: str, env: dict[str, str], taken: int) -> None:
    arguments = filled(line, taken, env)
    kubectl = said_by(KUBECTL, arguments, env, lines=1)
    kfw = said_by(KFW, arguments, env, lines=len(kubectl.out))
    assert without_random(kfw, line) == without_random(kubectl, line)
    assert kubectl.code == 0


@pytest.mark.parametrize("line", SOME_ERRORS)
def test_the_error_and_the_exit_code_are_kubectls(line: str, env: dict[str, str], taken: int) -> None:
    arguments = filled(line, taken, env)
    kubectl, kfw = (said_by(program, arguments, env) for program in (KUBECTL, KFW))
    assert without_numbers(line, arguments, kfw.err) == without_numbers(line, arguments, kubectl.err)
    assert kfw.code == kubectl.code == 1
    assert kfw.out == kubectl.out


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.stem))
@pytest.mark.parametrize("program", [KUBECTL, KFW], ids=["kubectl", "kfw"])
def test_a_script_prints_what_it_says(
    program: tuple[str, ...], script: Path, env: dict[str, str], tmp_path: Path
) -> None:
    prints_what_it_says(program, script, env, tmp_path)
