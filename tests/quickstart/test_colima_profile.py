"""Colima's checks in their order, each with the exact line that fixes it."""

import json
from collections.abc import Mapping

import pytest

from kfw.engine.colima import Mac
from kfw.quickstart import colima_profile
from kfw.quickstart import colima_profile as stage
from kfw.quickstart.checks import Finding, Level, in_order
from kfw.quickstart.colima_profile import ProfileQuestions
from kfw.system.shell import CommandAnswer
from tests.quickstart.world import Machine

GIB = 1024**3
M1 = Mac(darwin=True, arm=True, version=14)
SOCKET = "/h/.colima/default/docker.sock"
RUNNING = {"runtime": "docker", "cpu": 4, "memory": 8 * GIB, "docker_socket": f"unix://{SOCKET}"}
START = "colima start --cpu 4 --memory 8 --vm-type vz --vz-rosetta"
ENGINE = {
    "Name": "colima",
    "OperatingSystem": "Ubuntu",
    "ServerVersion": "27",
    "NCPU": 4,
    "MemTotal": 8 * GIB,
}


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Colima runs, with docker, large enough, and is what docker talks to."""
    monkeypatch.setattr(colima_profile, "find", lambda tool: f"/opt/{tool}")
    machine = Machine()
    runs(machine)
    machine.says("docker context show", "colima\n")
    machine.says("docker context inspect", "[]")
    machine.says("docker info", json.dumps(ENGINE))
    return machine


def runs(machine: Machine, **other: object) -> None:
    machine.says("colima status --json", json.dumps({**RUNNING, **other}))


def stands(machine: Machine, status: str = "Stopped") -> None:
    machine.fails("colima status --json", "colima is not running")
    machine.says("colima list --json", json.dumps({"name": "default", "status": status}))


def one(machine: Machine, env: Mapping[str, str] | None = None) -> ProfileQuestions:
    return ProfileQuestions(machine.run, "default", M1, env or {}, "/h", lambda path: path == SOCKET)


def checked(machine: Machine, env: Mapping[str, str] | None = None) -> list[Finding]:
    return list(in_order(colima_profile.checks(one(machine, env))))


def test_a_profile_that_is_as_it_should_be(mac: Machine) -> None:
    findings = checked(mac)
    assert [finding.check for finding in findings] == (
        ["colima", "profile", "runtime", "size", "socket", "context", "docker", "engine", "disk"]
    )
    assert {finding.level for finding in findings} == {Level.OK}


def test_B29_a_profile_that_does_not_run_comes_with_the_exact_start_line(mac: Machine) -> None:
    stands(mac)
    last = checked(mac)[-1]
    assert (last.level, last.what, last.fix) == (Level.ERROR, "colima does not run", START)


def test_B29_with_consent_it_is_started_once_and_checked_again(mac: Machine) -> None:
    stands(mac)
    mac.says("colima start", lambda: _started(mac))
    findings = stage.ensure(mac.steps(agree=True), one(mac), sleep=lambda _: None)
    assert mac.ran.count(START) == 1
    assert {finding.level for finding in findings} == {Level.OK}


def _started(mac: Machine) -> str:
    runs(mac)
    return ""


@pytest.mark.parametrize("running", [True, False])
def test_B29_nothing_is_started_or_stopped_without_consent(mac: Machine, running: bool) -> None:
    if not running:
        stands(mac)
    stage.ensure(mac.steps(agree=False), one(mac))
    assert not mac.ran_any("colima start")
    assert not mac.ran_any("colima stop")


def test_a_dry_run_shows_the_start_line(mac: Machine) -> None:
    stands(mac)
    steps = mac.steps(dry=True)
    stage.ensure(steps, ProfileQuestions(steps.ask, "default", M1, {}, "/h", lambda _: True))
    assert mac.shown[-1] == START
    assert not mac.ran_any("colima start")


def test_B30_a_small_machine_is_a_warning_with_the_exact_lines(mac: Machine) -> None:
    runs(mac, cpu=2, memory=2 * GIB)
    findings = checked(mac)
    small = next(finding for finding in findings if finding.check == "size")
    assert (small.level, small.what) == (Level.WARNING, "2 CPUs, 2 GiB; the platform needs 4 and 8")
    assert small.fix == f"colima stop && {START}"
    assert all(finding.level is not Level.ERROR for finding in findings)


def test_B30_containerd_is_an_error(mac: Machine) -> None:
    runs(mac, runtime="containerd")
    last = checked(mac)[-1]
    assert last.level is Level.ERROR
    assert "runs containerd" in last.what
    assert "--runtime docker" in last.fix


def test_B31_another_DOCKER_HOST_is_reported_with_both_values_and_is_what_counts(mac: Machine) -> None:
    findings = checked(mac, {"DOCKER_HOST": "unix:///var/run/docker.sock"})
    finding = next(finding for finding in findings if finding.check == "docker")
    assert finding.level is Level.WARNING
    assert finding.what == f"DOCKER_HOST is unix:///var/run/docker.sock, colima's socket is unix://{SOCKET}"


def test_another_context_is_reported_with_both_values(mac: Machine) -> None:
    mac.says("docker context show", "desktop-linux\n")
    mac.says("docker info", json.dumps({**ENGINE, "Name": "docker-desktop"}))
    findings = {finding.check: finding for finding in checked(mac)}
    assert "desktop-linux" in findings["docker"].what and "colima's is colima" in findings["docker"].what
    assert findings["docker"].fix == "docker context use colima"
    assert findings["engine"].what == "docker talks to docker-desktop, not to colima"


def test_a_broken_profile_is_stopped_by_force_first_by_the_user(mac: Machine) -> None:
    stands(mac, "Broken")
    last = stage.ensure(mac.steps(agree=True), one(mac))[-1]
    assert last.fix == f"colima stop --force && {START}"
    assert not mac.ran_any("colima stop")


def test_an_old_colima_without_json_is_asked_plainly(mac: Machine) -> None:
    mac.says("colima status --json", CommandAnswer((), 1, "", "unknown flag: --json"))
    mac.says("colima status", "colima is running")
    assert (
        next(finding for finding in checked(mac) if finding.check == "size").what
        == "unknown, this colima does not say"
    )


def test_a_socket_that_is_not_there_is_an_error(mac: Machine) -> None:
    runs(mac, docker_socket="unix:///elsewhere.sock")
    assert checked(mac)[-1].what == "colima has no docker socket"
