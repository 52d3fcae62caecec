"""Whether Linux's inotify instances are enough for another cluster."""

import json
from pathlib import Path

import pytest

from kfw.engine.reachability import Here
from kfw.quickstart import engine_checks
from kfw.quickstart.checks import Finding, Level
from tests.quickstart.world import DESKTOP, Machine, node

HOST = Here("linux", in_container=False, env={})


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.has_engine()
    return machine


def has_nodes(machine: Machine, running: int, stopped: int = 0) -> None:
    names = [f"n{number}" for number in range(running + stopped)]
    told = [node(name, "any", running=number < running) for number, name in enumerate(names)]
    machine.says("docker ps", "\n".join(names))
    machine.says("docker inspect", json.dumps(told))


def asked(machine: Machine, folder: Path, limit: str = "128") -> Finding:
    file = folder / "max_user_instances"
    file.write_text(limit)
    return engine_checks.instances(machine.run, HOST, limit=file)


def test_without_any_cluster_there_is_room(machine: Machine, tmp_path: Path) -> None:
    found = asked(machine, tmp_path)
    assert (found.level, found.what) == (Level.OK, "128 instances, 0 nodes of kind run")


@pytest.mark.parametrize(("running", "level"), [(6, Level.OK), (7, Level.WARNING)])
def test_when_few_are_left_it_is_a_warning_with_the_line_that_mends_it(
    machine: Machine, tmp_path: Path, running: int, level: Level
) -> None:
    has_nodes(machine, running, stopped=4)
    found = asked(machine, tmp_path)
    assert found.level is level
    assert f"{running} nodes of kind run" in found.what
    assert ("fs.inotify.max_user_instances=512" in found.fix) == (level is Level.WARNING)
    assert asked(machine, tmp_path, "512").level is Level.OK


def test_of_another_kernel_nothing_is_known(machine: Machine, tmp_path: Path) -> None:
    has_nodes(machine, 20)
    assert engine_checks.instances(machine.run, HOST, limit=tmp_path / "none").level is Level.OK
    machine.has_engine(DESKTOP)
    assert asked(machine, tmp_path).what == "the engine's kernel is not this machine's"
