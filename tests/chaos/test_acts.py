"""What is broken on this machine is taken back, also when the round is interrupted: with files and processes of the test."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.real.chaos import acts_here
from tests.real.chaos.acts import Act
from tests.real.running import until


class Interrupted(Exception):
    pass


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as one:
        yield one
        one.kill()


@pytest.fixture
def scene(tmp_path: Path, process: "subprocess.Popen[bytes]") -> Any:
    """As much of one as these acts look at."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
    program = SimpleNamespace(daemon_pid=lambda: process.pid, home=tmp_path)
    return SimpleNamespace(
        kubeconfig=kubeconfig, program=program, ports={"socat": 1}, pid=lambda method: process.pid
    )


#: How the kubeconfig is broken, and how that shows.
FILES: dict[str, tuple[Act, Callable[[Path], bool]]] = {
    "gone": (acts_here.kubeconfig_gone, lambda file: not file.exists()),
    "half": (acts_here.kubeconfig_half, lambda file: file.read_text() == "apiVersion: v1"),
    "moved": (acts_here.kubeconfig_moved, lambda file: file.read_text().strip().endswith("Config")),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("interrupted", [False, True])
def test_the_kubeconfig_is_whole_again(scene: Any, name: str, interrupted: bool) -> None:
    act, is_broken = FILES[name]
    with suppress(Interrupted), act(scene):
        assert is_broken(scene.kubeconfig)
        if interrupted:
            raise Interrupted
    assert scene.kubeconfig.read_text().strip() == "apiVersion: v1\nkind: Config"


@pytest.mark.parametrize("act", [acts_here.CHILD_STOPPED, acts_here.daemon_stopped], ids=["child", "daemon"])
@pytest.mark.parametrize("interrupted", [False, True])
def test_what_is_stopped_goes_on(
    scene: Any, process: "subprocess.Popen[bytes]", act: Act, interrupted: bool
) -> None:
    with suppress(Interrupted), act(scene):
        until(lambda: state(process.pid) == "T", 5, lambda: "it is stopped")
        if interrupted:
            raise Interrupted
    until(lambda: state(process.pid) == "S", 5, lambda: "it goes on")


def test_a_child_that_is_killed_stays_dead_and_one_that_has_gone_is_no_error(
    scene: Any, process: "subprocess.Popen[bytes]"
) -> None:
    for _ in range(2):
        with acts_here.CHILD_KILLED(scene):
            assert process.wait(5) == -signal.SIGKILL


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
