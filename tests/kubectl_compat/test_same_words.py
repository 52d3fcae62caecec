"""The forms of kubectl's arguments, given to both: the same lines on stdout, the same errors, the same exit code."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kfw.kubectl_compat import flags, session
from kfw.kubectl_compat.messages import KubectlError
from kfw.kubectl_compat.writer import Console, NonBlockingWriter
from tests.kubectl_compat.programs import KFW, KUBECTL, Said, needs_kubectl, said_by
from tests.kubectl_compat.table import ERRORS, FORWARDS, filled, recorded, without_numbers
from tests.real import talk

#: Of these some are enough here; on the rig all are tried.
HERE = FORWARDS[::4]


class Heard(NonBlockingWriter):
    def __init__(self) -> None:
        super().__init__(-1)
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines += text.splitlines()


@pytest.fixture
def taken() -> Iterator[int]:
    with talk.listener() as port:
        yield port


@needs_kubectl
@pytest.mark.parametrize("line", HERE)
def test_the_lines_on_stdout_and_the_exit_code_are_the_same(
    line: str, env: dict[str, str], taken: int
) -> None:
    arguments = filled(line, taken, env)
    kubectl = said_by(KUBECTL, arguments, env, lines=1)
    kfw = said_by(KFW, arguments, env, lines=len(kubectl.out))
    assert without_random(kfw, line) == without_random(kubectl, line)
    assert kubectl.code == 0


@pytest.mark.parametrize("line", ERRORS)
def test_the_error_is_the_one_that_kubectl_says(line: str, env: dict[str, str], taken: int) -> None:
    """kubectl's are recorded (tests/kubectl_compat/table.py), and kfw runs in this process: each takes a moment only."""
    arguments = filled(line, taken, env)
    heard = Heard()
    with pytest.raises(KubectlError) as told:
        given = flags.parse(arguments)
        assert given
        session.run(given, env, Console(Heard(), heard))
    lines = [*(text for text in heard.lines if not text.startswith("kfw: ")), *told.value.what.splitlines()]
    kubectls = [text.replace("'kfw port-forward", "'kubectl port-forward") for text in lines]
    assert without_numbers(line, arguments, kubectls) == recorded()[line]
    assert told.value.exit_code == 1


def without_random(said: Said, line: str) -> Said:
    """Two programs draw two random ports."""
    if " :" not in line and " 0:" not in line:
        return said
    return replace(said, out=[re.sub(r":\d+ ->", ":RANDOM ->", text) for text in said.out])
