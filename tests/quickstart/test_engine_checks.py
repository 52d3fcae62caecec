"""The container engine: chosen, answering, large enough."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kfw.engine.reachability import Here
from kfw.errors import ClusterUnreachable, TimedOut
from kfw.quickstart import checks, engine_checks
from kfw.quickstart.checks import Finding, Level, in_order, remembering
from tests.quickstart.world import DESKTOP, LINUX, Machine, node

GIB = 1024**3
HOST = Here("linux", in_container=False, env={})


def asked(machine: Machine, env: Mapping[str, str] | None = None) -> list[Finding]:
    return list(in_order(engine_checks.checks(machine.run, env or {})))


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.has_engine()
    machine.says("docker context show", "default\n")
    machine.says(
        "docker context inspect", json.dumps([{"Endpoints": {"docker": {"Host": "unix:///run/docker.sock"}}}])
    )
    machine.says(_worker(), json.dumps({"name": "box", "url": "http+docker://localhost"}))
    return machine


def _worker() -> str:
    import shlex
    import sys

    return shlex.join([sys.executable, "-m", "kfw.quickstart.docker_sdk"])


def named(findings: list[Finding], check: str) -> Finding:
    return next(finding for finding in findings if finding.check == check)


def test_all_is_well_and_each_question_is_asked_once(machine: Machine) -> None:
    findings = asked(machine)
    assert [finding.check for finding in findings] == ["context", "docker", "size", "disk", "sdk"]
    assert {finding.level for finding in findings} == {Level.OK}
    assert machine.ran.count("docker info --format '{{json .}}'") == 1


def test_B2_without_docker_the_first_finding_is_the_line_that_installs_it() -> None:
    machine = Machine()
    machine.lacks("docker")
    (only,) = asked(machine)
    assert (only.level, only.what, only.fix) == (
        Level.ERROR,
        "cannot find docker on PATH",
        "brew install docker",
    )
    assert checks.as_error(only).exit_code == 8


def test_B2_an_engine_that_does_not_answer_is_told_in_dockers_words(machine: Machine) -> None:
    machine.fails(
        "docker info", "", out=json.dumps({"ServerErrors": ["Cannot connect to the Docker daemon"]})
    )
    last = asked(machine)[-1]
    assert (last.level, last.exit_code) == (Level.ERROR, ClusterUnreachable.exit_code)
    assert "Cannot connect to the Docker daemon" in last.what


@pytest.mark.parametrize(
    ("there", "env", "words"),
    [
        (False, {"KFW_IN_CONTAINER": "1"}, "this is a container: docker run -v "),
        (True, {"KFW_IN_CONTAINER": "1"}, "start"),
        (False, {"KFW_IN_CONTAINER": "0"}, "start"),
        (False, {"KFW_IN_CONTAINER": "1", "DOCKER_HOST": "tcp://far:1"}, "DOCKER_HOST is tcp://far:1"),
    ],
)
def test_how_an_engine_comes_here_depends_on_where_here_is(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    there: bool,
    env: Mapping[str, str],
    words: str,
) -> None:
    monkeypatch.setattr(engine_checks, "SOCKET", tmp_path if there else tmp_path / "none")
    machine.fails("docker info", "Cannot connect to the Docker daemon")
    assert words in asked(machine, env)[-1].fix


def test_an_engine_that_hangs_is_told_after_10_seconds(machine: Machine) -> None:
    machine.says("docker info", TimedOut("docker did not answer within 10 s"))
    last = asked(machine)[-1]
    assert (last.level, last.what) == (Level.ERROR, "docker did not answer within 10 s")
    assert last.fix


def test_a_small_machine_is_a_warning_with_both_values(machine: Machine) -> None:
    machine.has_engine({**LINUX, "NCPU": 2, "MemTotal": 2 * GIB})
    small = named(asked(machine), "size")
    assert small.level is Level.WARNING
    assert small.what == "2 CPUs and 2 GiB, the whole platform needs 4 and 8"


def test_a_virtual_machine_of_8_gib_shows_some_less_and_is_large_enough(machine: Machine) -> None:
    machine.has_engine({**LINUX, "NCPU": 4, "MemTotal": int(7.6 * GIB)})
    assert named(asked(machine), "size").level is Level.OK


def test_B31_who_wins_is_named_and_who_is_not_heeded(machine: Machine) -> None:
    env = {"DOCKER_HOST": "tcp://far:2375", "DOCKER_CONTEXT": "colima"}
    finding = named(asked(machine, env), "context")
    assert finding.level is Level.WARNING
    assert finding.what == "DOCKER_HOST wins: tcp://far:2375; DOCKER_CONTEXT=colima is ignored"
    assert finding.fix == "unset DOCKER_HOST"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"name": "other", "url": "x"}, "reaches other, the command line box"),
        ({"error": "no such socket"}, "cannot reach the engine: no such socket"),
    ],
)
def test_an_sdk_that_reaches_another_engine_is_a_warning(machine: Machine, answer: Any, words: str) -> None:
    machine.says(_worker(), json.dumps(answer))
    finding = named(asked(machine), "sdk")
    assert finding.level is Level.WARNING
    assert words in finding.what


def test_after_an_error_nothing_more_is_asked() -> None:
    machine = Machine()
    machine.lacks("docker")
    asked(machine)
    assert machine.ran == ["docker context show"]


def test_a_fix_stands_below_its_finding() -> None:
    shown = checks.lines([checks.ok("docker", "fine"), checks.warning("size", "small", "make it larger")])
    assert shown == ["ok       docker  fine", "warning  size    small", "                 make it larger"]


def test_remembering_asks_again_for_another_question() -> None:
    machine = Machine()
    machine.says("docker", "x")
    ask = remembering(machine.run)
    for word in ("info", "info", "version"):
        ask(["docker", word])
    assert machine.ran == ["docker info", "docker version"]


@pytest.fixture
def inotify_machine() -> Machine:
    machine = Machine()
    machine.has_engine()
    return machine


def has_nodes(machine: Machine, running: int, stopped: int = 0) -> None:
    names = [f"n{number}" for number in range(running + stopped)]
    told = [node(name, "any", running=number < running) for number, name in enumerate(names)]
    machine.says("docker ps", "\n".join(names))
    machine.says("docker inspect", json.dumps(told))


def inotify_asked(machine: Machine, folder: Path, limit: str = "128") -> Finding:
    file = folder / "max_user_instances"
    file.write_text(limit)
    return engine_checks.instances(machine.run, HOST, limit=file)


def test_without_any_cluster_there_is_room(machine: Machine, tmp_path: Path) -> None:
    found = inotify_asked(machine, tmp_path)
    assert (found.level, found.what) == (Level.OK, "128 instances, 0 nodes of kind run")


@pytest.mark.parametrize(("running", "level"), [(6, Level.OK), (7, Level.WARNING)])
def test_when_few_are_left_it_is_a_warning_with_the_line_that_mends_it(
    machine: Machine, tmp_path: Path, running: int, level: Level
) -> None:
    has_nodes(machine, running, stopped=4)
    found = inotify_asked(machine, tmp_path)
    assert found.level is level
    assert f"{running} nodes of kind run" in found.what
    assert ("fs.inotify.max_user_instances=512" in found.fix) == (level is Level.WARNING)
    assert inotify_asked(machine, tmp_path, "512").level is Level.OK


def test_of_another_kernel_nothing_is_known(machine: Machine, tmp_path: Path) -> None:
    has_nodes(machine, 20)
    assert engine_checks.instances(machine.run, HOST, limit=tmp_path / "none").level is Level.OK
    machine.has_engine(DESKTOP)
    assert inotify_asked(machine, tmp_path).what == "the engine's kernel is not this machine's"
